"""Every exercise of the course: right answers pass, each mistake gets its hint."""

import itertools

import pytest

from llmkit.course import all_exercises, check
from llmkit.course.checks import _run

EXERCISES = {exercise.name: exercise for exercise in all_exercises()}
MISTAKES = [
    pytest.param(e, m, f, id=f"{e.name}-{m.name}-{i}".replace(" ", "_"))
    for e in EXERCISES.values()
    for m in e.mistakes
    for i, f in enumerate(m.functions)
]
RIGHT = [
    pytest.param(e, f, id=f"{e.name}-{i}")
    for e in EXERCISES.values()
    for i, f in enumerate((e.reference, *e.right))
]
each_exercise = pytest.mark.parametrize(
    "exercise", list(EXERCISES.values()), ids=list(EXERCISES)
)


@pytest.mark.parametrize(("exercise", "function"), RIGHT)
def test_every_right_answer_passes(exercise, function, capsys):
    result = check(exercise.name, function)
    assert result.passed, result.message
    assert result.function is function
    assert capsys.readouterr().out.startswith("right: ")


@pytest.mark.parametrize(("exercise", "mistake", "function"), MISTAKES)
def test_every_mistake_gets_its_own_hint(exercise, mistake, function, capsys):
    result = check(exercise.name, function)
    assert not result.passed
    assert result.mistake == mistake.name, result.message
    assert result.message == f"not yet: {mistake.hint}"
    assert result.function is exercise.reference
    printed = " ".join(capsys.readouterr().out.split())
    assert printed == " ".join(result.message.split())


@each_exercise
def test_the_declaration_is_complete(exercise):
    assert len(exercise.right) >= 2
    assert len(exercise.mistakes) >= 2
    assert exercise.signature.startswith(exercise.name)
    hints = [m.hint for m in exercise.mistakes]
    names = [m.name for m in exercise.mistakes]
    assert len(set(hints)) == len(hints)
    assert len(set(names)) == len(names)
    for hint in hints:
        assert hint[0].isupper()
        assert hint.endswith((".", "?", "…", ":", ")"))
        assert len(hint) <= 320


@each_exercise
def test_distinct_mistakes_can_be_told_apart(exercise):
    outcomes = [
        (mistake, _run(exercise, function))
        for mistake in exercise.mistakes
        for function in mistake.functions
    ]
    for (one, mine), (other, theirs) in itertools.combinations(outcomes, 2):
        if one is other:
            continue
        alike = [
            a.equals(b, exercise.tolerance) for a, b in zip(mine, theirs, strict=True)
        ]
        assert not all(alike), f"{one.name!r} and {other.name!r} cannot be told apart"


@each_exercise
def test_the_inputs_are_the_same_each_time(exercise):
    first, second = (
        _run(exercise, exercise.reference),
        _run(exercise, exercise.reference),
    )
    assert all(a.equals(b, 0.0) for a, b in zip(first, second, strict=True))
    assert not any(o.error or o.changed_input for o in first)


@each_exercise
def test_a_stub_is_not_solved_yet(exercise, capsys):
    def returns_nothing(*args, **kwargs):
        """Has only a docstring."""

    def returns_dots(*args, **kwargs):
        return ...

    def raises(*args, **kwargs):
        raise NotImplementedError

    for stub in (returns_nothing, returns_dots, raises, None, ...):
        result = check(exercise.name, stub)
        assert not result.passed
        assert result.message.startswith("not solved yet"), result.message
        assert result.function is exercise.reference
    assert "the kit's own" in capsys.readouterr().out


def test_names_are_unique():
    names = [exercise.name for exercise in all_exercises()]
    assert len(set(names)) == len(names)
