"""How far a score would move on other data of the same kind.

A share of right answers gets Wilson's interval; every other score the bootstrap with
bias and skew corrected (BCa). Wilson 1927; Efron 1987, "Better Bootstrap Confidence
Intervals"; the widening for small samples: Hesterberg 2015, "What Teachers Should Know
About the Bootstrap", section 5. Home notebook: 11_evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from llmkit.checks import check_count, check_range

_NORMAL = NormalDist()
AT_ONCE = 4_000_000  # numbers drawn together: 32 MB


@dataclass(frozen=True)
class Interval:
    """A score with the interval in which it would fall on other data of its kind.

    Attributes:
        value: the score.
        low: the lower end of the interval.
        high: its upper end.
        n: from how many examples it was computed; None where that is not known.
        level: how often such an interval holds the true score.
    """

    value: float
    low: float
    high: float
    n: int | None = None
    level: float = 0.95

    def __format__(self, spec: str) -> str:
        spec = spec or ".3f"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def __str__(self) -> str:
        return format(self)

    def __contains__(self, score: float) -> bool:
        return self.low <= score <= self.high

    def __float__(self) -> float:
        return float(self.value)


def wilson_interval(right: float, n: int, level: float = 0.95) -> Interval:
    """Return a share of right answers with Wilson's interval.

    It holds every true share that would not be surprised by what was counted, so it
    never leaves 0 to 1, and 20 right out of 20 does not become "certainly perfect".

    Args:
        right: how many answers are right.
        n: out of how many.
        level: how often such intervals hold the true share.
    """
    right, n = float(right), int(n)  # NumPy's numbers too
    check_count("n", n)
    check_range("right", right, 0, n)
    _check_level(level)
    z = _NORMAL.inv_cdf((1 + level) / 2)
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n)
    half *= math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # the ends touch 0 and 1 exactly there, whatever rounding says
    low = 0.0 if right == 0 else max(0.0, middle - half)
    high = 1.0 if right == n else min(1.0, middle + half)
    return Interval(share, low, high, n, level)


def bootstrap_interval(
    values: Sequence,
    statistic: Callable | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    sums: bool = False,
) -> Interval:
    """Return a score and how far it would move on another sample of the same size.

    The examples are drawn again, with replacement, many times, and the score computed
    each time. The interval is read off those scores, corrected for their bias and
    skew, and a little wider where examples are few. It takes examples to be
    independent: give one for each document, not for each word of one document.

    Args:
        values: one entry for each of N examples: a number, or a row of what the score
            needs. Without a statistic, 0 and 1 (right or wrong) get Wilson's interval.
        statistic: from (N, ...) drawn examples to a number; None: their mean.
        level: how often such intervals hold the true score.
        resamples: how many times to draw.
        seed: of the draws.
        sums: the statistic needs the sums of the rows only, and takes many at once:
            (R, K) sums to (R,) scores. This is hundreds of times faster.

    Returns:
        An `Interval`.

    Raises:
        ValueError: there are fewer than two examples.
    """
    values = _examples(values)
    _check_level(level)
    check_count("resamples", resamples, 100)
    if statistic is None and values.ndim == 1:
        if set(np.unique(values)) <= {0.0, 1.0} and len(values):
            return wilson_interval(float(values.sum()), len(values), level)
        values, statistic, sums = values[:, None], _mean_of(len(values)), True
    if len(values) < 2:
        raise ValueError(
            f"values must hold at least two examples; got {len(values)}. From one "
            "example nobody can tell how much examples differ."
        )
    if statistic is None:
        raise ValueError(f"values of shape {values.shape} need a statistic; got None")
    rng = np.random.default_rng(seed)
    score, drawn, left_out = (
        _from_sums(values, statistic, resamples, rng)
        if sums
        else _from_rows(values, statistic, resamples, rng)
    )
    low, high = _bca(score, drawn, left_out, level)
    return Interval(score, low, high, len(values), level)


def _from_sums(rows, statistic, resamples: int, rng):
    """Score the data, the resamples, and the data with each example left out."""
    n = len(rows)
    rows = rows.reshape(n, -1).astype(float)
    total = rows.sum(0)
    drawn = []
    for start in range(0, resamples, max(1, AT_ONCE // n)):
        times = min(resamples - start, max(1, AT_ONCE // n))
        drawn.append(statistic(_counts(n, times, rng) @ rows))
    left_out = np.asarray(statistic((total - rows) * (n / max(n - 1, 1))), float)
    score = float(np.asarray(statistic(total[None]))[0])
    return score, np.concatenate(drawn).astype(float), left_out


def _counts(n: int, times: int, rng) -> np.ndarray:
    """Return how often each of n examples is drawn, in each of several resamples."""
    rows = rng.integers(n, size=(times, n)) + n * np.arange(times)[:, None]
    return (
        np.bincount(rows.ravel(), minlength=times * n).reshape(times, n).astype(float)
    )


def _from_rows(rows, statistic, resamples: int, rng):
    n = len(rows)
    drawn = [float(statistic(rows[rng.integers(n, size=n)])) for _ in range(resamples)]
    keep = ~np.eye(n, dtype=bool) if n <= 2000 else _one_less(n, 2000, rng)
    left_out = [float(statistic(rows[mask])) for mask in keep]
    return float(statistic(rows)), np.asarray(drawn), np.asarray(left_out)


def _one_less(n: int, times: int, rng):
    """Yield masks that leave out one example, for some of very many examples."""
    for index in rng.choice(n, times, replace=False):
        mask = np.ones(n, bool)
        mask[index] = False
        yield mask


def _bca(score: float, drawn, left_out, level: float) -> tuple[float, float]:
    """Read the ends of the interval off the scores of the resamples.

    Args:
        score: of the data.
        drawn: of the resamples, (R,).
        left_out: of the data without one example, (N,).
        level: how often the interval shall hold the true score.
    """
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return math.nan, math.nan
    n, r = len(left_out), len(drawn)
    # bias: the resamples should lie half below the score and half above it
    below = ((drawn < score).sum() + 0.5 * (drawn == score).sum()) / r
    bias = _NORMAL.inv_cdf(min(max(below, 0.5 / r), 1 - 0.5 / r))
    # skew: whether single examples pull the score further down than up
    pull = np.nanmean(left_out) - left_out
    spread = np.nansum(pull**2)
    skew = float(np.nansum(pull**3) / (6 * spread**1.5)) if spread > 0 else 0.0
    wide = _t_quantile((1 + level) / 2, n - 1) * math.sqrt(n / (n - 1))
    ends = []
    for z in (-wide, wide):
        moved = bias + z
        share = _NORMAL.cdf(bias + moved / (1 - skew * moved))
        ends.append(float(np.quantile(drawn, share)))
    return min(ends[0], score), max(ends[1], score)


def _t_quantile(share: float, freedom: int) -> float:
    """Return a quantile of Student's distribution, right to 1 %.

    Args:
        share: between 0.5 and 1.
        freedom: degrees of freedom.
    """
    if freedom == 1:
        return math.tan(math.pi * (share - 0.5))
    if freedom == 2:
        both = 4 * share * (1 - share)
        return 2 * (share - 0.5) * math.sqrt(2 / both)
    z = _NORMAL.inv_cdf(share)
    # Cornish and Fisher's series in 1 / freedom
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def _examples(values) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    values = np.asarray(values)
    if values.dtype == bool:
        values = values.astype(float)
    if not len(values):
        raise ValueError("values must hold at least one number; got none")
    return values


def _mean_of(n: int) -> Callable:
    return lambda sums: sums[:, 0] / n


def _check_level(level: float) -> None:
    check_range("level", level, 0.5, 0.9999)
