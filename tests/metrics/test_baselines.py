"""Counting models, judged by hand."""

import math

import pytest

from llmkit.metrics import NGram

V = 5
IDS = [0, 1, 2, 0, 1, 3, 0, 1, 2]


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("history", [[], [0], [0, 1], [4, 4], [2, 0, 1]])
def test_probabilities_add_up_to_one(order, history):
    model = NGram(order, V).fit(IDS)
    total = sum(model.probability(history, token) for token in range(V))
    assert total == pytest.approx(1)
    assert all(model.probability(history, token) > 0 for token in range(V))


def test_unigram_by_hand():
    model = NGram(1, V, discount=0.5).fit(IDS)
    # token 0: 3 of 9 less the discount, and its share of what 4 kinds give away
    assert model.probability([], 0) == pytest.approx((3 - 0.5 + 0.5 * 4 / V) / 9)
    assert model.probability([], 4) == pytest.approx((0.5 * 4 / V) / 9)


def test_without_discount_a_bigram_is_the_plain_share():
    model = NGram(2, V, discount=0.0).fit(IDS)
    assert model.probability([1], 2) == pytest.approx(2 / 3)
    assert model.loss([0, 1, 2]) == pytest.approx(-math.log(1 * 2 / 3) / 2)


def test_longer_histories_know_more():
    text = [0, 1, 0, 2] * 50
    losses = [NGram(order, V).fit(text).loss(text) for order in (1, 2, 3)]
    assert losses[0] > losses[1] > losses[2]


def test_a_second_text_is_added():
    twice = NGram(2, V).fit(IDS).fit([3, 4, 3])
    assert twice.totals[0][()] == len(IDS) + 3
    assert twice.kinds[0][()] == 5
    total = sum(twice.probability([0], token) for token in range(V))
    assert total == pytest.approx(1)


def test_messages():
    with pytest.raises(ValueError, match="at least two tokens; got 1"):
        NGram(1, V).loss([3])
    with pytest.raises(ValueError, match="order must be a number above 0"):
        NGram(0, V)
