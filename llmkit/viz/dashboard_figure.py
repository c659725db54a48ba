"""The static twins of the training dashboard and of the time machine."""

from __future__ import annotations

import numpy as np

from llmkit.viz.figure import new_figure
from llmkit.viz.painters import paint_grid
from llmkit.viz.palette import PALETTE

_ROWS = 12  # of the table


def smooth(values) -> np.ndarray:
    """Return the running mean that forgets, as the browser draws it.

    Its memory is about an eightieth of the curve, so a picture is equally smooth for
    a short run and a long one.

    Args:
        values: (n,).

    Returns:
        (n,).
    """
    weight = min(1.0, 2 / (1 + len(values) / 40))  # of the newest value
    out, mean = [], None
    for value in values:
        mean = value if mean is None else mean + weight * (value - mean)
        out.append(mean)
    return np.array(out)


def paint_levels(ax, lines) -> None:
    """Draw level lines with their names at the right edge, pushed apart."""
    low, high = ax.get_ylim()
    last = np.inf
    for name, loss in sorted(lines, key=lambda line: -line[1]):
        floor = "floor" in name
        style = {"color": "black", "lw": 1.3} if floor else {"color": "#777", "lw": 1}
        ax.axhline(loss, ls="-" if floor else "--", **style)
        last = min(loss, last - (high - low) * 0.06)
        place = {"xy": (1.01, last), "xycoords": ax.get_yaxis_transform()}
        ax.annotate(f"{name} {loss:.2f}", va="center", fontsize=8, **place)


def paint_loss(ax, rows, lines, validation) -> None:
    """Draw the loss of each batch, its running mean, validation, and level lines."""
    if len(rows):
        ax.plot(rows[:, 0], rows[:, 1], color="#c4c8d0", lw=0.8)
        ax.plot(rows[:, 0], smooth(rows[:, 1]), color=PALETTE[0], lw=1.8)
    if validation:
        steps, losses = zip(*validation, strict=True)
        ax.plot(steps, losses, "D", color=PALETTE[5], ms=4, label="validation")
        ax.legend(fontsize=8, frameon=False)
    values = [*(rows[:, 1] if len(rows) else ()), *(v for _, v in validation)]
    values += [loss for _, loss in lines]
    values = [v for v in values if np.isfinite(v)] or [0, 1]
    room = 0.05 * ((max(values) - min(values)) or 1)
    ax.set_ylim(min(values) - room, max(values) + room)
    paint_levels(ax, lines)
    ax.set_xlabel("step", fontsize=8)
    ax.set_title("loss, nats per token", fontsize=9, loc="left")
    ax.tick_params(labelsize=8)


def dashboard_figure(rows, steps: int, lines, validation, weights=None):
    """Draw what the dashboard shows.

    Args:
        rows: step, loss, learning rate, gradient and seconds, (n, 5).
        steps: the length of the run.
        lines: [name, loss] of each level line.
        validation: [step, loss].
        weights: attention, (L, H, T, T), or None.

    Returns:
        A matplotlib figure.
    """
    widths = [2.2, 1, 1] + ([1.1] if weights is not None else [])
    size = 10 if weights is None else 12
    figure, axes = new_figure(size, 3, 1, len(widths), width_ratios=widths)
    paint_loss(axes[0], rows, lines, validation)
    axes[0].set_xlim(0, steps)
    for ax, column, name in zip(
        axes[1:3], (2, 3), ("learning rate", "length of the gradient"), strict=True
    ):
        if len(rows):
            ax.plot(rows[:, 0], rows[:, column], color=PALETTE[0], lw=1.2)
        ax.set_xlim(0, steps)
        ax.set_title(name, fontsize=9, loc="left")
        ax.set_xlabel("step", fontsize=8)
        ax.tick_params(labelsize=8)
    if weights is not None:
        paint_grid(axes[3], weights)
        axes[3].set_title("where the heads look", fontsize=9, loc="left")
    return figure


def dashboard_table(rows, validation):
    """Return a pandas DataFrame of the numbers at about a dozen steps.

    Args:
        rows: step, loss, learning rate, gradient and seconds, (n, 5).
        validation: [step, loss].
    """
    import pandas as pd

    places = np.unique(np.linspace(0, max(0, len(rows) - 1), _ROWS).astype(int))
    rows = rows[places] if len(rows) else rows
    frame = pd.DataFrame(
        {
            "loss": np.round(rows[:, 1], 3),
            "learning rate": [f"{lr:.3g}" for lr in rows[:, 2]],
            "gradient": np.round(rows[:, 3], 3),
        },
        index=pd.Index(rows[:, 0].astype(int), name="step"),
    )
    if validation:
        steps, losses = (np.array(x) for x in zip(*validation, strict=True))
        # the last validation at or before each row
        at = np.searchsorted(steps, rows[:, 0], side="right") - 1
        frame["validation"] = [
            f"{losses[i]:.3f}" if i >= 0 else "" for i in at.tolist()
        ]
    return frame


def machine_figure(steps, index, curve, losses, lines, name, found, weights):
    """Draw what the time machine shows at one snapshot.

    Args:
        steps: of the snapshots, N.
        index: the chosen one.
        curve: step and loss of the run, (n, 2).
        losses: of the snapshots, or None.
        lines: [name, loss] of each level line.
        name: of the score that is drawn.
        found: the highest score of a head at each snapshot, (N,).
        weights: attention at the chosen one, (L, H, T, T).

    Returns:
        A matplotlib figure.
    """
    figure, axes = new_figure(11, 3, 1, 3, width_ratios=[1.6, 1, 1.2])
    known = [(s, v) for s, v in zip(steps, losses or (), strict=False) if v is not None]
    rows = np.zeros((len(curve), 2)) if not len(curve) else np.asarray(curve)
    paint_loss(axes[0], rows, lines, known)
    axes[1].plot(steps, found, color=PALETTE[0], marker=".")
    axes[1].set_title(f"{name} score, highest head", fontsize=9, loc="left")
    axes[1].set_xlabel("step", fontsize=8)
    axes[1].tick_params(labelsize=8)
    for ax in axes[:2]:
        ax.axvline(steps[index], color=PALETTE[5], lw=1.2, ls=":")
    paint_grid(axes[2], weights)
    axes[2].set_title(f"attention at step {steps[index]}", fontsize=9, loc="left")
    return figure


def machine_table(steps, scores, best, samples):
    """Return a pandas DataFrame with one row for each snapshot.

    Args:
        steps: N.
        scores: name to one number for each snapshot, or None where unknown.
        best: name to the highest score of a head at each, (N,).
        samples: what was written at each, or empty.
    """
    import pandas as pd

    columns = {
        name: ["" if v is None else f"{v:.3f}" for v in values]
        for name, values in scores.items()
    }
    columns |= {f"{name}, highest head": np.round(v, 3) for name, v in best.items()}
    if len(samples):
        columns["what it writes"] = list(samples)
    return pd.DataFrame(columns, index=pd.Index(steps, name="step"))
