"""A score never comes alone: its interval, a baseline, and whether it beats that.

Home notebook: 11_evaluation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from llmkit.checks import check_choice
from llmkit.metrics.answers import exact_match, token_f1
from llmkit.metrics.bleu import bleu_from_counts, bleu_rows
from llmkit.metrics.chrf import chrf_from_counts, chrf_rows
from llmkit.metrics.classes import (
    check_same_length,
    plain_list,
    precision_recall_f1,
    share,
)
from llmkit.metrics.entities import entity_counts
from llmkit.metrics.intervals import Interval, bootstrap_interval, wilson_interval
from llmkit.metrics.ngrams import several
from llmkit.metrics.paired import PairedTest, paired_test
from llmkit.metrics.rouge import rouge

TEXT = ("exact_match", "token_f1", "rouge1", "rouge2", "rougeL", "rougeLsum")
CLASSES = ("accuracy", "macro_f1", "micro_f1")
METRICS = (*CLASSES, "entity_f1", *TEXT, "bleu", "chrf", "chrf++")


@dataclass(frozen=True)
class Report:
    """A score with what is needed to believe it.

    Attributes:
        metric: its name.
        score: with its interval.
        baseline: what the same metric gives the baseline, with its interval.
        gain: the paired test of the score against the baseline.
        beside: what the baseline does, in words.
    """

    metric: str
    score: Interval
    baseline: Interval
    gain: PairedTest
    beside: str

    def __str__(self) -> str:
        spec = ".1f" if self.metric in ("bleu", "chrf", "chrf++") else ".3f"
        p = self.gain.p
        odds = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
        lines = [
            f"{self.metric}: {self.score:{spec}} on {self.gain.n} examples",
            f"baseline ({self.beside}): {self.baseline:{spec}}",
            f"difference: {self.gain.difference:+{spec}}, {odds}",
        ]
        if self.score.low == self.score.high:
            lines.append("Every resample scores alike: too few examples to say more.")
        return "\n".join(lines)

    __repr__ = __str__


def score(
    predictions: Sequence,
    targets: Sequence,
    metric: str = "accuracy",
    baseline: Sequence | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Report:
    """Score a system, with an interval and a baseline to beat.

    Args:
        predictions: what the system said, N classes, texts, or (for "entity_f1")
            lists of tags.
        targets: what is right, N; for texts an entry may be a list of right ones.
        metric: one of `METRICS`.
        baseline: what a simple system says to the same N examples. None: for classes
            and answers the most frequent target, always; for longer texts the target
            of another example; for tags no name at all.
        level: of the intervals.
        seed: of the resamples.

    Returns:
        A `Report`, which prints itself.

    Raises:
        ValueError: the lengths differ or the metric is not known.
    """
    check_choice("metric", metric, METRICS)
    predictions = plain_list(predictions)
    targets = plain_list(targets)
    check_same_length(predictions, targets)
    beside = "given"
    if baseline is None:
        baseline, beside = _baseline(targets, metric)
    baseline = plain_list(baseline)
    check_same_length(baseline, targets)
    mine, other = rows_of(metric, targets, predictions, baseline)
    statistic = statistic_of(metric, targets, predictions, baseline)
    return Report(
        metric,
        _interval(metric, mine, statistic, level, seed),
        _interval(metric, other, statistic, level, seed),
        paired_test(mine, other, statistic, level, seed=seed, sums=True),
        beside,
    )


def compare(
    a: Sequence,
    b: Sequence,
    targets: Sequence,
    metric: str = "accuracy",
    level: float = 0.95,
    seed: int = 0,
) -> PairedTest:
    """Test whether one system beats another on the same examples.

    Args:
        a: what the first system said, N.
        b: what the second said, N.
        targets: what is right, N.
        metric: one of `METRICS`.
        level: of the interval.
        seed: of the resamples.

    Returns:
        A `PairedTest`.
    """
    check_choice("metric", metric, METRICS)
    a, b, targets = (plain_list(x) for x in (a, b, targets))
    check_same_length(a, targets)
    check_same_length(b, targets)
    rows = rows_of(metric, targets, a, b)
    statistic = statistic_of(metric, targets, a, b)
    return paired_test(*rows, statistic, level, seed=seed, sums=True)


def rows_of(metric: str, targets: Sequence, *systems: Sequence) -> list[np.ndarray]:
    """Return what each example brings to a metric, for each system.

    Args:
        metric: one of `METRICS`.
        targets: what is right, N.
        *systems: what each system said, N.

    Returns:
        For each system (N, K), to be added up over examples.
    """
    if metric == "bleu":
        return [bleu_rows(s, targets) for s in systems]
    if metric in ("chrf", "chrf++"):
        words = 2 if metric == "chrf++" else 0
        return [chrf_rows(s, targets, words) for s in systems]
    if metric == "entity_f1":
        counts = [entity_counts(s, targets) for s in systems]
        return [np.array([[c.total() for c in row] for row in s]) for s in counts]
    if metric in ("macro_f1", "micro_f1"):
        labels = _labels(targets, systems)
        return [_class_rows(s, targets, labels) for s in systems]
    each = _each(metric)
    rows = [[each(p, t) for p, t in zip(s, targets, strict=True)] for s in systems]
    return [np.column_stack([r, np.ones(len(r))]).astype(float) for r in rows]


def statistic_of(metric: str, targets: Sequence, *systems: Sequence) -> Callable:
    """Return what turns sums of `rows_of` into the metric: (..., K) to (...).

    Args:
        metric: one of `METRICS`.
        targets: what is right, N.
        *systems: what each system said, N.
    """
    if metric == "bleu":
        return bleu_from_counts
    if metric in ("chrf", "chrf++"):
        return chrf_from_counts
    if metric in ("macro_f1", "micro_f1", "entity_f1"):
        return lambda sums: _f1_of_sums(sums, metric)
    return lambda sums: sums[..., 0] / sums[..., 1]


def _each(metric: str) -> Callable:
    if metric == "accuracy":
        return lambda prediction, target: float(prediction == target)
    if metric == "exact_match":
        return exact_match
    if metric == "token_f1":
        return token_f1
    return lambda prediction, target: rouge(prediction, target)[metric].f1


def _labels(targets, systems) -> list:
    return sorted({label for seen in (targets, *systems) for label in seen})


def _class_rows(predictions, targets, labels) -> np.ndarray:
    """Return hit, chosen and true for each class, (N, 3 * C)."""
    chosen = np.array([[p == label for label in labels] for p in predictions], float)
    true = np.array([[t == label for label in labels] for t in targets], float)
    return np.concatenate([chosen * true, chosen, true], axis=1)


def _f1_of_sums(sums: np.ndarray, metric: str) -> np.ndarray:
    hits, chosen, true = np.split(sums, 3, axis=-1)
    if metric == "micro_f1":
        hits, chosen, true = (x.sum(-1, keepdims=True) for x in (hits, chosen, true))
    # a class that is neither chosen nor true in these examples does not count
    there = (chosen + true) > 0
    each = precision_recall_f1(hits, chosen, true)[2]
    return share((each * there).sum(-1), there.sum(-1))


def _interval(metric, rows, statistic, level, seed) -> Interval:
    if metric in ("accuracy", "exact_match"):
        return wilson_interval(float(rows[:, 0].sum()), len(rows), level)
    return bootstrap_interval(rows, statistic, level, seed=seed, sums=True)


def _baseline(targets, metric) -> tuple[list, str]:
    if metric == "entity_f1":
        return [["O"] * len(tags) for tags in targets], "no names"
    if metric in CLASSES:
        most = Counter(targets).most_common(1)[0][0]
        return [most] * len(targets), f"always {most!r}"
    firsts = [several(t)[0] for t in targets]
    if metric in ("exact_match", "token_f1"):
        most = Counter(firsts).most_common(1)[0][0]
        return [most] * len(firsts), f"always {most!r}"
    return firsts[-1:] + firsts[:-1], "the target of another example"
