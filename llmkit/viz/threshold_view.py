"""The threshold view: from scores to decisions, and whether the scores can be believed.

One slider turns probabilities into yes and no; another makes the model bolder or more
careful without changing the order of its answers. The browser counts for itself; the
numbers that Python reports come from `explore.threshold`, and a test holds them equal.
Home notebook: 11_evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import traitlets

from llmkit.viz.figure import new_figure
from llmkit.viz.palette import PALETTE
from llmkit.viz.view import View

CURVES = {"roc": "ROC", "pr": "precision and recall"}


class ThresholdView(View):
    """Confusion, ROC and reliability of a classifier, with a threshold to move.

    `selection` is what `view.now()` returns, for the threshold that was chosen.

    Args:
        measure: from probabilities (N,), labels (N,), a threshold and a number of
            bins to a dict of numbers by name; `curve` and `pr` are lists of points
            (x, y), `bins` a list of rows (low, high, count, confidence, share of
            positives).
        scores: the probability of the positive class for each of N examples.
        labels: 1 where it is positive, 0 where not, N.
        names: what negative and positive are called.
        **traits: choices to begin with, such as `threshold=0.3`.
    """

    source = "threshold_view"
    sweep: ClassVar[dict[str, list]] = {
        "threshold": [0.0, 1.0, 0.35],
        "temperature": [0.25, 4.0, 1.0],
        "bins": [5, 20, 10],
        "curve": ["pr", "roc"],
    }

    scores = traitlets.Bytes().tag(sync=True)  # np.float32
    labels = traitlets.Bytes().tag(sync=True)  # np.uint8
    names = traitlets.List().tag(sync=True)
    threshold = traitlets.Float(0.5).tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)  # divides the log-odds
    bins = traitlets.Int(10).tag(sync=True)
    curve = traitlets.Enum(list(CURVES), "roc").tag(sync=True)

    def __init__(
        self,
        measure: Callable[..., dict[str, Any]],
        scores: Sequence[float],
        labels: Sequence[int],
        names: Sequence[str] = ("negative", "positive"),
        **traits,
    ):
        self._measure = measure
        # what the browser gets, so that both sides count with the same numbers
        self._scores = np.asarray(scores, np.float32)
        self._labels = np.asarray(labels).astype(np.uint8)
        super().__init__(
            scores=self._scores.tobytes(),
            labels=self._labels.tobytes(),
            names=[str(name) for name in names],
            **traits,
        )

    @traitlets.validate("threshold")
    def _a_probability(self, proposal):
        return min(1.0, max(0.0, proposal["value"]))

    @traitlets.validate("temperature")
    def _a_temperature(self, proposal):
        return min(8.0, max(0.125, proposal["value"]))

    @traitlets.validate("bins")
    def _some_bins(self, proposal):
        return min(50, max(1, proposal["value"]))

    def probabilities(self) -> np.ndarray:
        """Return the scores as they are at the present temperature, (N,)."""
        return tempered(self._scores, self.temperature)

    def now(self) -> dict[str, Any]:
        """Return every number that is shown, by name."""
        return self._measure(
            self.probabilities(), self._labels, self.threshold, self.bins
        )

    # --- outputs -----------------------------------------------------------------
    def summary(self) -> str:
        """Return how many examples, and what the threshold brings."""
        now = self.now()
        return (
            f"{len(self._labels)} examples, threshold {self.threshold:.2f}: "
            f"precision {now['precision'][0]:.3f}, recall {now['recall'][0]:.3f}"
        )

    @property
    def alt(self) -> str:
        """Say what the threshold brings and how well calibrated the scores are."""
        now = self.now()
        said = ", ".join(f"{now[k]} {k}" for k in COUNTS)
        return (
            f"{len(self._labels)} examples by the probability of “{self.names[1]}”. "
            f"At {self.threshold:.2f}: {said}; precision {now['precision'][0]:.3f}, "
            f"recall {now['recall'][0]:.3f}, F1 {now['f1'][0]:.3f}. Area under the ROC "
            f"curve {now['auc']:.3f}, calibration error {now['ece']:.3f}."
        )

    def figure(self):
        """Return a matplotlib figure: scores, curve and reliability side by side."""
        now = self.now()
        figure, axes = new_figure(10, 3.3, 1, 3)
        self._draw_scores(axes[0])
        self._draw_curve(axes[1], now)
        self._draw_bins(axes[2], now)
        return figure

    def _draw_scores(self, ax) -> None:
        p, edges = self.probabilities(), np.linspace(0, 1, 21)
        for label, style in ((0, {"hatch": "///"}), (1, {})):
            counts, _ = np.histogram(p[self._labels == label], edges)
            up = 1 if label else -1
            colour = PALETTE[0] if label else PALETTE[1]
            ax.bar(edges[:-1], up * counts, 0.05, align="edge", color=colour, **style)
            ax.text(0.02, up * 0.9, self.names[label], transform=_half(ax), va="center")
        ax.axvline(self.threshold, color="#1a1c20", linestyle="--")
        ax.axhline(0, color="#1a1c20", linewidth=0.8)
        ax.set_xlabel(f"probability of “{self.names[1]}”")
        ax.set_ylabel("examples")

    def _draw_curve(self, ax, now) -> None:
        roc = self.curve == "roc"
        x, y = np.array(now["curve" if roc else "pr"]).T
        ax.plot(x, y, color=PALETTE[0])
        here = (
            (now["false alarm rate"], now["recall"][0])
            if roc
            else (now["recall"][0], now["precision"][0])
        )
        ax.plot(*here, "o", color=PALETTE[5])
        if roc:
            ax.plot([0, 1], [0, 1], color="#767b85", linestyle=":")
        ax.set_xlabel("false alarm rate" if roc else "recall")
        ax.set_ylabel("recall" if roc else "precision")
        area = f"area {now['auc']:.3f}" if roc else f"average {now['ap']:.3f}"
        ax.set_title(f"{CURVES[self.curve]}, {area}", fontsize=10)
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(-0.02, 1.02)

    def _draw_bins(self, ax, now) -> None:
        ax.plot([0, 1], [0, 1], color="#767b85", linestyle=":")
        for low, high, count, sure, share in now["bins"]:
            if count:
                ax.bar(
                    low, share, high - low, align="edge", color=PALETTE[4], alpha=0.5
                )
                ax.plot(sure, share, "o", color=PALETTE[0], markersize=4)
        ax.set_xlabel("mean probability of a bin")
        ax.set_ylabel("share of positives")
        ax.set_title(f"calibration error {now['ece']:.3f}", fontsize=10)
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(-0.02, 1.02)

    def table(self):
        """Return every number of the view.

        Returns:
            A pandas DataFrame with the columns what, value, low, high.
        """
        import pandas as pd

        now = self.now()
        rows = [("threshold", self.threshold, "", "")]
        rows += [(name, now[name], "", "") for name in COUNTS]
        rows += [(name, *now[name]) for name in RATES]
        names = (("auc", "area under ROC"), ("ap", "average precision"))
        names += (("ece", "calibration error"), ("brier", "Brier score"))
        rows += [(said, now[name], "", "") for name, said in names]
        rows += [
            (f"bin {low:.2f}–{high:.2f}: {count:.0f} examples, positive", share, "", "")
            for low, high, count, _, share in now["bins"]
        ]
        return pd.DataFrame(rows, columns=["what", "value", "low", "high"])


COUNTS = ("hits", "false alarms", "misses", "rejections")
RATES = ("accuracy", "precision", "recall", "f1")


def tempered(probability: np.ndarray, temperature: float) -> np.ndarray:
    """Divide log-odds by a temperature: above 1 less sure, below 1 surer.

    Args:
        probability: (N,).
        temperature: above 0. At 1 nothing changes; 0 and 1 never do.
    """
    p = np.asarray(probability, float)
    if temperature == 1:
        return p
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        odds = (p / (1 - p)) ** (1 / temperature)
        return np.where(np.isfinite(odds), odds / (1 + odds), 1.0)


def _half(ax):
    """Return axes whose x runs from 0 to 1 and whose y from -1 to 1."""
    from matplotlib.transforms import Affine2D

    return Affine2D().scale(1, 0.5).translate(0, 0.5) + ax.transAxes
