"""SQuAD's two scores, worked by hand and written a second way."""

import re
import string

import pytest

from llmkit.metrics import exact_match, normalize_answer, token_f1
from tests.metrics.texts import pairs


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("The Eiffel-Tower!", "eiffeltower"),
        ("an apple, a day", "apple day"),
        ("  ", ""),
        ("The", ""),
        ("another theory", "another theory"),
        ("l'Ångström 東京", "långström 東京"),
        ("a-b a.b", "ab ab"),
        ("a b the\tc", "b c"),
    ],
)
def test_what_does_not_make_an_answer_wrong(said, plain):
    assert normalize_answer(said) == plain


@pytest.mark.parametrize(
    ("said", "right", "em", "f1"),
    [
        ("Paris.", "paris", 1, 1),
        ("in Paris", "Paris", 0, 2 / 3),
        ("a b b c", "b b d", 0, 2 * 2 / (3 + 3)),
        ("", "", 1, 1),
        ("", "Paris", 0, 0),
        ("the", "", 1, 1),
        ("Rome", ["Paris", "rome", "the city of Rome"], 1, 1),
    ],
)
def test_by_hand(said, right, em, f1):
    assert exact_match(said, right) == em
    assert token_f1(said, right) == pytest.approx(f1)


def squad(said: str, right: str) -> tuple[float, float]:
    """The rules of the data set's own evaluation, one word at a time."""

    def words(text):
        kept = "".join(c for c in text.lower() if c not in set(string.punctuation))
        return [w for w in re.sub(r"\b(a|an|the)\b", " ", kept).split() if w]

    mine, theirs = words(said), words(right)
    if not mine or not theirs:
        return float(mine == theirs), float(mine == theirs)
    left, same = list(theirs), 0
    for word in mine:
        if word in left:
            left.remove(word)
            same += 1
    if not same:
        return float(mine == theirs), 0.0
    precision, recall = same / len(mine), same / len(theirs)
    return float(mine == theirs), 2 * precision * recall / (precision + recall)


def test_a_thousand_pairs():
    for said, right in pairs(seed=9):
        best = [
            max(column) for column in zip(*(squad(said, r) for r in right), strict=True)
        ]
        assert exact_match(said, right) == best[0]
        assert token_f1(said, right) == pytest.approx(best[1], abs=1e-9)


def test_messages():
    with pytest.raises(ValueError, match="at least one right answer; got none"):
        exact_match("x", [])
