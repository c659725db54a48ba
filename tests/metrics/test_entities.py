"""Names found in a text, judged by seqeval on 1,000 random pairs."""

import random
import warnings

import pytest
from seqeval.metrics.sequence_labeling import (
    get_entities,
    precision_recall_fscore_support,
)

from llmkit.metrics import entities, entity_scores

TAGS = ["O", "O", *(f"{p}-{k}" for p in "BIES" for k in ("PER", "LOC", "MÜ-2"))]


def sentence(rng, size):
    return [rng.choice(TAGS) for _ in range(size)]


def test_names_are_read_as_seqeval_reads_them():
    rng = random.Random(3)
    for _ in range(1000):
        tags = sentence(rng, rng.randint(0, 12))
        assert entities(tags) == set(get_entities(tags)), tags


def test_scores_of_a_thousand_corpora():
    rng = random.Random(4)
    for _ in range(1000):
        sizes = [rng.randint(0, 8) for _ in range(rng.randint(1, 4))]
        right = [sentence(rng, n) for n in sizes]
        said = [
            [t if rng.random() < 0.8 else rng.choice(TAGS) for t in s] for s in right
        ]
        mine = entity_scores(said, right)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no names at all
            for average, ours in (
                ("micro", mine.micro),
                ("macro", mine.macro),
                ("weighted", mine.weighted),
            ):
                if not mine.labels:
                    assert ours == (0, 0, 0)
                    continue
                theirs = precision_recall_fscore_support(right, said, average=average)
                assert ours == pytest.approx(theirs[:3], abs=1e-6)


def test_by_hand():
    right = [["B-PER", "I-PER", "O", "B-LOC"]]
    half = [["B-PER", "O", "O", "B-LOC"]]  # half a name is no name
    assert entities(right[0]) == {("PER", 0, 1), ("LOC", 3, 3)}
    assert entity_scores(half, right).micro == (0.5, 0.5, 0.5)
    assert entity_scores(right, right).macro == (1, 1, 1)
    assert entities([]) == set()


def test_messages():
    with pytest.raises(ValueError, match=r"sentence 0 must have one tag .* 2 words"):
        entity_scores([["O"]], [["O", "O"]])
    with pytest.raises(ValueError, match="such as \"B-PER\"; got 'PER'"):
        entities(["PER"])
