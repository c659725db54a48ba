"""Painting attention onto matplotlib's axes, for the figures and the widgets' posters.

Colour follows the square root of a weight, so that small weights stay visible.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmkit.checks import check_shape
from llmkit.viz.figure import short_labels
from llmkit.viz.palette import colour, ramp

SHARES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)  # the ticks of a colour bar


def paint_heat(ax, weights, rows, columns, numbers: bool = False) -> None:
    """Paint weights (T, S) on matplotlib axes, with labels where they fit."""
    t, s = weights.shape
    ax.imshow(np.sqrt(weights), cmap=ramp(), vmin=0, vmax=1, aspect="auto")
    every = max(1, -(-s // 40)), max(1, -(-t // 40))
    ax.set_xticks(
        range(0, s, every[0]), short_labels(columns)[:: every[0]], rotation=90
    )
    ax.set_yticks(range(0, t, every[1]), short_labels(rows)[:: every[1]])
    ax.tick_params(labelsize=8, length=0)
    ax.set_xlabel("looked at (key)", fontsize=8)
    ax.set_ylabel("looks (query)", fontsize=8)
    if numbers:
        for (i, j), w in np.ndenumerate(weights):
            ink = "white" if w > 0.52 else "black"
            ax.text(j, i, f"{w:.2f}", ha="center", va="center", fontsize=7, color=ink)


def paint_arcs(ax, weights, rows, columns, hues: Sequence[str] | None = None) -> None:
    """Paint the lines of heads (H, T, S) on matplotlib axes."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgba

    for h, head in enumerate(weights):
        i, j = np.nonzero(head > 0.02)
        ends = np.stack(
            [np.stack([np.zeros(len(i)), i], -1), np.stack([np.ones(len(j)), j], -1)], 1
        )
        hue = hues[h] if hues else colour(h)
        colours = [(*to_rgba(hue)[:3], float(w)) for w in np.clip(head[i, j], 0, 1)]
        ax.add_collection(LineCollection(ends, colors=colours, linewidths=1.8))
    every = max(1, -(-max(len(rows), len(columns)) // 50))
    for side, x, labels in (("right", -0.03, rows), ("left", 1.03, columns)):
        for y, label in list(enumerate(short_labels(labels, 18)))[::every]:
            ax.text(x, y, label, ha=side, va="center", fontsize=8)
    ax.set(xlim=(-0.6, 1.6), ylim=(max(len(rows), len(columns)) - 0.4, -0.6))
    ax.axis("off")


def paint_grid(ax, attentions, names: Sequence[str] | None = None) -> None:
    """Paint (L, H, T, S) as one mosaic of max-pooled thumbnails on matplotlib axes."""
    layers, heads = attentions.shape[:2]
    small = pool(attentions, 40 if layers * heads <= 80 else 24)
    t, s = small.shape[2:]
    mosaic = np.full((layers * (t + 2), heads * (s + 2)), np.nan)
    for layer in range(layers):
        for head in range(heads):
            y, x = layer * (t + 2) + 1, head * (s + 2) + 1
            mosaic[y : y + t, x : x + s] = np.sqrt(small[layer, head])
    shades = ramp().with_extremes(bad="#9aa0aa")
    ax.imshow(mosaic, cmap=shades, vmin=0, vmax=1, interpolation="nearest")
    ax.set_xticks([(h + 0.5) * (s + 2) - 0.5 for h in range(heads)], range(heads))
    ax.set_yticks(
        [(n + 0.5) * (t + 2) - 0.5 for n in range(layers)], names or range(layers)
    )
    ax.tick_params(labelsize=8, length=0)
    ax.set_xlabel("head", fontsize=8)
    ax.set_ylabel("layer", fontsize=8)
    for side in ax.spines.values():
        side.set_visible(False)


def pool(weights, size: int):
    """Shrink the last two axes to at most `size` by taking maxima.

    A mean would wash out the single strong weight that a thumbnail must show.

    Args:
        weights: (..., T, S).
        size: the most rows and columns kept.

    Returns:
        (..., at most size, at most size).
    """
    weights = np.asarray(weights)
    for axis in (-2, -1):
        n = weights.shape[axis]
        if n > size:
            starts = np.arange(size) * n // size
            weights = np.maximum.reduceat(weights, starts, axis=axis)
    return weights


def add_scale(figure, ax) -> None:
    """Add the colour bar of the square-root scale, labelled with weights."""
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(cmap=ramp()), ax=ax, fraction=0.046, pad=0.02)
    bar.set_ticks([s**0.5 for s in SHARES], labels=[f"{s:g}" for s in SHARES])
    bar.ax.tick_params(labelsize=7)
    bar.set_label("weight", fontsize=8)


def as_weights(name: str, weights, shape: str, **sizes: int) -> np.ndarray:
    """Check an array or tensor of weights and return it as float32.

    Args:
        name: the argument's name, for the message.
        weights: numbers from 0 to 1.
        shape: its axes, as for `check_shape`.
        **sizes: the sizes some axes must have.

    Returns:
        A numpy array.

    Raises:
        ValueError: the shape is wrong, or a value is not in [0, 1].
    """
    weights = np.asarray(plain_array(weights), dtype=np.float32)
    check_shape(name, weights, shape, **sizes)
    if weights.size and not (weights.min() >= 0 and weights.max() <= 1.0001):
        raise ValueError(
            f"{name} must be numbers from 0 to 1, such as a softmax gives; got a range "
            f"of {weights.min():.4g} to {weights.max():.4g}"
        )
    return np.minimum(weights, 1)


def plain_array(weights):
    """Return a tensor as an array, without importing torch; the rest as it is."""
    return weights.detach().cpu().numpy() if hasattr(weights, "detach") else weights
