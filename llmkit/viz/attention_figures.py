"""Static figures of attention: heat map, head view, grid of heads, token strip.

Each returns a `Picture`: an image with an alternative text, and its numbers as a table.
Colour follows the square root of a weight, so that small weights stay visible; the
colour bar is labelled with the weights themselves. Home notebooks: 03 and 04.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmkit.viz.figure import Picture, new_figure, short_labels
from llmkit.viz.painters import (
    add_scale,
    as_weights,
    paint_arcs,
    paint_grid,
    paint_heat,
    plain_array,
)
from llmkit.viz.palette import colour, ramp


def heatmap(
    weights,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str = "",
    numbers: bool | None = None,
    alt: str | None = None,
) -> Picture:
    """Draw weights as a heat map, one row for each query.

    Args:
        weights: numbers from 0 to 1, (T, S); an array or a tensor.
        rows: T labels, the tokens that look.
        columns: S labels, the tokens looked at.
        title: a line above.
        numbers: write the weight into each cell; None does so up to 12 by 12.
        alt: what the figure shows; None writes a sentence with the largest weight.

    Returns:
        A `Picture` with the table of weights.

    Raises:
        ValueError: the labels do not fit the weights.
    """
    weights = as_weights("weights", weights, "T S", T=len(rows), S=len(columns))
    if numbers is None:
        numbers = max(weights.shape) <= 12

    def draw():
        t, s = weights.shape
        cell = 0.5 if numbers else 0.24
        size = (min(2.4 + cell * s, 11), min(1.5 + cell * t * 0.85, 10))
        figure, ax = new_figure(*size)
        paint_heat(ax, weights, rows, columns, numbers)
        add_scale(figure, ax)
        ax.set_title(title, fontsize=10)
        return figure

    return Picture(
        draw,
        alt or _heat_words(weights, rows, columns, title),
        _table(weights, rows, columns),
    )


def head_view(
    weights,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str = "",
    names: Sequence[str] | None = None,
    alt: str | None = None,
) -> Picture:
    """Draw lines from each token that looks to the tokens it looks at.

    Args:
        weights: of one head, (T, S), or of several, (H, T, S).
        rows: T labels, drawn on the left.
        columns: S labels, drawn on the right.
        title: a line above.
        names: a name for each head.
        alt: what the figure shows; None writes a sentence.

    Returns:
        A `Picture`; a line is as opaque as its weight.

    Raises:
        ValueError: the labels do not fit the weights.
    """
    weights = np.asarray(plain_array(weights))
    weights = weights[None] if weights.ndim == 2 else weights
    weights = as_weights("weights", weights, "H T S", T=len(rows), S=len(columns))
    names = list(names or [f"head {h}" for h in range(len(weights))])

    def draw():
        tall = max(len(rows), len(columns))
        figure, ax = new_figure(4.6, min(1.0 + 0.24 * tall, 11))
        paint_arcs(ax, weights, rows, columns)
        if len(weights) > 1:
            _legend(ax, names)
        ax.set_title(title, fontsize=10)
        return figure

    total = weights.mean(0)
    words = _heat_words(total, rows, columns, title or ", ".join(names))
    return Picture(draw, alt or words, _table(total, rows, columns))


def head_grid(
    attentions, names: Sequence[str] | None = None, alt: str | None = None
) -> Picture:
    """Draw every head of every layer as a small heat map.

    Args:
        attentions: (L, H, T, S).
        names: a name for each layer.
        alt: what the figure shows; None writes a sentence.

    Returns:
        A `Picture`.
    """
    attentions = as_weights("attentions", attentions, "L H T S")
    layers, heads, t, s = attentions.shape

    def draw():
        figure, ax = new_figure(1.0 + 0.62 * heads, 0.8 + 0.62 * layers * min(2, t / s))
        paint_grid(ax, attentions, names)
        return figure

    words = f"Attention of {layers} layers with {heads} heads each, {t} by {s} tokens."
    return Picture(draw, alt or words)


def token_strip(
    tokens: Sequence[str], values=None, title: str = "", alt: str | None = None
) -> Picture:
    """Draw tokens in a row, each in a box, shaded by a value where one is given.

    Args:
        tokens: the labels.
        values: a number from 0 to 1 for each token, or None.
        title: a line above.
        alt: what the figure shows; None lists the tokens.

    Returns:
        A `Picture` with the table of tokens and values.

    Raises:
        ValueError: there are not as many values as tokens.
    """
    shades = None
    if values is not None:
        shades = as_weights("values", values, "T", T=len(tokens))
    labels = short_labels(tokens, 24)

    def draw():
        lines = _break_lines(labels, 76)
        figure, ax = new_figure(8.2, 0.35 + 0.36 * len(lines) + 0.25 * bool(title))
        _paint_strip(ax, labels, lines, shades)
        ax.set_title(title, fontsize=10)
        return figure

    def table():
        import pandas as pd

        columns = {"token": list(labels)}
        if shades is not None:
            columns["value"] = [float(x) for x in shades]
        return pd.DataFrame(columns)

    return Picture(draw, alt or f"{len(tokens)} tokens: {' | '.join(labels)}.", table)


def _table(weights, rows, columns):
    def table():
        import pandas as pd

        return pd.DataFrame(
            weights.astype(float), short_labels(rows), short_labels(columns)
        )

    return table


def _heat_words(weights, rows, columns, title: str) -> str:
    """Say in one sentence where the largest weight lies."""
    size = f"{len(rows)} by {len(columns)} tokens"
    if not weights.size:
        return f"Attention weights, {size}."
    i, j = np.unravel_index(weights.argmax(), weights.shape)
    a, b = short_labels([rows[i], columns[j]])
    about = f"{title}: attention" if title else "Attention"
    return f"{about} weights, {size}; the largest is {a} to {b}, {weights[i, j]:.2f}."


def _legend(ax, names) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour(i), lw=3) for i in range(len(names))]
    ax.legend(handles, names, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _break_lines(labels: Sequence[str], width: int) -> list[range]:
    """Split labels into lines of at most `width` characters."""
    lines, start, used = [], 0, 0
    for at, label in enumerate(labels):
        need = len(label) + 2.5
        if used and used + need > width:
            lines.append(range(start, at))
            start, used = at, 0
        used += need
    return [*lines, range(start, len(labels))]


def _paint_strip(ax, labels, lines, shades) -> None:
    """Paint boxes with labels, line by line."""
    from matplotlib.patches import Rectangle

    colours = ramp()
    for row, line in enumerate(lines):
        x = 0.0
        for at in line:
            wide = len(labels[at]) + 1.6
            value = 0.0 if shades is None else float(shades[at])
            face = colours(value**0.5)
            box = Rectangle((x, row), wide, 0.8, facecolor=face, edgecolor="#767b85")
            ax.add_patch(box)
            ink = "white" if value > 0.52 else "black"
            middle = x + wide / 2
            kind = {"ha": "center", "va": "center", "family": "monospace"}
            ax.text(middle, row + 0.42, labels[at], color=ink, fontsize=9, **kind)
            x += wide + 0.5
    ax.set(xlim=(-0.2, 79), ylim=(len(lines), -0.15))
    ax.axis("off")
