"""The paths of the rate explorer, judged by the formulas and by PyTorch."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from llmkit import explore


def test_a_ravine_by_its_formula():
    view = explore.learning_rate(rate=0.04, steepness=10.0)
    path = view.path()
    steps = np.arange(61)
    assert path[:, 0] == pytest.approx(-0.9 * (1 - 0.04) ** steps)
    assert path[:, 1] == pytest.approx(0.9 * (1 - 0.4) ** steps)
    assert path[:, 2] == pytest.approx(0.5 * (path[:, 0] ** 2 + 10 * path[:, 1] ** 2))


@pytest.mark.parametrize("steepness", [5.0, 50.0])
def test_sgd_is_stable_up_to_two_over_the_steepness(steepness):
    limit = 2 / steepness
    below = explore.learning_rate(rate=0.98 * limit, steepness=steepness)
    above = explore.learning_rate(rate=1.02 * limit, steepness=steepness)
    assert abs(below.path()[-1, 1]) < 0.9 < abs(above.path()[-1, 1])


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("batch", [0, 16])
def test_the_letters_by_pytorch(rule, batch):
    view = explore.learning_rate("rows", rule, 0.3, batch=batch)
    rows = torch.tensor(view.rows, dtype=torch.float64)
    w = torch.nn.Parameter(torch.tensor(view.begin["rows"], dtype=torch.float64))
    optimizer = {
        "sgd": torch.optim.SGD([w], 0.3),
        "momentum": torch.optim.SGD([w], 0.3, momentum=0.9),
        "adam": torch.optim.Adam([w], 0.3),
    }[rule]
    path = view.path()
    for step in range(60):
        assert path[step, :2] == pytest.approx(w.tolist(), abs=1e-9)
        size = batch or len(rows)
        seen = rows[[(step * size + k) % len(rows) for k in range(size)]]
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(seen[:, :2] @ w, seen[:, 2]).backward()
        optimizer.step()
    assert path[-1, 2] >= view.floor - 1e-9


def test_the_least_loss_is_what_counting_gives():
    view = explore.learning_rate("rows")
    rows = np.array(view.rows)
    total = 0.0
    for after in (0.0, 1.0):
        part = rows[rows[:, 1] == after]
        share = part[:, 2].mean()
        total -= len(part) * (share * np.log(share) + (1 - share) * np.log(1 - share))
    assert view.floor == pytest.approx(total / len(rows))


def test_too_low_good_and_too_high():
    words = [explore.learning_rate(rate=r).verdict() for r in (0.0001, 0.05, 0.5)]
    assert ["low" in words[0], "good" in words[1], "diverges" in words[2]] == [True] * 3


def test_messages():
    with pytest.raises(ValueError, match="rule must be one of"):
        explore.learning_rate(rule="luck")
    with pytest.raises(ValueError, match="problem must be one of"):
        explore.learning_rate("hill")
