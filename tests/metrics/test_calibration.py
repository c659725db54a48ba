"""Calibration and thresholds, judged by scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as judge
from sklearn.calibration import calibration_curve

from llmkit.metrics import brier, calibration_error, decisions, reliability
from llmkit.metrics.thresholds import counts_at


def cases(count=1000):
    """Probabilities, with ties and extremes, and what happened."""
    rng = np.random.default_rng(2)
    for _ in range(count):
        n = int(rng.integers(2, 60))
        p = rng.random(n).round(int(rng.integers(1, 4)))
        y = (rng.random(n) < p).astype(int)
        y[:2] = 0, 1  # both classes
        yield p, y


@pytest.fixture(scope="module")
def some():
    return list(cases())


def test_brier(some):
    for p, y in some:
        assert brier(p, y) == pytest.approx(judge.brier_score_loss(y, p), abs=1e-6)


def test_brier_of_several_classes():
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.ones(4), size=50)
    y = rng.integers(4, size=50)
    by_hand = sum((p[i, c] - (c == y[i])) ** 2 for i in range(50) for c in range(4))
    assert brier(p, y) == pytest.approx(by_hand / 50)


@pytest.mark.parametrize("bins", [1, 5, 10])
def test_reliability_equals_sklearns_curve(some, bins):
    for p, y in some:
        mine = reliability(p, y, bins)
        filled = mine.count > 0
        true, sure = calibration_curve(y, p, n_bins=bins)
        np.testing.assert_allclose(mine.accuracy[filled], true, atol=1e-6)
        np.testing.assert_allclose(mine.confidence[filled], sure, atol=1e-6)


def test_ece_bin_by_bin(some):
    for p, y in some[:200]:
        ece = 0.0
        for low, high in ((k / 10, (k + 1) / 10) for k in range(10)):
            inside = (p > low) & (p <= high) | ((low == 0) & (p == 0))
            if inside.any():
                ece += inside.mean() * abs(p[inside].mean() - y[inside].mean())
        assert calibration_error(p, y) == pytest.approx(ece, abs=1e-6)


def test_a_calibrated_model_has_a_small_error_and_a_boastful_one_a_large():
    rng = np.random.default_rng(4)
    p = rng.random(20_000)
    happened = rng.random(20_000) < p
    assert calibration_error(p, happened) < 0.02
    assert calibration_error(np.where(p > 0.5, 0.99, 0.01), happened) > 0.2


@pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.slow)])
def test_every_threshold(some, count):
    for p, y in some[:count]:
        mine = decisions(p, y)
        assert mine.roc_auc == pytest.approx(judge.roc_auc_score(y, p), abs=1e-6)
        theirs = judge.average_precision_score(y, p)
        assert mine.average_precision == pytest.approx(theirs, abs=1e-6)
        false, true, at = judge.roc_curve(y, p, drop_intermediate=False)
        np.testing.assert_allclose(mine.false_alarm_rate, false, atol=1e-6)
        np.testing.assert_allclose(mine.recall, true, atol=1e-6)
        np.testing.assert_allclose(mine.threshold, at, atol=1e-6)
        middle = len(mine.threshold) // 2
        yes = p >= mine.threshold[middle]
        if yes.any():
            expected = judge.f1_score(y, yes)
            assert mine.f1[middle] == pytest.approx(expected, abs=1e-6)


def test_four_outcomes():
    got = counts_at([0.9, 0.5, 0.5, 0.1], [1, 0, 1, 1], 0.5)
    assert got == {"hits": 2, "false alarms": 1, "misses": 1, "rejections": 0}


def test_messages():
    with pytest.raises(ValueError, match="outcomes must be 0 or 1"):
        brier([0.5], [2])
    with pytest.raises(ValueError, match="largest probability"):
        calibration_error([0.5, 1.5], [1, 1])
    with pytest.raises(ValueError, match="at least one number; got none"):
        brier([], [])
    with pytest.raises(ValueError, match="both positives and negatives; got 2"):
        decisions([0.1, 0.2], [1, 1])
