"""Intervals, judged by SciPy, by exact sums over all outcomes, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from llmkit.metrics import Interval, bootstrap_interval, wilson_interval
from llmkit.metrics.intervals import _t_quantile


def test_an_interval_reads_well_and_answers():
    score = Interval(0.5, 0.25, 0.75, 9)
    assert str(score) == "0.500 [0.250, 0.750]"
    assert f"{score:.0%}" == "50% [25%, 75%]"
    assert 0.25 in score
    assert 0.8 not in score
    assert float(score) == 0.5


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (7, 20), (90, 100), (37, 37)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_equals_scipy(right, n, level):
    mine = wilson_interval(right, n, level)
    theirs = stats.binomtest(right, n).proportion_ci(level, method="wilson")
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert mine.value == right / n
    assert (mine.n, mine.level) == (n, level)


@pytest.mark.parametrize(("n", "least", "most"), [(50, 0.93, 0.98), (200, 0.93, 0.97)])
def test_wilson_covers_what_it_says_exactly(n, least, most):
    # counts are whole, so no interval covers exactly 95 % for every true share
    ends = [wilson_interval(k, n) for k in range(n + 1)]
    covered = []
    for share in np.linspace(0.5, 0.95, 46):
        odds = stats.binom.pmf(range(n + 1), n, share)
        covered.append(sum(p for p, i in zip(odds, ends, strict=True) if share in i))
    assert least < min(covered) < max(covered) < most
    assert np.mean(covered) == pytest.approx(0.95, abs=0.005)


def test_bootstrap_agrees_with_scipys():
    values = np.random.default_rng(3).exponential(size=400)
    mine = bootstrap_interval(values, resamples=4000)
    theirs = stats.bootstrap(
        (values,), np.mean, method="BCa", n_resamples=4000, rng=5
    ).confidence_interval
    width = theirs.high - theirs.low
    assert mine.value == pytest.approx(values.mean())
    assert mine.low == pytest.approx(theirs.low, abs=0.08 * width)
    assert mine.high == pytest.approx(theirs.high, abs=0.08 * width)


def test_rows_one_by_one_and_sums_at_once_agree():
    rows = np.random.default_rng(4).random((60, 2)) + np.arange(2.0)
    slow = bootstrap_interval(rows, lambda r: r[:, 0].sum() / r[:, 1].sum())
    fast = bootstrap_interval(rows, lambda s: s[:, 0] / s[:, 1], sums=True)
    assert fast.value == pytest.approx(slow.value)
    assert fast.low == pytest.approx(slow.low, abs=0.01)
    assert fast.high == pytest.approx(slow.high, abs=0.01)


def test_right_and_wrong_are_counted_by_wilson():
    right = [True] * 18 + [False] * 2
    assert bootstrap_interval(right) == wilson_interval(18, 20)
    assert bootstrap_interval(np.array(right, float)).high < 1
    assert wilson_interval(np.int64(18), np.int64(20)) == wilson_interval(18, 20)


def test_same_seed_same_interval_and_another_seed_another():
    values = np.random.default_rng(1).normal(size=30)
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values)


def test_a_higher_level_is_wider():
    values = np.random.default_rng(1).normal(size=30)
    narrow, wide = (bootstrap_interval(values, level=v) for v in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 8, 19, 99])
@pytest.mark.parametrize("share", [0.9, 0.975, 0.995])
def test_quantiles_of_student(freedom, share):
    theirs = stats.t.ppf(share, freedom)
    assert _t_quantile(share, freedom) == pytest.approx(theirs, rel=0.01)


def test_tensors_are_taken():
    torch = pytest.importorskip("torch")
    values = torch.tensor([0.5, 0.25, 0.125])
    assert bootstrap_interval(values).value == pytest.approx(0.875 / 3)


def test_messages():
    with pytest.raises(ValueError, match="at least one number; got none"):
        bootstrap_interval([])
    with pytest.raises(ValueError, match=r"at least two examples; got 1.*From one"):
        bootstrap_interval([0.5])
    with pytest.raises(ValueError, match=r"shape \(3, 2\) need a statistic"):
        bootstrap_interval(np.ones((3, 2)))
    with pytest.raises(ValueError, match="level must"):
        bootstrap_interval([0.1, 0.2], level=95)
    with pytest.raises(ValueError, match="resamples must"):
        bootstrap_interval([0.1, 0.2], resamples=10)
    with pytest.raises(ValueError, match="right must"):
        wilson_interval(3, 2)
    assert not math.isnan(bootstrap_interval([0.5, 0.5]).low)
