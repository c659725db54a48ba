"""Learning curves: every run made once, intervals that hold what they say."""

import numpy as np
import pytest

from llmkit.tasks import (
    CurveRun,
    accuracy_by,
    curve_points,
    learning_curve,
    seeds_interval,
)


def test_every_run_is_made_once():
    made = []

    def run(start, size, seed):
        made.append((start, size, seed))
        return [start == "pretrained"] * size

    known = [CurveRun("random", 10, 0, (True, False))]
    stored = []
    runs = learning_curve(
        run, ("pretrained", "random"), (10, 30), range(2), known, stored.append
    )
    assert len(runs) == 8
    assert len(made) == len(stored) == 7
    assert ("random", 10, 0) not in made
    assert {(r.start, r.size, r.seed) for r in runs} == {
        (s, n, k) for s in ("pretrained", "random") for n in (10, 30) for k in (0, 1)
    }
    assert runs[0].right == (True,) * 10


def test_points_are_means_over_seeds():
    runs = [
        CurveRun("a", 5, 0, (True, True, False, False)),
        CurveRun("a", 5, 1, (True, True, True, False)),
        CurveRun("b", 5, 0, (False, False, False, True)),
    ]
    first, second = curve_points(runs, resamples=200)
    assert (first.start, first.size, first.seeds) == ("a", 5, 2)
    assert first.accuracy.value == pytest.approx(5 / 8)
    assert (first.lowest, first.highest) == (0.5, 0.75)
    assert first.accuracy.low < 5 / 8 < first.accuracy.high
    assert second.accuracy.value == 0.25
    assert second.seeds == 1


def test_intervals_hold_the_true_score():
    """Texts differ in difficulty and seeds in luck; 95% hold what all would give."""
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        luck = rng.normal(0, 0.3, size=(8, 1))
        difficulty = rng.normal(1.0, 1.0, size=(1, 120))
        chance = 1 / (1 + np.exp(-(difficulty + luck)))
        right = rng.random((8, 120)) < chance
        interval = seeds_interval(right, resamples=300, seed=trial)
        held += interval.low <= TRUE <= interval.high
    # this bootstrap is known to be a little too wide, never too narrow
    assert held >= 186


# the mean of 1 / (1 + exp(-x)) where x is normal with mean 1 and variance 1.09
_GRID = np.linspace(-12, 12, 20001)
_DENSITY = np.exp(-((_GRID - 1) ** 2) / (2 * 1.09))
TRUE = float((_DENSITY / (1 + np.exp(-_GRID))).sum() / _DENSITY.sum())


def test_a_single_run_gets_wilsons_interval():
    interval = seeds_interval([[True] * 20])
    assert interval.value == 1.0
    assert 0.8 < interval.low < 1.0


def test_accuracy_by_group():
    found = accuracy_by([True, False, True, True], ["x", "y", "x", "y"])
    assert list(found) == ["x", "y"]
    assert (found["x"].value, found["y"].value) == (1.0, 0.5)
    assert found["y"].n == 2
    assert found["x"].low < 1.0


def test_bad_input():
    with pytest.raises(ValueError, match="same examples"):
        seeds_interval([[True], [True, False]])
    with pytest.raises(ValueError, match="same examples"):
        seeds_interval([])
    with pytest.raises(ValueError, match="as many as answers"):
        accuracy_by([True], [])
