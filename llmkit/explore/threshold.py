"""Move a threshold over a classifier's scores. Home notebook: 11_evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from llmkit.metrics import (
    Interval,
    brier,
    decisions,
    reliability,
    wilson_interval,
)
from llmkit.metrics.calibration import probabilities
from llmkit.metrics.thresholds import counts_at
from llmkit.viz.threshold_view import ThresholdView


def threshold(
    scores: Sequence[float],
    labels: Sequence[int],
    names: Sequence[str] = ("negative", "positive"),
    **traits,
) -> ThresholdView:
    """Show what every threshold brings, and how far the scores can be believed.

    Args:
        scores: the probability of the positive class for each of N examples.
        labels: 1 where it is positive, 0 where not, N.
        names: what negative and positive are called.
        **traits: choices to begin with, such as `threshold=0.3`, `bins=5`.

    Returns:
        The view; `view.now()` holds the numbers.

    Raises:
        ValueError: a score is no probability, or one of the classes is missing.
    """
    scores, labels = probabilities(_array(scores), _array(labels))
    if len(names) != 2:
        raise ValueError(f"names must be two: negative, positive; got {names!r}")
    decisions(scores, labels)  # says what is wrong before anything is drawn
    return ThresholdView(measure, scores, labels, names, **traits)


def measure(
    scores: np.ndarray, labels: np.ndarray, threshold: float, bins: int
) -> dict[str, Any]:
    """Return every number that the view shows.

    Args:
        scores: probabilities, (N,).
        labels: 0 or 1, (N,).
        threshold: a yes needs at least this probability.
        bins: of the reliability diagram.

    Returns:
        Counts, rates with intervals as (value, low, high), curves and bins, by name.
    """
    counts = counts_at(scores, labels, threshold)
    hits, alarms, misses, passed = counts.values()
    every = decisions(scores, labels)
    table = reliability(scores, labels, bins)
    rates = {
        "accuracy": _rate(hits + passed, len(labels)),
        "precision": _rate(hits, hits + alarms),
        "recall": _rate(hits, hits + misses),
        "f1": f1_interval(hits, alarms, misses),
    }
    edges = zip(table.edges, table.edges[1:], strict=False)
    columns = (table.count, table.confidence, table.accuracy)
    return {
        **counts,
        **{name: (x.value, x.low, x.high) for name, x in rates.items()},
        "false alarm rate": alarms / max(1, alarms + passed),
        "auc": every.roc_auc,
        "ap": every.average_precision,
        "ece": table.ece,
        "brier": brier(scores, labels),
        "curve": _points(every.false_alarm_rate, every.recall),
        "pr": _points(every.recall, every.precision),
        "bins": [
            [*map(float, edge), *map(float, row)]
            for edge, *row in zip(edges, *columns, strict=True)
        ],
    }


def f1_interval(hits: int, alarms: int, misses: int) -> Interval:
    """Return the F1 of one class with its interval.

    F1 is 2 J / (1 + J), where J is the share of hits among hits, false alarms and
    misses. A share has Wilson's interval, and its ends go through the same formula.

    Args:
        hits: positives that got a yes.
        alarms: negatives that got a yes.
        misses: positives that got no yes.
    """
    j = _rate(hits, hits + alarms + misses)
    return Interval(*(2 * x / (1 + x) for x in (j.value, j.low, j.high)), j.n)


def _rate(part: int, whole: int) -> Interval:
    # a share of nothing: the value is 0 by convention, and anything is possible
    return wilson_interval(part, whole) if whole else Interval(0.0, 0.0, 1.0, 0)


def _points(x, y) -> list[list[float]]:
    return np.column_stack([x, y]).astype(float).tolist()


def _array(values):
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values
