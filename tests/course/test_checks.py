"""What `check` says about unfinished, broken and strange answers."""

import subprocess
import sys

import pytest
import torch

from llmkit.course import check
from llmkit.course.exercises.embeddings import embed


def said(name, function):
    result = check(name, function)
    assert not result.passed
    assert result.function is not function
    return result.message


def test_a_stub_with_dots_in_the_middle_is_not_solved_yet():
    def scores_left_out(ids, table):
        rows = ...
        return rows @ table

    def attribute_left_out(ids, table):
        rows = ...
        return rows.float()

    assert said("embed", scores_left_out).startswith("not solved yet")
    assert said("embed", attribute_left_out).startswith("not solved yet")


def test_a_forgotten_return_is_no_stub():
    def forgot(ids, table):
        table[ids]

    assert "Is there a return?" in said("embed", forgot)


def test_the_result_instead_of_the_function():
    message = said("embed", embed(torch.tensor([[0]]), torch.ones(2, 3)))
    assert "without calling it" in message


def test_wrong_arguments():
    message = said("embed", lambda ids: ids)
    assert "called as embed(ids, table), but yours takes (ids)" in message


def test_an_exception_is_reported_with_its_input():
    message = said("embed", lambda ids, table: 1 / 0)
    assert "ZeroDivisionError: division by zero" in message
    assert "input 1 (shape (1, 3), shape (5, 4))" in message


@pytest.mark.parametrize("error", [SystemExit, RecursionError, MemoryError])
def test_no_exception_escapes(error):
    def stops(ids, table):
        raise error("x")

    assert error.__name__ in said("embed", stops)


def test_wrong_type_shape_and_kind():
    assert "should be a tensor of shape (1, 3, 4); it is a list" in said(
        "embed", lambda i, t: t[i].tolist()
    )
    assert "it is a NumPy array" in said("embed", lambda i, t: t[i].numpy())
    assert "should have the shape (1, 3, 4); it has (3, 4)" in said(
        "embed", lambda i, t: t[i[0]]
    )
    assert "decimal values; it holds whole-number ones (int64)" in said(
        "embed", lambda i, t: t[i].long()
    )
    assert "contains nan" in said("embed", lambda i, t: t[i] / 0 * 0)


def test_changed_inputs_are_noticed():
    def sorts(ids, table):
        result = table[ids].clone()
        table.add_(1)
        return result

    assert "changes its input" in said("embed", sorts)


def test_a_mistake_that_explains_only_part_is_not_named():
    def mixed(ids, table):
        return table[ids] + 3

    result = check("embed", mixed)
    assert result.mistake is None
    assert "12 of 12 numbers differ; the first is at [0, 0, 0]" in result.message


def test_a_wrong_special_case_still_gets_the_hint():
    """Wrong only where the last row is not asked for, as the known mistake is."""

    def wraps(ids, table):
        return table[(ids + 1).clamp(max=len(table) - 1)]

    assert check("embed", wraps).mistake == "counted from 1"


def test_an_unknown_exercise_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'embed'"):
        check("embedd", embed)


def test_strict_raises(monkeypatch):
    monkeypatch.setenv("LLMKIT_STRICT", "1")
    assert check("embed", embed).passed
    with pytest.raises(AssertionError, match="not solved yet"):
        check("embed", None)


def test_nothing_is_shown_twice(capsys):
    result = check("embed", embed)
    assert capsys.readouterr().out.count("right") == 1
    assert result._ipython_display_() is None
    assert repr(result) == "CheckResult('embed', passed=True)"


def test_importing_is_light():
    code = (
        "import sys; import llmkit.course; "
        "print([m for m in ('torch', 'anywidget', 'numpy') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
    assert out.stderr == ""
