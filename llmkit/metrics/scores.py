"""What is reported: perplexity, bits per byte and accuracy with its interval.

Bootstrap: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
Home notebook: 11_evaluation.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from llmkit.checks import check_positive, check_range
from llmkit.metrics.intervals import Interval, wilson_interval


def bootstrap_mean(
    values: Tensor,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    generator: torch.Generator | None = None,
) -> Interval:
    """Return a mean and how far it would move on another sample of the same size.

    The values are drawn again, with replacement, many times; the middle share of the
    means so obtained is the interval. It takes the values to be independent: give one
    value for each document, not for each word of one document. This is the plain
    bootstrap, which is a little too sure of itself below some fifty examples;
    `bootstrap_interval` corrects that.

    Args:
        values: (N,), one score for each example.
        confidence: the share of resamples that the interval holds.
        n_resamples: how many times to draw.
        generator: draws the resamples; None: PyTorch's global one.

    Returns:
        An `Interval`.

    Raises:
        ValueError: there are no values.
    """
    values = torch.as_tensor(values).cpu().double().flatten()
    if not len(values):
        raise ValueError("values must hold at least one number; got none")
    check_range("confidence", confidence, 0.0, 1.0)
    check_positive("n_resamples", n_resamples)
    means = torch.empty(n_resamples, dtype=torch.float64)
    for i in range(n_resamples):
        rows = torch.randint(len(values), (len(values),), generator=generator)
        means[i] = values[rows].mean()
    outside = (1 - confidence) / 2
    ends = torch.quantile(means, torch.tensor([outside, 1 - outside]).double())
    return Interval(float(values.mean()), float(ends[0]), float(ends[1]), len(values))


def accuracy(
    predictions: Tensor,
    targets: Tensor,
    ignore_index: int = -100,
    level: float = 0.95,
) -> Interval:
    """Return the share of predictions that are right, with Wilson's interval.

    Args:
        predictions: int64, any shape, the chosen classes or tokens.
        targets: int64, the same shape.
        ignore_index: targets with this value do not count.
        level: how often the interval shall hold the true share.

    Returns:
        An `Interval`.

    Raises:
        ValueError: the shapes differ, or nothing counts.
    """
    predictions, targets = torch.as_tensor(predictions), torch.as_tensor(targets)
    if predictions.shape != targets.shape:
        raise ValueError(
            "predictions and targets must have one shape; got "
            f"{tuple(predictions.shape)} and {tuple(targets.shape)}. Scores are turned "
            "into predictions by argmax(dim=-1)."
        )
    counts = targets != ignore_index
    if not counts.any():
        raise ValueError("accuracy needs at least one target that counts; got none")
    right = (predictions == targets)[counts]
    return wilson_interval(int(right.sum()), len(right), level)


def perplexity(losses: Tensor | float) -> float:
    """Return e to the mean loss: among how many tokens the model is left guessing.

    Args:
        losses: cross-entropies in nats, any shape, or one number.

    Returns:
        1 for a model that is always sure and right; V for an even guess.
    """
    # torch's exp: beyond a mean of 709 it gives infinity, where math.exp stops
    return float(torch.as_tensor(losses).cpu().double().mean().exp())


def bits_per_byte(loss: float, n_tokens: int, n_bytes: int) -> float:
    """Turn a loss per token into a loss that no longer depends on the tokenizer.

    Args:
        loss: mean cross-entropy per token, in nats.
        n_tokens: how many tokens were predicted.
        n_bytes: how many bytes of UTF-8 those tokens stand for.

    Returns:
        Bits for each byte of text; a model that guesses bytes evenly needs 8.
    """
    loss, n_tokens, n_bytes = float(loss), int(n_tokens), int(n_bytes)
    check_positive("n_bytes", n_bytes)
    return loss * n_tokens / n_bytes / math.log(2)
