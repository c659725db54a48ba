"""Is one system better than another, or was it lucky with these examples?

Both systems answer the same examples, so the examples' own difficulty cancels. The
randomisation test: Fisher 1935; Noreen 1989; for scores of whole corpora Riezler and
Maxwell 2005, "On Some Pitfalls in Automatic Evaluation and Significance Testing for
MT". Home notebook: 11_evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from llmkit.checks import check_count
from llmkit.metrics.intervals import AT_ONCE, Interval, _examples, bootstrap_interval


@dataclass(frozen=True)
class PairedTest:
    """What a comparison of two systems on the same examples says.

    Attributes:
        difference: the first score minus the second, with its interval.
        p: how often two systems that differ by nothing but luck would lie at least
            this far apart.
        a: the first system's score.
        b: the second's.
        n: on how many examples.
    """

    difference: Interval
    p: float
    a: float
    b: float
    n: int

    def __str__(self) -> str:
        return f"{self.difference:+.3f}, p = {self.p:.3g}, n = {self.n}"


def paired_test(
    a: Sequence,
    b: Sequence,
    statistic: Callable | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    sums: bool = False,
) -> PairedTest:
    """Compare two systems that answered the same examples.

    The test asks: if for every example a coin had decided which answer came from which
    system, how often would the scores lie this far apart? The interval of the
    difference draws whole examples, with both answers.

    Args:
        a: one entry for each of N examples: the first system's score or row.
        b: the second system's, in the same order.
        statistic: from (N, ...) examples to a number; None: their mean.
        level: of the interval.
        resamples: how many times to draw and to toss the coins.
        seed: of both.
        sums: the statistic takes many sums of rows at once, (R, K) to (R,), as for
            `bootstrap_interval`.

    Returns:
        A `PairedTest`.

    Raises:
        ValueError: the systems did not answer as many examples, or fewer than two.
    """
    a, b = _examples(a), _examples(b)
    if a.shape != b.shape:
        raise ValueError(
            "a and b must hold one entry for each of the same examples; got "
            f"{a.shape} and {b.shape}"
        )
    check_count("resamples", resamples, 100)
    if statistic is None:
        if a.ndim > 1:
            raise ValueError(f"values of shape {a.shape} need a statistic; got None")
        n = len(a)
        a, b, sums = a[:, None].astype(float), b[:, None].astype(float), True

        def statistic(rows):
            return rows[:, 0] / n

    if not sums:
        statistic, together = _one_by_one(statistic), _one_by_one(_both(statistic))
        return _compare(a, b, statistic, together, False, level, resamples, seed)
    width = a.reshape(len(a), -1).shape[1]

    def together(rows):
        return statistic(rows[:, :width]) - statistic(rows[:, width:])

    return _compare(a, b, statistic, together, True, level, resamples, seed)


def _compare(a, b, statistic, together, sums, level, resamples, seed) -> PairedTest:
    n = len(a)
    rng = np.random.default_rng(seed)
    if sums:
        a, b = a.reshape(n, -1).astype(float), b.reshape(n, -1).astype(float)
        score_a, score_b = (float(statistic(x.sum(0)[None])[0]) for x in (a, b))
        pairs = np.concatenate([a, b], axis=1)
        swapped = _swap_sums(a, b, statistic, resamples, rng)
        between = bootstrap_interval(pairs, together, level, resamples, seed, sums=True)
    else:
        score_a, score_b = statistic(a), statistic(b)
        pairs = np.stack([a, b], axis=1)
        swapped = _swap_rows(a, b, statistic, resamples, rng)
        between = bootstrap_interval(pairs, together, level, resamples, seed)
    gap = abs(score_a - score_b)
    # a hair's breadth of rounding does not make a tie a smaller difference;
    # the data as they are count as one more toss, so p is never 0
    as_far = (np.abs(swapped) >= gap - 1e-12 * max(1.0, gap)).sum()
    p = float((as_far + 1) / (resamples + 1))
    return PairedTest(between, p, score_a, score_b, n)


def _swap_sums(a, b, statistic, resamples: int, rng) -> np.ndarray:
    found = []
    step = max(1, AT_ONCE // len(a))
    for start in range(0, resamples, step):
        size = (min(step, resamples - start), len(a))
        stay = rng.integers(2, size=size).astype(float)
        one, other = stay @ a + (1 - stay) @ b, stay @ b + (1 - stay) @ a
        found.append(statistic(one) - statistic(other))
    return np.concatenate(found)


def _swap_rows(a, b, statistic, resamples: int, rng) -> np.ndarray:
    found = []
    for _ in range(resamples):
        stay = rng.integers(2, size=len(a)).astype(bool)
        stay = stay.reshape(-1, *[1] * (a.ndim - 1))
        one, other = np.where(stay, a, b), np.where(stay, b, a)
        found.append(statistic(one) - statistic(other))
    return np.asarray(found)


def _both(statistic):
    return lambda pairs: statistic(pairs[:, 0]) - statistic(pairs[:, 1])


def _one_by_one(statistic):
    return lambda rows: float(statistic(rows))
