"""Counting baselines for blanks: probabilities that add up, counts worked by hand."""

import math

import pytest

from llmkit.metrics import NGram
from llmkit.metrics.neighbours import NeighbourCounts

# 0 begins and ends a text
ROWS = [[0, 1, 2, 3, 0], [0, 1, 2, 4, 0], [0, 1, 4, 3, 0], [0, 5, 2, 3, 0]]
V = 7


@pytest.mark.parametrize("sides", ["none", "left", "both"])
@pytest.mark.parametrize(("left", "right"), [(1, 3), (1, 6), (6, 3), (0, 2)])
def test_probabilities_add_up(sides, left, right):
    counts = NeighbourCounts(V, sides).fit(ROWS)
    chances = [counts.probability(left, right, token) for token in range(V)]
    assert math.isclose(sum(chances), 1, rel_tol=1e-12)
    assert min(chances) > 0


def test_counts_by_hand():
    counts = NeighbourCounts(V, "both").fit(ROWS)
    # between 1 and 3 stood 2 once and 4 once; after 1 stood 2 twice and 4 once; in all
    # 1 1 1 2 2 2 3 3 3 4 4 5
    alone = {2: (3 - 0.5 + 0.5 * 5 / V) / 12, 4: (2 - 0.5 + 0.5 * 5 / V) / 12}
    after = {
        2: (2 - 0.5 + 2 * 0.5 * alone[2]) / 3,
        4: (1 - 0.5 + 2 * 0.5 * alone[4]) / 3,
    }
    for token in (2, 4):
        want = (1 - 0.5 + 2 * 0.5 * after[token]) / 2
        assert math.isclose(counts.probability(1, 3, token), want)


def test_the_left_side_alone_is_a_bigram_model():
    text = [0, 1, 2, 3, 1, 2, 4, 1, 4, 3, 5, 2, 3, 0]
    ours = NeighbourCounts(V, "left", discount=0.4).fit([text])
    # an n-gram model also counts the last token and the first
    theirs = NGram(2, V, discount=0.4).fit(text[:-1])
    for left in (1, 2, 4):
        for token in (1, 3):
            assert ours.counts[left,][token] == theirs.pairs[1][left, token]


def test_guesses():
    none, left, both = (
        NeighbourCounts(V, sides).fit(ROWS) for sides in ("none", "left", "both")
    )
    assert none.guess(1, 3) in (1, 2, 3)
    assert left.guess(1, 3) == 2
    assert both.guess(2, 0) in (3, 4)
    assert both.guess(0, 4) == 1
    # an unknown right neighbour: the left one decides
    assert both.guess(1, 6) == 2
    right, loss = both.score([(0, 4, 1), (1, 6, 3)])
    assert right == [True, False]
    chances = both.probability(0, 4, 1), both.probability(1, 6, 3)
    assert math.isclose(loss, -sum(map(math.log, chances)) / 2)


def test_errors():
    with pytest.raises(ValueError, match="sides"):
        NeighbourCounts(V, "right")
    with pytest.raises(ValueError, match="nothing has been counted"):
        NeighbourCounts(V).guess(1, 2)
    with pytest.raises(ValueError, match="at least one blank"):
        NeighbourCounts(V).fit(ROWS).score([])
