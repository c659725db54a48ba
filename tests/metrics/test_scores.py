"""Scores, judged by hand and by the normal approximation."""

import math

import pytest
import torch

from llmkit.metrics import Interval, accuracy, bits_per_byte, bootstrap_mean, perplexity


def test_accuracy_counts_what_counts():
    predictions = torch.tensor([[1, 2, 3], [4, 5, 6]])
    targets = torch.tensor([[1, 2, 9], [-100, 5, -100]])
    score = accuracy(predictions, targets)
    assert (score.value, score.n) == (0.75, 4)
    assert score.low <= 0.75 <= score.high


def test_interval_agrees_with_the_normal_approximation():
    g = torch.Generator().manual_seed(3)
    right = torch.rand(4000, generator=g) < 0.7
    score = bootstrap_mean(right, n_resamples=2000, generator=g)
    half = 1.96 * math.sqrt(score.value * (1 - score.value) / 4000)
    assert score.high - score.value == pytest.approx(half, rel=0.1)
    assert score.value - score.low == pytest.approx(half, rel=0.1)


def test_same_generator_same_interval():
    values = torch.arange(9.0)
    a, b = (
        bootstrap_mean(values, generator=torch.Generator().manual_seed(5))
        for _ in range(2)
    )
    assert a == b


def test_always_right_has_no_spread():
    assert bootstrap_mean([1.0, 1.0]) == Interval(1.0, 1.0, 1.0, 2)


def test_perplexity_and_bits():
    assert perplexity(torch.full((7,), math.log(50))) == pytest.approx(50)
    assert perplexity(0.0) == 1
    # 100 tokens of 4 bytes, guessed evenly among 256**4, cost 8 bits a byte
    assert bits_per_byte(4 * math.log(256), 100, 400) == pytest.approx(8)
    loss, tokens, size = torch.tensor([4 * math.log(256), 100, 400])
    assert bits_per_byte(loss, tokens, size) == pytest.approx(8)


def test_a_hopeless_model_has_an_infinite_perplexity():
    assert perplexity(1000.0) == float("inf")


def test_an_estimate_reads_well():
    assert f"{Interval(0.5, 0.25, 0.75, 9):.2f}" == "0.50 [0.25, 0.75]"
    assert str(Interval(0.5, 0.25, 0.75, 9)) == "0.500 [0.250, 0.750]"


def test_messages():
    with pytest.raises(ValueError, match=r"one shape; got \(2, 3\) and \(2,\).*argmax"):
        accuracy(torch.zeros(2, 3), torch.zeros(2))
    with pytest.raises(ValueError, match="at least one target that counts"):
        accuracy([1], [-100])
    with pytest.raises(ValueError, match="at least one number"):
        bootstrap_mean([])
    with pytest.raises(ValueError, match="n_bytes must be a number above 0"):
        bits_per_byte(1.0, 1, 0)
