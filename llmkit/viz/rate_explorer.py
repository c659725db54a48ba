"""The learning-rate explorer: a path over a loss surface for any rate and rule.

Two problems with two weights each: a ravine whose steepness can be set, and a real
one, given as rows of two features and a label, whose loss is that of logistic
regression. The path is computed where it is shown; Python's is the kit's own
optimiser. Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import traitlets

from llmkit.viz.figure import new_figure
from llmkit.viz.palette import PALETTE, ramp
from llmkit.viz.view import View

STEPS = 60
RULES = {"sgd": "SGD", "momentum": "SGD with momentum 0.9", "adam": "Adam"}
PROBLEMS = {"ravine": "a ravine", "rows": "vowel or not"}
SETTINGS = ("problem", "rule", "rate", "steepness", "batch")


class RateExplorer(View):
    """A path of 60 steps downhill, and its loss.

    `selection` is {"rate", "loss", "weights"}: where the path shown ends.

    Args:
        compute: from the settings, by the names in `SETTINGS`, to the path: weights
            and loss before each step and after the last, (61, 3).
        rows: of the real problem: two features and a label, 0 or 1, each.
        names: of the two features.
        **settings: choices to begin with, such as `rate=0.1`.
    """

    source = "rate_explorer"
    sweep: ClassVar[dict[str, list]] = {
        "rate": [1e-4, 10.0, 0.03],
        "rule": list(RULES),
        "problem": list(PROBLEMS),
        "steepness": [1.0, 100.0],
        "batch": [4, 0],
    }

    problem = traitlets.Enum(list(PROBLEMS), "ravine").tag(sync=True)
    rule = traitlets.Enum(list(RULES), "sgd").tag(sync=True)
    rules = traitlets.List([[k, v] for k, v in RULES.items()]).tag(sync=True)
    rate = traitlets.Float(0.03).tag(sync=True)
    steepness = traitlets.Float(20.0).tag(sync=True)
    batch = traitlets.Int(0).tag(sync=True)  # rows in a step; 0: all
    rows = traitlets.List().tag(sync=True)
    names = traitlets.List().tag(sync=True)
    problems = traitlets.List([[k, v] for k, v in PROBLEMS.items()]).tag(sync=True)
    floor = traitlets.Float(0.0).tag(sync=True)  # the least loss of the real problem
    steps = traitlets.Int(STEPS).tag(sync=True)
    begin = traitlets.Dict().tag(sync=True)  # problem -> first weights
    reach = traitlets.Dict().tag(sync=True)  # problem -> what the map shows

    def __init__(
        self,
        compute: Callable[..., np.ndarray],
        rows: Sequence[Sequence[float]],
        names: Sequence[str],
        floor: float,
        **settings,
    ):
        self._compute = compute
        super().__init__(
            rows=[list(map(float, row)) for row in rows],
            names=list(names),
            floor=floor,
            begin={"ravine": [-0.9, 0.9], "rows": [-1.5, 2.5]},
            reach={"ravine": [-1.2, 1.2, -1.2, 1.2], "rows": [-3.0, 4.0, -4.0, 3.0]},
            **settings,
        )

    @traitlets.validate("rate")
    def _rate_in_reach(self, proposal):
        return min(10.0, max(1e-4, proposal["value"]))

    @traitlets.validate("steepness")
    def _some_steepness(self, proposal):
        return min(100.0, max(1.0, proposal["value"]))

    @traitlets.validate("batch")
    def _some_rows(self, proposal):
        return min(max(0, proposal["value"]), len(self.rows) or proposal["value"])

    def settings(self) -> dict[str, Any]:
        """Return what is chosen now, by the names in `SETTINGS`."""
        return {name: getattr(self, name) for name in SETTINGS}

    def path(self) -> np.ndarray:
        """Return weights and loss, before each step and after the last, (61, 3)."""
        return self._compute(begin=self.begin[self.problem], **self.settings())

    @property
    def least(self) -> float:
        """The least loss that the problem has."""
        return 0.0 if self.problem == "ravine" else self.floor

    def verdict(self) -> str:
        """Say in a few words how the path went."""
        return judge(self.path()[:, 2], self.least)

    # --- outputs -----------------------------------------------------------------
    def summary(self) -> str:
        """Return rule and rate."""
        return f"{RULES[self.rule]} on {PROBLEMS[self.problem]}, rate {self.rate:.4g}"

    @property
    def alt(self) -> str:
        """One sentence that says what the picture shows."""
        losses = self.path()[:, 2]
        return (
            f"{self.summary()}: the loss goes from {_short(losses[0])} to "
            f"{_short(losses[-1])} in {self.steps} steps; {judge(losses, self.least)}."
        )

    def surface(self, size: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the map: both axes, (size,), and the loss, (size, size)."""
        left, right, low, high = self.reach[self.problem]
        x, y = np.linspace(left, right, size), np.linspace(low, high, size)
        a, b = np.meshgrid(x, y)
        if self.problem == "ravine":
            return x, y, 0.5 * (a * a + self.steepness * b * b)
        rows = np.array(self.rows)
        score = a[..., None] * rows[:, 0] + b[..., None] * rows[:, 1]
        sign = 1 - 2 * rows[:, 2]
        return x, y, np.logaddexp(0, sign * score).mean(-1)

    def figure(self):
        """Return the map with the path, and the loss beside it."""
        path = self.path()
        figure, (left, right) = new_figure(8.8, 3.4, columns=2)
        x, y, height = self.surface()
        left.contourf(x, y, np.sqrt(height - height.min()), 14, cmap=ramp())
        limit = np.isfinite(path).all(axis=1)
        left.plot(*path[limit][:, :2].T, "o-", color=PALETTE[5], markersize=3)
        box = self.reach[self.problem]
        left.set(xlim=box[:2], ylim=box[2:])
        names = self.names if self.problem == "rows" else ("flat", "steep")
        left.set(xlabel=f"weight: {names[0]}", ylabel=f"weight: {names[1]}")
        losses = np.where(np.isfinite(path[:, 2]), path[:, 2], np.nan)
        right.plot(np.minimum(losses, 1e6), color=PALETTE[0])
        right.axhline(self.least, color="#50555e", linestyle="--", label="the least")
        right.set_yscale("symlog", linthresh=0.01)
        right.set_ylim(bottom=0)
        right.set(xlabel="step", ylabel="loss", title=judge(path[:, 2], self.least))
        right.legend(fontsize=8)
        return figure

    def table(self):
        """Return every tenth step as a pandas DataFrame."""
        import pandas as pd

        some = self.path()[::10]
        names = self.names if self.problem == "rows" else ["flat", "steep"]
        frame = pd.DataFrame(some, columns=[*(f"weight: {n}" for n in names), "loss"])
        frame.index = pd.RangeIndex(0, 10 * len(some), 10, name="step")
        return frame.map(_short)


def judge(losses: Sequence[float], least: float) -> str:
    """Say how a run went, from its losses and the least possible one.

    Args:
        losses: before each step and after the last.
        least: the least loss that the problem has.

    Returns:
        A few words.
    """
    first, last = losses[0] - least, losses[-1] - least
    if not math.isfinite(last) or last > first:
        return "too high, it diverges"
    tail = [b - a for a, b in pairwise(losses)]
    ups = sum(change > 1e-9 for change in tail) / len(tail)
    if last < 0.02 * first:
        return "it gets there, but swings" if ups > 0.25 else "a good rate"
    if ups > 0.25:
        return "too high, it jumps to and fro"
    return "too low, it has far to go" if last > 0.3 * first else "on its way"


def _short(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "no number"
