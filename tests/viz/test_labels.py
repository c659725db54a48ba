"""Labels in which nothing is invisible and nothing breaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.viz.labels import visible, visible_all


@pytest.mark.parametrize(
    ("token", "label"),
    [
        (" fox", "·fox"),
        ("\n\t", "⏎⇥"),
        ("", "∅"),
        ("\ud83d", "<U+D83D>"),
        ("a\u202eb", "a<U+202E>b"),
        ("\x00", "<U+0000>"),
        ("שלום", "שלום"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("\u200d", "<U+200D>"),
        ("</script>", "</script>"),
    ],
)
def test_known_cases(token, label):
    assert visible(token) == label


@given(st.text(st.characters(codec=None)))
def test_any_token_gives_text_that_can_be_stored(token):
    label = visible(token)
    assert label
    assert label.encode("utf-8")
    assert not set(label) & set(" \n\t\r")


@given(st.text(min_size=1), st.integers(3, 20))
def test_cut_labels_are_short(token, longest):
    assert visible("x" * 200, 14) == "xxxxxxxxx…xxxx"
    plain = "".join(c for c in token if c.isalnum())
    assert len(visible(plain, longest)) <= longest


def test_lists():
    assert visible_all([" a", "b"]) == ["·a", "b"]
