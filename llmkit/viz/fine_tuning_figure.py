"""Pictures of fine-tuning without a browser: learning curves, loss, confusion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmkit.viz.dashboard_figure import smooth
from llmkit.viz.figure import new_figure
from llmkit.viz.palette import PALETTE

_MARKS = "osD^vP"


def paint_learning_curve(ax, recorded: Sequence[dict], results: Sequence[dict] = ()):
    """Draw accuracy against the number of examples, with intervals.

    Args:
        ax: matplotlib axes.
        recorded: dictionaries with `start`, `size`, `accuracy`, `low` and `high`;
            points of one start are joined.
        results: the same, drawn as single points.
    """
    starts = list(dict.fromkeys(p["start"] for p in [*recorded, *results]))
    for number, start in enumerate(starts):
        look = {"color": PALETTE[number], "marker": _MARKS[number % len(_MARKS)]}
        line = sorted((p for p in recorded if p["start"] == start), key=_size)
        single = [p for p in results if p["start"] == start]
        if line:
            _bars(ax, line, lw=1.4, ms=5, label=start, **look)
        if single:
            label = None if line else start
            _bars(
                ax, single, lw=0, elinewidth=1.4, ms=9, mec="black", label=label, **look
            )
    ax.set_xscale("log")
    sizes = sorted({p["size"] for p in [*recorded, *results]})
    if sizes:
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.minorticks_off()
        ax.legend(fontsize=8, frameon=False, loc="best")
    ax.set_xlabel("examples", fontsize=8)
    ax.set_title("accuracy, with 95% intervals", fontsize=9, loc="left")
    ax.tick_params(labelsize=8)


def fine_tuning_figure(losses, recorded, results, confusion, names):
    """Draw what the panel shows.

    Args:
        losses: step and loss, (n, 2).
        recorded: earlier runs.
        results: runs of this panel.
        confusion: counts, or empty.
        names: of the classes.

    Returns:
        A matplotlib figure.
    """
    figure, axes = new_figure(10.5, 3.2, 1, 3, width_ratios=[1.3, 1.3, 1])
    if len(losses):
        axes[0].plot(losses[:, 0], losses[:, 1], color="#c4c8d0", lw=0.8)
        axes[0].plot(losses[:, 0], smooth(losses[:, 1]), color=PALETTE[0], lw=1.8)
    axes[0].set_title("loss of each step", fontsize=9, loc="left")
    axes[0].set_xlabel("step", fontsize=8)
    axes[0].tick_params(labelsize=8)
    paint_learning_curve(axes[1], recorded, results)
    paint_confusion(axes[2], confusion, names)
    return figure


def paint_confusion(ax, confusion, names: Sequence[str]) -> None:
    """Draw how often each class was called what.

    Args:
        ax: matplotlib axes.
        confusion: counts, row: true class, column: said class; or empty.
        names: of the classes.
    """
    ax.set_title("true class (rows), said (columns)", fontsize=9, loc="left")
    if not len(confusion):
        ax.text(0.5, 0.5, "no run yet", ha="center", fontsize=9, color="#555")
        ax.set_axis_off()
        return
    counts = np.asarray(confusion)
    ax.imshow(counts, cmap="Blues", vmin=0)
    for (i, j), count in np.ndenumerate(counts):
        dark = count > counts.max() / 2
        ax.text(j, i, count, ha="center", va="center", color="w" if dark else "k")
    ax.set_xticks(range(len(names)), names, fontsize=8)
    ax.set_yticks(range(len(names)), names, fontsize=8)


def _size(point: dict) -> int:
    return point["size"]


def _bars(ax, points: Sequence[dict], **look) -> None:
    values = np.array([p["accuracy"] for p in points])
    ends = np.array([[p["low"], p["high"]] for p in points])
    reach = np.abs(np.stack([values - ends[:, 0], ends[:, 1] - values]))
    ax.errorbar([p["size"] for p in points], values, reach, capsize=3, **look)
