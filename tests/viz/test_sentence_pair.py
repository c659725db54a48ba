"""The view of pairs without a browser and without a model."""

import pytest

from llmkit.viz.sentence_pair import Judged, SentencePair


def ask(first, second):
    """A judge that likes a second passage longer than the first."""
    if not first or not second:
        return Judged(follows=None, note="Type two passages.")
    share = len(second) / (len(first) + len(second))
    words = [*first.split(), *second.split()]
    segments = [0] * len(first.split()) + [1] * len(second.split())
    return Judged(follows=share, swapped=1 - share, tokens=words, segments=segments)


@pytest.fixture
def view():
    return SentencePair(ask, "a b", "</script> fox", ["one", "\u202e two"])


def test_the_table_holds_every_bar(view):
    table = view.table()
    assert len(table) == 4
    assert table["follows"][0] == round(13 / 16, 4)
    assert table["follows"][3] == round(3 / 16, 4)
    assert "<U+202E>" in table["second"][2]


def test_alt_and_repr(view):
    assert repr(view) == "SentencePair(follows 0.81)"
    assert "follows with 81%" in view.alt
    view.second = ""
    assert repr(view) == "SentencePair(nothing to judge)"
    assert view.table().empty


def test_pictures_are_drawn(view):
    for second in ("fox", ""):
        view.second = second
        assert view.to_png()[:4] == b"\x89PNG"
        assert "<svg" in view.to_svg()


def test_a_page_asks_nobody(view):
    state = view.static_state()
    assert state["live"] is False
    assert state["frame"]["others"] == [0.5, 5 / 8]
    assert "</script> fox" not in view.to_html()


def test_an_unknown_action_changes_nothing(view):
    for action in ({"do": "other", "at": 7}, {"do": "back", "at": 5}, {}):
        view.action = action
        assert (view.first, view.second) == ("a b", "</script> fox")


def test_the_history_is_kept_short(view):
    for i in range(20):
        view.action = {"do": "swap", "turn": 2 * i}
        view.first = f"text {i}"
        view.action = {"do": "other", "at": 0, "turn": 2 * i + 1}
    assert len(view.history) == 12


def test_the_module_is_small():
    assert len(SentencePair._esm) <= 25_000
