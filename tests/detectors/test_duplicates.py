"""Planted copies are all found; sets that share nothing raise no alarm."""

import random

import pytest

from llmkit.data import load_shipped
from llmkit.detectors import overlap


@pytest.fixture(scope="module")
def reviews():
    rows = load_shipped("reviews")
    return {
        split: [r["text"] for r in rows if r["split"] == split]
        for split in ("train", "test")
    }


def changed(text, dice, every=9):
    """A text with one word in nine replaced."""
    words = text.split()
    for i in range(dice.randrange(every), len(words), every):
        words[i] = dice.choice(["really", "somewhat", "indeed", "perhaps"])
    return " ".join(words)


def by_comparing_all(train, test, threshold, width=5):
    """The slow way: every test text with every training text."""

    def shingles(text):
        kept = "".join(c if c.isalnum() else " " for c in text.casefold())
        kept = " ".join(kept.split())
        return {kept[i : i + width] for i in range(len(kept) - width + 1)}

    found = set()
    cut = [shingles(text) for text in train]
    for i, text in enumerate(test):
        mine = shingles(text)
        shared = max((len(mine & other) / len(mine) for other in cut), default=0)
        if len(mine) >= 25 and shared >= threshold:
            found.add(i)
    return found


def test_the_shipped_splits_share_nothing(reviews):
    finding = overlap(reviews["train"], reviews["test"])
    assert finding, finding
    assert "No overlap" in str(finding)
    assert finding.share == 0
    assert finding.table().empty


def test_every_planted_copy_is_found(reviews):
    dice = random.Random(0)
    # very short reviews are compared whole only: their copies must stay whole
    long = [t for t in reviews["train"] if len(t) > 80]
    copies = dice.sample(long, 20)
    near = [changed(t, dice) for t in dice.sample(long, 20)]
    shouted = [t.upper().replace(".", " !") for t in dice.sample(reviews["train"], 10)]
    part = [t[: int(0.8 * len(t))] for t in dice.sample(long, 10)]
    planted = copies + near + shouted + part
    test = planted + reviews["test"]
    finding = overlap(reviews["train"], test)
    assert not finding
    assert {i for i, _, _ in finding.pairs} == set(range(60))
    assert all(share == 1.0 for i, _, share in finding.pairs if i < 20)
    assert finding.share == pytest.approx(60 / len(test))
    table = finding.table()
    assert len(table) == 60
    assert (table["shared"].diff().dropna() <= 0).all()
    assert "also stand in the training set" in finding.sentence


@pytest.mark.parametrize("threshold", [0.2, 0.35, 0.6])
def test_it_equals_comparing_all_with_all(reviews, threshold):
    train, test = reviews["train"][:300], reviews["test"][:150]
    finding = overlap(train, test, threshold=threshold)
    got = {i for i, _, _ in finding.pairs}
    assert got == by_comparing_all(train, test, threshold)


def test_token_ids():
    dice = random.Random(1)
    rows = [[dice.randrange(500) for _ in range(40)] for _ in range(50)]
    assert overlap(rows[:25], rows[25:])
    finding = overlap(rows[:25], [*rows[25:], rows[3], rows[7][:35] + [1] * 5])
    assert {(i, j) for i, j, _ in finding.pairs} == {(25, 3), (26, 7)}


def test_edges():
    assert overlap([], ["something"])
    assert overlap(["something"], [])
    assert overlap(["", "a"], ["", "b"])  # an empty text is nobody's copy
    assert not overlap(["Great film!"], ["great film"])  # short, but whole
    assert overlap(["What a great film that was"], ["great film"])
    assert not overlap(["🙂🙂"], ["🙂🙂"])
    assert not overlap(["ﬁne naïve CAFÉ"], ["fine naïve café"])
    with pytest.raises(ValueError, match="threshold must lie between"):
        overlap([], [], threshold=2)
    with pytest.raises(ValueError, match="width must be a whole number"):
        overlap([], [], width=0)
