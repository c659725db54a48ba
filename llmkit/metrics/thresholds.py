"""From scores to decisions: what every threshold would bring and cost.

Fawcett 2006, "An introduction to ROC analysis". Home notebook: 11_evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmkit.checks import check_shape
from llmkit.metrics.classes import precision_recall_f1, share


@dataclass(frozen=True)
class Decisions:
    """What "yes from this score on" brings, for K thresholds from high to low.

    Attributes:
        threshold: (K,); the first is infinite: no yes at all.
        hits: positives with a yes, (K,).
        false_alarms: negatives with a yes, (K,).
        positives: how many there are.
        negatives: how many there are.
    """

    threshold: np.ndarray
    hits: np.ndarray
    false_alarms: np.ndarray
    positives: int
    negatives: int

    @property
    def precision(self) -> np.ndarray:
        """Of the yeses the share that is right, (K,); 1 where there is no yes."""
        chosen = self.hits + self.false_alarms
        return np.where(chosen > 0, share(self.hits, chosen), 1.0)

    @property
    def recall(self) -> np.ndarray:
        """Of the positives the share that got a yes, (K,)."""
        return self.hits / self.positives

    @property
    def false_alarm_rate(self) -> np.ndarray:
        """Of the negatives the share that got a yes, (K,)."""
        return self.false_alarms / self.negatives

    @property
    def f1(self) -> np.ndarray:
        """The harmonic mean of precision and recall, (K,)."""
        chosen = self.hits + self.false_alarms
        return precision_recall_f1(self.hits, chosen, self.positives)[2]

    @property
    def roc_auc(self) -> float:
        """How often a positive scores above a negative; ties count half."""
        return float(_area(self.false_alarm_rate, self.recall))

    @property
    def average_precision(self) -> float:
        """Precision, averaged over the steps in which recall grows."""
        return float((np.diff(self.recall) * self.precision[1:]).sum())


def decisions(scores: Sequence, labels: Sequence) -> Decisions:
    """Try every threshold on a classifier with two classes.

    Args:
        scores: higher means "more likely positive", (N,).
        labels: 1 for positive, 0 for negative, (N,).

    Returns:
        A `Decisions` with one entry for each different score, and one above them all.

    Raises:
        ValueError: one of the two classes is missing.
    """
    scores, labels = np.asarray(scores, float), np.asarray(labels).astype(bool)
    check_shape("scores", scores, "N")
    check_shape("labels", labels, "N", N=len(scores))
    positives = int(labels.sum())
    if not 0 < positives < len(labels):
        raise ValueError(
            "labels must hold both positives and negatives; got "
            f"{positives} positives of {len(labels)}"
        )
    order = np.argsort(-scores, kind="stable")
    scores, labels = scores[order], labels[order]
    # examples with one score get their yes together
    last = np.r_[np.flatnonzero(np.diff(scores)), len(scores) - 1]
    hits = np.r_[0, np.cumsum(labels)[last]]
    alarms = np.r_[0, np.cumsum(~labels)[last]]
    threshold = np.r_[np.inf, scores[last]]
    return Decisions(threshold, hits, alarms, positives, len(labels) - positives)


def counts_at(scores: Sequence, labels: Sequence, threshold: float) -> dict[str, int]:
    """Count the four outcomes of "yes if the score reaches the threshold".

    Args:
        scores: (N,).
        labels: 1 for positive, 0 for negative, (N,).
        threshold: a yes needs at least this score.
    """
    yes = np.asarray(scores, float) >= threshold
    true = np.asarray(labels).astype(bool)
    check_shape("labels", true, "N", N=len(yes))
    return {
        "hits": int((yes & true).sum()),
        "false alarms": int((yes & ~true).sum()),
        "misses": int((~yes & true).sum()),
        "rejections": int((~yes & ~true).sum()),
    }


def _area(x: np.ndarray, y: np.ndarray) -> float:
    """Return the area under a line through points, by trapezia."""
    return ((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2).sum()
