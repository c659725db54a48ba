"""The tree's rows, numbers, outputs and reading back, with a toy instead of a model."""

import json
import re
from pathlib import Path

import pytest

from llmkit.viz import generation_tree
from llmkit.viz.generation_tree import KNOBS, GenerationTree
from llmkit.viz.growth import SIGNS, Growth, TreeNode, rows_of

NODES = [
    TreeNode(0, 0, -1, " b", -0.5, -0.5, "pruned"),
    TreeNode(0, 0, -1, " a", -0.9, -0.9, "kept"),
    TreeNode(1, 1, 1, "\n", -0.1, -1.0, "finished"),
    TreeNode(1, 1, 1, "</script>", -2.0, -2.9, "pruned"),
    TreeNode(1, 1, 0, "?", None, None, "unread"),
]


def growth(text="The"):
    return Growth(text, ["The"], NODES, [(" a\n", -0.5, 2)], "a note")


def toy(**traits):
    calls = []

    def grow(mode, knobs, **request):
        calls.append((mode, knobs, request))
        if request.get("text") == "bad":
            raise ValueError("no such text")
        return growth(request.get("text", "The"))

    view = GenerationTree(grow, text="The", **traits)
    return view, calls


def test_rows_put_the_living_on_top_then_the_likelier():
    assert rows_of(NODES) == [1, 0, 0, 1, 2]


def test_paths_and_scores():
    view = GenerationTree(growth=growth(), knobs={"length_penalty": 2.0})
    assert view.path(2) == [1, 2]
    assert view.score(2) == pytest.approx(-1.0 / 2**2)
    assert view.score(4) is None


def test_knobs_and_clicks_reach_the_grower():
    view, calls = toy(mode="beam")
    view.knobs = view.knobs | {"beams": 5}
    assert calls[-1][1]["beams"] == 5
    assert calls[-1][2] == {}
    view.continue_from(3)
    assert calls[-1][2] == {"path": [1, 3]}
    view.back()
    assert calls[-1][2] == {"back": True}
    view.mode = "greedy"
    assert calls[-1][0] == "greedy"
    view.text = "A"
    assert calls[-1][2] == {"text": "A"}
    before = len(calls)
    view._heard(view, {"do": "continue", "node": 99}, [])  # no such node: nothing
    assert len(calls) == before
    view._heard(view, {"do": "continue", "node": 0}, [])
    assert calls[-1][2] == {"path": [0]}


def test_what_goes_wrong_is_told_in_the_view():
    view, _ = toy()
    view.text = "bad"
    assert view.note == "Not grown: no such text"
    view.text = "good"
    assert view.note == "a note"
    view.mode = "best"
    assert view.note.startswith("Not grown: mode must be one of 'greedy'")


def test_outputs_need_no_browser():
    view = GenerationTree(growth=growth())
    table = view.table()
    assert list(table.token) == ["·b", "·a", "⏎", "</script>", "?"]
    assert list(table.fate) == [n.fate for n in NODES]
    assert table.score[2] == pytest.approx(-0.5)
    assert "3 of them not taken" in view.alt
    assert view.to_png().startswith(b"\x89PNG")
    assert "<svg" in view.to_svg()
    assert view.to_html().count("</script>") == 2
    assert repr(view).startswith("GenerationTree(greedy, 5 tokens")


def test_five_beams_and_twenty_steps_are_small():
    nodes = [
        TreeNode(t, t, -1 if t == 0 else 15 * (t - 1), " token", -1.2345, -12.3456, f)
        for t in range(20)
        for f in ["kept"] * 5 + ["pruned"] * 10
    ]
    view = GenerationTree(growth=Growth("x", ["x"], nodes, [(" t", -1.0, 285)]))
    state = {name: getattr(view, name) for name in ("nodes", "texts", "prompt")}
    assert len(json.dumps(state)) < 30_000
    # the page without the picture that stands in for it where scripts do not run
    page = re.sub(r'src="data:[^"]*"', "", view.to_html())
    assert len(page.encode()) < 60_000
    assert len(view._esm) <= 25_000


def test_both_sides_use_the_same_signs():
    text = Path(generation_tree.__file__).with_suffix(".js").read_text(encoding="utf-8")
    found = re.search(r"const SIGNS = \{(.*?)\};", text, re.DOTALL)[1]
    assert dict(re.findall(r'(\w+): "(.)"', found)) == SIGNS


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: GenerationTree(), "give a growth to show, or grow to make one"),
        (lambda: GenerationTree(growth=growth(), mode="best"), "mode must be one of"),
        (lambda: GenerationTree(growth=growth(), measure="x"), "measure must be one"),
        (lambda: GenerationTree(growth=growth()).continue_from(7), "between 0 and 4"),
    ],
)
def test_errors_say_what_was_given(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_unknown_knobs_are_refused():
    with pytest.raises(ValueError, match=f"knobs knows {', '.join(KNOBS)}; got heat"):
        GenerationTree(growth=growth(), knobs={"heat": 1})
