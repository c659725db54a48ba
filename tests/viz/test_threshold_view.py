"""The threshold view as a widget: choices, outputs, size."""

import numpy as np
import pytest

from llmkit.viz.threshold_view import ThresholdView, tempered

SCORES, LABELS = [0.1, 0.4, 0.6, 0.9, 0.7], [0, 0, 1, 1, 0]


def fake(scores, labels, threshold, bins):
    yes = int((scores >= threshold).sum())
    rates = {k: (0.5, 0.4, 0.6) for k in ("accuracy", "precision", "recall", "f1")}
    counts = {"hits": yes, "false alarms": 1, "misses": 2, "rejections": 3}
    numbers = dict.fromkeys(("auc", "ap", "ece", "brier", "false alarm rate"), 0.25)
    points = [[0, 0], [0.5, 1], [1, 1]]
    rows = [[k / bins, (k + 1) / bins, 1, k / bins, 0.5] for k in range(bins)]
    return counts | rates | numbers | {"curve": points, "pr": points, "bins": rows}


def view(**traits):
    return ThresholdView(fake, SCORES, LABELS, ("no", "yes"), **traits)


def test_a_temperature_keeps_the_order_and_moves_the_confidence():
    p = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    careful, bold = tempered(p, 4.0), tempered(p, 0.25)
    for moved in (careful, bold):
        assert (np.diff(moved) > 0).all()
        assert moved[[0, 2, 4]].tolist() == [0, 0.5, 1]
    assert careful[1] > 0.1 > bold[1]
    odds = 0.9 / 0.1
    assert careful[3] == pytest.approx(odds**0.25 / (1 + odds**0.25))
    assert tempered(p, 1.0) is p


def test_numbers_follow_the_threshold():
    v = view()
    assert v.now()["hits"] == 3
    v.threshold = 0.8
    assert v.now()["hits"] == 1
    v.bins = 5
    assert len(v.now()["bins"]) == 5


def test_values_out_of_range_are_brought_back():
    v = view(threshold=3.0, temperature=0.0, bins=0)
    assert (v.threshold, v.temperature, v.bins) == (1.0, 0.125, 1)


@pytest.mark.parametrize("curve", ["roc", "pr"])
def test_outputs(curve):
    v = view(curve=curve, threshold=0.5)
    assert repr(v).startswith("ThresholdView(5 examples, threshold 0.50: precision")
    assert "“yes”" in v.alt
    assert "3 hits, 1 false alarms" in v.alt
    assert v.table().shape == (1 + 4 + 4 + 4 + 10, 4)
    assert v.to_png()[:4] == b"\x89PNG"
    assert "</svg>" in v.to_svg()


def test_size():
    assert len(ThresholdView._esm.encode()) < 25_000
    assert len(view().to_html()) < 120_000
