"""Turn the learning rate from too low to too high and watch the path downhill.

Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch.nn import functional as F

from llmkit.checks import check_choice
from llmkit.data import load_shipped
from llmkit.training import SGD, Adam
from llmkit.viz.rate_explorer import PROBLEMS, RULES, STEPS, RateExplorer

_ROWS = 240


def learning_rate(
    problem: str = "ravine", rule: str = "sgd", rate: float = 0.03, **settings
) -> RateExplorer:
    """Show the path of an optimiser over the loss of two weights.

    The ravine is ½ (x² + steepness · y²). The other problem is a real language model,
    the smallest there is: is the next letter a vowel? One weight is always on, the
    other after a vowel (Markov counted such pairs in 1913). It learns from 240 letters
    of the kit's reviews by logistic regression.

    Args:
        problem: "ravine" or "rows", the letters.
        rule: "sgd", "momentum" or "adam".
        rate: the learning rate.
        **settings: `steepness` of the ravine; `batch`, rows in a step, 0 for all.

    Returns:
        The view; `.path()` holds weights and losses, by the kit's own optimisers.
    """
    check_choice("problem", problem, PROBLEMS)
    check_choice("rule", rule, RULES)
    rows, names, floor = _letters()
    chosen = {"problem": problem, "rule": rule, "rate": rate} | settings
    return RateExplorer(descend, rows, names, floor, **chosen)


def descend(
    problem: str,
    rule: str,
    rate: float,
    steepness: float,
    batch: int,
    begin: list[float],
) -> np.ndarray:
    """Walk downhill with one of the kit's optimisers.

    Args:
        problem: "ravine" or "rows", the letters.
        rule: "sgd", "momentum" or "adam".
        rate: the learning rate.
        steepness: of the ravine.
        batch: how many rows a step sees, one after another; 0: all.
        begin: the first weights.

    Returns:
        Weights and loss, before each step and after the last, (61, 3).
    """
    rows = torch.tensor(_letters()[0], dtype=torch.float64)
    weights = torch.nn.Parameter(torch.tensor(begin, dtype=torch.float64))
    optimizer = {
        "sgd": lambda: SGD([weights], rate),
        "momentum": lambda: SGD([weights], rate, momentum=0.9),
        "adam": lambda: Adam([weights], rate),
    }[rule]()

    def loss(seen):
        if problem == "ravine":
            return 0.5 * (weights[0] ** 2 + steepness * weights[1] ** 2)
        return F.binary_cross_entropy_with_logits(seen[:, :2] @ weights, seen[:, 2])

    path = []
    for step in range(STEPS + 1):
        path.append([*weights.tolist(), loss(rows).item()])
        size = batch or len(rows)
        places = [(step * size + k) % len(rows) for k in range(size)]
        optimizer.zero_grad()
        loss(rows[places]).backward()
        optimizer.step()
    return np.array(path)


@cache
def _letters() -> tuple[list[list[float]], list[str], float]:
    """Return rows of two features and a label, the features, and the least loss."""
    text = " ".join(r["text"] for r in load_shipped("reviews")[:40]).lower()
    letters = [c for c in text if "a" <= c <= "z"][: _ROWS + 1]
    vowel = np.array([float(c in "aeiou") for c in letters])
    features = np.column_stack([np.ones(_ROWS), vowel[:-1]])
    labels = vowel[1:]
    weights = np.zeros(2)
    for _ in range(50):  # Newton's method: two weights only
        chance = 1 / (1 + np.exp(-features @ weights))
        pull = features.T @ (chance - labels)
        bend = (features * (chance * (1 - chance))[:, None]).T @ features
        weights -= np.linalg.solve(bend, pull)
    floor = float(np.logaddexp(0, (1 - 2 * labels) * (features @ weights)).mean())
    rows = np.column_stack([features, labels]).tolist()
    return rows, ["always", "after a vowel"], floor
