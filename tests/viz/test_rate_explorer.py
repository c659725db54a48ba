"""The rate explorer as a widget: outputs, verdicts, and values out of range."""

import math

import numpy as np
import pytest

from llmkit.viz.rate_explorer import RateExplorer, judge

ROWS = [[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]


def fake(begin, rate, **settings):
    """A path that shrinks by the rate at each step."""
    steps = np.arange(61)[:, None]
    path = np.array(begin) * (1 - rate) ** steps
    return np.column_stack([path, (path**2).sum(1)])


@pytest.fixture
def view():
    return RateExplorer(fake, ROWS, ["one", "two"], 0.4, rate=0.2)


def test_outputs(view):
    assert repr(view) == "RateExplorer(SGD on a ravine, rate 0.2)"
    assert "a good rate" in view.alt
    assert view.path().shape == (61, 3)
    assert list(view.table().index) == [0, 10, 20, 30, 40, 50, 60]
    assert view.to_png()[:4] == b"\x89PNG"
    assert len(view._esm) < 25_000
    view.problem, view.rate = "rows", 5.0
    assert view.to_png()[:4] == b"\x89PNG"
    assert "weight: two" in view.table().columns


def test_the_surface_is_the_loss(view):
    view.problem = "rows"
    x, y, height = view.surface(9)
    rows = np.array(ROWS)
    for i, j in ((0, 0), (3, 7), (8, 2)):
        score = rows[:, :2] @ [x[j], y[i]]
        chance = 1 / (1 + np.exp(-score))
        right = np.where(rows[:, 2] == 1, chance, 1 - chance)
        assert height[i, j] == pytest.approx(-np.log(right).mean())


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ([4.0, 2.0, 1.0, 0.01], "a good rate"),
        ([4.0, 1.0, 3.0, 0.01], "it gets there, but swings"),
        ([4.0, 3.9, 3.8, 3.7], "too low"),
        ([4.0, 3.0, 2.0, 1.0], "on its way"),
        ([4.0, 1.0, 3.0, 2.0], "to and fro"),
        ([4.0, 9.0, 99.0, math.inf], "diverges"),
        ([4.0, math.nan, math.nan, math.nan], "diverges"),
    ],
)
def test_verdicts(losses, words):
    assert words in judge(losses, 0.0)


def test_values_out_of_range_are_brought_back(view):
    view.rate, view.steepness, view.batch = 99.0, 1e9, 99
    assert (view.rate, view.steepness, view.batch) == (10.0, 100.0, 3)
    with pytest.raises(Exception, match="rule"):
        view.rule = "luck"
