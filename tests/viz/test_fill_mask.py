"""The fill-mask view without a browser and without a model."""

import json

import numpy as np
import pytest

from llmkit.viz.fill_mask import FillMask
from llmkit.viz.filled import READINGS, Filled, moved

VOCAB = ["[MASK]", "a", "</script>", "日本", "fox", "\u202e"]
TOKENS = ["[CLS]", "a", "</script>", "fox", "[SEP]"]


def ask(text, masked, slot, neighbours):
    """A model that likes the token whose number is the place of the blank."""
    tokens = ["[CLS]", *text.split(), "[SEP]"]
    free = [t not in ("[CLS]", "[SEP]") for t in tokens]
    masked = sorted(at for at in masked if at < len(tokens) and free[at])
    if not masked:
        return Filled(text=text, tokens=tokens, free=free, note="Click a word.")
    slot = slot if slot in masked else masked[-1]
    readings = {}
    for sharpness, name in zip((3.0, 2.0, 1.0), READINGS, strict=True):
        scores = np.exp(-sharpness * abs(np.arange(len(VOCAB)) - slot))
        readings[name] = scores / scores.sum()
    return Filled(
        text=text,
        tokens=tokens,
        free=free,
        masked=masked,
        slot=slot,
        answers=[VOCAB.index(tokens[at]) for at in masked],
        readings=readings,
        others=[(at, 0.9) for at in masked],
        influence=[0.1 * i for i in range(len(tokens))] if neighbours else None,
    )


def put(text, place, token_id):
    words = text.split()
    words[place - 1] = VOCAB[token_id]
    return " ".join(words)


@pytest.fixture
def view():
    return FillMask(ask, put, VOCAB, "a </script> fox", [2])


def test_the_table_holds_the_bars(view):
    table = view.table()
    assert list(table.columns) == list(READINGS)
    assert table.index[0] == "</script> (the text)"
    want = ask("a </script> fox", [2], 2, True).readings
    for name in READINGS:
        np.testing.assert_allclose(sorted(table[name]), sorted(want[name]))
    assert view.frame["rank"] == 1
    assert view.frame["rows"][0][:2] == [2, "</script>"]


def test_alt_says_the_likeliest(view):
    best = view.distribution().max()
    assert f"</script> {best:.0%}" in view.alt
    assert "a [MASK] fox" in view.alt
    assert repr(view) == "FillMask(5 tokens, 1 hidden)"


def test_an_invisible_token_can_be_seen(view):
    view.masked = [3]
    labels = [row[1] for row in view.frame["rows"]]
    assert "<U+202E>" in labels
    assert "\u202e" not in "".join(labels)


def test_a_page_knows_every_blank(view):
    state = view.static_state()
    assert sorted(state["prepared"]) == ["1", "2", "3"]
    for place, frame in state["prepared"].items():
        assert frame["slot"] == int(place)
        assert frame["rows"][0][0] == int(place)
    page = view.to_html()
    assert "</script> (the text)" not in page.replace("&lt;/script&gt;", "")
    assert len(json.dumps(state["prepared"])) < 10_000


def test_pictures_are_drawn(view):
    assert view.to_png()[:4] == b"\x89PNG"
    assert "<svg" in view.to_svg()
    view.masked = []
    assert view.to_png()[:4] == b"\x89PNG"
    assert view.table().empty


def test_an_error_becomes_a_note(view):
    def fails(*state):
        raise ValueError("too long")

    view._ask = fails
    view.text = "b"
    assert view.frame["note"] == "Not read: too long"


def test_the_module_is_small():
    assert len(FillMask._esm) <= 25_000


@pytest.mark.parametrize(
    ("old", "new", "places", "want"),
    [
        ("a b c", "a b c", [0, 2], [0, 2]),
        ("a b c", "a x b c", [0, 1, 2], [0, 2, 3]),
        ("a b c", "a c", [0, 1, 2], [0, None, 1]),
        ("a b c", "a b d", [1, 2], [1, None]),
        ("a a a", "a a", [0, 1, 2], [0, 1, None]),
        ("b", "a", [-1, 0], [None, None]),
    ],
)
def test_places_move_with_the_text(old, new, places, want):
    assert moved(old.split(), new.split(), places) == want
