"""Does "90 % sure" mean right nine times out of ten?

Guo et al. 2017, "On Calibration of Modern Neural Networks"; the score of forecasts:
Brier 1950. Home notebook: 11_evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmkit.checks import check_count, check_range, check_shape
from llmkit.metrics.classes import share


@dataclass(frozen=True)
class Reliability:
    """Answers sorted by how sure the model was, into K bins of equal width.

    Attributes:
        edges: where the bins begin and end, (K + 1,).
        count: how many answers fall into each, (K,).
        confidence: how sure the model was in each, on average, (K,); 0 if empty.
        accuracy: how often it was right there, (K,); 0 if empty.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def ece(self) -> float:
        """The gap between the two, on average over the answers."""
        gaps = np.abs(self.confidence - self.accuracy)
        return float((self.count * gaps).sum() / self.count.sum())


def reliability(confidence: Sequence, right: Sequence, bins: int = 10) -> Reliability:
    """Sort answers by confidence and compare it with how often they were right.

    Args:
        confidence: the probability that the model gave to its answer, or to the
            positive class, (N,).
        right: whether the answer was right, or positive, (N,).
        bins: K.

    Returns:
        A `Reliability`.
    """
    confidence, right = probabilities(confidence, right)
    check_count("bins", bins)
    edges = np.arange(bins + 1) / bins
    # a value on an edge belongs to the bin that it ends; 0 to the first
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins).astype(float)
    sure = np.bincount(place, weights=confidence, minlength=bins)
    hits = np.bincount(place, weights=right, minlength=bins)
    return Reliability(edges, count, share(sure, count), share(hits, count))


def calibration_error(confidence: Sequence, right: Sequence, bins: int = 10) -> float:
    """Return the expected calibration error: the mean gap over `bins` bins.

    It depends on the number of bins, and is above 0 by chance alone when examples are
    few, so compare it only at the same number of bins and examples.

    Args:
        confidence: the probability of each answer, (N,).
        right: whether it was right, (N,).
        bins: how many bins of equal width.
    """
    return reliability(confidence, right, bins).ece


def brier(probability: Sequence, happened: Sequence) -> float:
    """Return the mean squared gap between what was forecast and what happened.

    Args:
        probability: of the positive class, (N,); or of every class, (N, C).
        happened: 0 or 1, (N,); or the index of the class, (N,).

    Returns:
        0 is perfect. Saying 0.5 always costs 0.25 with one column; with C columns
        the squares of all of them are added.
    """
    probability = np.asarray(probability, float)
    if probability.ndim == 1:
        probability, happened = probabilities(probability, happened)
        return float(((probability - happened) ** 2).mean())
    happened = np.asarray(happened)
    check_shape("happened", happened, "N", N=len(probability))
    truth = np.eye(probability.shape[1])[happened]
    return float(((probability - truth) ** 2).sum(axis=1).mean())


def probabilities(probability, happened) -> tuple[np.ndarray, np.ndarray]:
    """Check probabilities and outcomes; return both as arrays of floats.

    Args:
        probability: N numbers between 0 and 1.
        happened: N times 0 or 1.

    Returns:
        Both as float64, (N,).

    Raises:
        ValueError: there is none, they are not equally many, or one is out of range.
    """
    probability = np.asarray(probability, float)
    happened = np.asarray(happened, float)
    check_shape("probabilities", probability, "N")
    check_shape("outcomes", happened, "N", N=len(probability))
    if not len(probability):
        raise ValueError("probabilities must hold at least one number; got none")
    check_range("smallest probability", float(probability.min()), 0, 1)
    check_range("largest probability", float(probability.max()), 0, 1)
    if not set(np.unique(happened)) <= {0.0, 1.0}:
        raise ValueError(
            f"outcomes must be 0 or 1; got {sorted(set(np.unique(happened)))[:5]}"
        )
    return probability, happened
