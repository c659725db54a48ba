"""The sick run as a widget: cases, outputs, and a page without a kernel."""

import json
import re

import pytest
import traitlets

from llmkit.viz.sick_run import SickRun

CASES = [["healthy", "nothing"], ["bad", "all"], ["short", "ended"]]


def fake(case):
    if case == "healthy":
        return {"losses": [4.0 - 0.1 * i for i in range(20)], "notes": []}
    if case == "bad":
        notes = [["rate too high", "It jumps.", "Lower it."], ["other", "x", "y"]]
        return {"losses": [4.0 + i for i in range(20)], "notes": notes}
    return {"losses": [None], "notes": [["not a number", "Ended.", "Look."]]}


@pytest.fixture
def view():
    return SickRun(fake, CASES, {"bigram": 2.5, "floor": 1.0}, "bad")


def test_cases(view):
    assert repr(view) == "SickRun(all: rate too high)"
    assert view.now["losses"][-1] == 23.0
    assert view.healthy[-1] == pytest.approx(2.1)
    view.case = "healthy"
    assert view.notes == []
    assert repr(view) == "SickRun(nothing: nothing wrong)"
    with pytest.raises(traitlets.TraitError, match="case must be one of healthy, bad"):
        view.case = "worse"
    view.step = 999
    assert view.step == 19


@pytest.mark.parametrize("case", ["healthy", "bad", "short"])
def test_outputs(view, case):
    view.case = case
    assert "The doctor says:" in view.alt
    assert list(view.table().index) == [0, 10]
    assert view.to_png()[:4] == b"\x89PNG"
    assert len(view._esm) < 25_000


def test_a_page_holds_what_was_trained(view):
    page = view.to_html()
    state = json.loads(re.search(r'-state">(.*?)</script>', page)[1])
    assert set(state["answers"]) == {"healthy", "bad"}


def test_each_case_is_trained_once():
    asked = []
    view = SickRun(lambda case: asked.append(case) or fake(case), CASES, {}, "bad")
    view.case = "short"
    view.case = "bad"
    assert asked == ["healthy", "bad", "short"]
