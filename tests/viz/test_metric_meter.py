"""The metric meter as a widget: edits, examples, outputs, pages without a kernel."""

import json
import re

import pytest

from llmkit.viz.metric_meter import MetricMeter


def fake(candidate, references, splitter):
    """Numbers that tell which texts they belong to."""
    words = candidate.split()
    states = [["hit" if w in references[0] else "miss" for w in words]] * 4
    rows = [{"words": r.split(), "states": [["hit"] * len(r.split())] * 4}
            for r in references]  # fmt: skip
    return {
        "scores": [["long", len(candidate), 100], ["many", 1 / len(references), 1]],
        "words": words,
        "states": states,
        "references": rows,
        "runs": [[n, 1, 2] for n in (1, 2, 3, 4)],
        "note": splitter,
    }


SAMPLES = [("one", "a b", ["a b"], "same"), ("two", "c", ["a", "d e"], "other")]


def meter(**traits):
    splitters = [("13a", "western"), ("char", "letters")]
    return MetricMeter(fake, "a b", ["a b"], SAMPLES, splitters, **traits)


def test_an_edit_moves_the_scores_and_keeps_the_old_ones_beside():
    view = meter()
    assert view.scores() == {"long": 3, "many": 1}
    view.candidate = "a b c"
    assert view.scores()["long"] == 5
    assert view.before[0][1] == 3
    view.keep()
    assert view.before[0][1] == 5
    view.references = "one\ntwo"
    assert view.scores()["many"] == 0.5


def test_an_example_fills_in_its_texts_and_is_known_again():
    view = meter()
    assert view.sample == 0
    view.sample = 1
    assert (view.candidate, view.references) == ("c", "a\nd e")
    assert view.before == view.now["scores"]
    view.candidate = "my own"
    assert view.sample == -1
    view.candidate = "c"
    assert view.sample == 1


def test_what_a_browser_may_send_is_brought_into_range():
    view = meter()
    view.order = 9
    view.splitter = "nonsense"
    assert (view.order, view.splitter) == (4, "13a")
    view.splitter = "char"
    assert view.now["note"] == "char"
    view.candidate = "x" * 9000 + "\ud800"
    assert len(view.candidate) == 2000


def test_outputs():
    view = meter(order=2)
    assert repr(view) == "MetricMeter(2 words: long 3.0, many 1.000)"
    assert view.alt == "“a·b” against “a·b”: long 3.0, many 1.000."
    assert view.table().shape == (6, 3)
    assert view.to_png()[:4] == b"\x89PNG"
    assert "</svg>" in view.to_svg()


@pytest.mark.parametrize("text", ["", "$x_{$ \n 東京 \u202e </script>", "w " * 900])
def test_any_text_can_be_drawn(text):
    view = meter()
    view.candidate = view.references = text
    assert view.to_png()[:4] == b"\x89PNG"
    assert view.table().shape == (6, 3)


def test_a_page_holds_the_answer_to_every_example():
    page = meter().to_html()
    state = json.loads(re.search(r'-state">(.*?)</script>', page)[1])
    assert [a["words"] for a in state["answers"]] == [["a", "b"], ["c"]]
    assert len(MetricMeter._esm.encode()) < 25_000
