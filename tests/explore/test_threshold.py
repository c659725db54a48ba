"""The numbers of the threshold view, judged by scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as judge

from llmkit import explore
from llmkit.explore.threshold import f1_interval, measure

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 90)
SCORES = np.clip(LABELS * 0.3 + RNG.random(90) * 0.7, 0, 1).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.0, 0.33, 0.5, 0.77])
def test_counts_and_rates(threshold):
    now = measure(SCORES, LABELS, threshold, bins=7)
    yes = (threshold <= SCORES).astype(int)
    matrix = judge.confusion_matrix(LABELS, yes, labels=[0, 1])
    assert [now["rejections"], now["false alarms"]] == matrix[0].tolist()
    assert [now["misses"], now["hits"]] == matrix[1].tolist()
    for name, theirs in (
        ("accuracy", judge.accuracy_score),
        ("precision", judge.precision_score),
        ("recall", judge.recall_score),
        ("f1", judge.f1_score),
    ):
        value, low, high = now[name]
        assert value == pytest.approx(theirs(LABELS, yes))
        assert low <= value <= high
    assert now["auc"] == pytest.approx(judge.roc_auc_score(LABELS, SCORES))
    assert now["brier"] == pytest.approx(judge.brier_score_loss(LABELS, SCORES))
    assert len(now["bins"]) == 7
    assert sum(row[2] for row in now["bins"]) == 90


def test_the_interval_of_f1_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    # 30 % positives, 8 of 10 found, one false alarm in ten negatives
    hits, alarms, misses = (
        rng.multinomial(200, [0.24, 0.07, 0.06, 0.63], size=3000).T[:3].tolist()
    )
    true = 2 * 0.24 / (2 * 0.24 + 0.07 + 0.06)
    inside = [true in f1_interval(*row) for row in zip(hits, alarms, misses)]  # noqa: B905
    assert 0.93 <= np.mean(inside) <= 0.97


def test_the_view_reports_what_it_shows():
    view = explore.threshold(SCORES, LABELS, ("no", "yes"), threshold=0.4)
    assert view.now() == measure(SCORES, LABELS, 0.4, 10)
    view.temperature = 0.5
    assert view.now()["auc"] == pytest.approx(judge.roc_auc_score(LABELS, SCORES))
    assert view.now()["ece"] != measure(SCORES, LABELS, 0.4, 10)["ece"]


def test_messages():
    with pytest.raises(ValueError, match="largest probability"):
        explore.threshold([0.2, 2.0], [0, 1])
    with pytest.raises(ValueError, match="both positives and negatives"):
        explore.threshold([0.2, 0.3], [1, 1])
    with pytest.raises(ValueError, match="names must be two"):
        explore.threshold([0.2, 0.3], [0, 1], ["a"])
