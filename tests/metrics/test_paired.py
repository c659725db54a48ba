"""The paired test, judged by SciPy's permutation test and by simulation."""

import numpy as np
import pytest
from scipy import stats

from llmkit.metrics import paired_test


def test_p_equals_scipys_permutation_test():
    rng = np.random.default_rng(2)
    a = rng.normal(size=40)
    b = a + rng.normal(0.25, 1.0, size=40)
    mine = paired_test(a, b, resamples=20_000)
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y: np.mean(x) - np.mean(y),
        permutation_type="samples",
        n_resamples=20_000,
        rng=1,
    )
    assert mine.p == pytest.approx(theirs.pvalue, abs=0.012)
    assert mine.difference.value == pytest.approx(a.mean() - b.mean())
    assert (mine.a, mine.b, mine.n) == (a.mean(), b.mean(), 40)


def test_all_sign_flips_by_hand():
    # +1 in each of 5 examples: 2 of 32 tosses are as far from 0
    p = paired_test(np.ones(5), np.zeros(5), resamples=50_000).p
    assert p == pytest.approx(2 / 32, abs=0.005)


def test_equal_systems_are_never_told_apart():
    a = np.random.default_rng(0).random(30)
    same = paired_test(a, a)
    assert same.p == 1
    assert (same.difference.low, same.difference.high) == (0, 0)


def test_pairing_sees_what_two_intervals_do_not():
    rng = np.random.default_rng(5)
    hard = rng.random(100)
    a, b = hard + 0.02 * rng.random(100), hard
    assert paired_test(a, b).p < 0.001
    assert 0 not in paired_test(a, b).difference


def test_sums_rows_and_any_statistic_agree():
    rng = np.random.default_rng(6)
    a = rng.integers(1, 9, (50, 2)).astype(float)
    b = rng.integers(1, 9, (50, 2)).astype(float)
    fast = paired_test(a, b, lambda s: s[:, 0] / s[:, 1], sums=True)
    slow = paired_test(a, b, lambda r: r[:, 0].sum() / r[:, 1].sum())
    assert fast.difference.value == pytest.approx(slow.difference.value)
    assert fast.p == pytest.approx(slow.p, abs=0.04)


def test_it_reads_well():
    text = str(paired_test([1.0, 2.0, 3.0], [1.0, 1.5, 2.0]))
    assert text.startswith("+0.500 [")
    assert ", p = " in text
    assert text.endswith("n = 3")


def test_messages():
    with pytest.raises(ValueError, match=r"same examples; got \(3,\) and \(2,\)"):
        paired_test([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="need a statistic"):
        paired_test(np.ones((3, 2)), np.ones((3, 2)))
