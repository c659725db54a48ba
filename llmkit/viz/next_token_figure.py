"""The next token's bars on paper, before and after all filters."""

from __future__ import annotations

import numpy as np

from llmkit.viz.figure import new_figure, short_labels


def sentence_alone(text: str, most: int):
    """Return a figure that holds a sentence where no bar can be drawn.

    Args:
        text: the sentence.
        most: how many bars there would be room for.
    """
    figure, ax = new_figure(6.4, 0.3 * (most + 2) + 0.9)
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center")
    return figure


def draw_bars(table, most: int):
    """Draw two bars for each token, the model's and what is drawn from.

    Args:
        table: a pandas DataFrame, a row for each token and a column for each filter;
            the first column is the model's distribution, the last what is left.
        most: how many rows are tokens; one more stands for all others.

    Returns:
        The matplotlib figure.
    """
    figure, ax = new_figure(6.4, 0.3 * (most + 2) + 0.9)
    y = np.arange(len(table))[::-1]
    ax.barh(y + 0.2, table["model"], 0.36, fill=False, ec="#50555e", label="model")
    last = table[table.columns[-1]]
    ax.barh(y - 0.2, last, 0.36, color="#0b5cad", label="drawn from")
    for at, p in zip(y, last, strict=True):
        ax.text(p, at - 0.2, f" {p:.1%}" if p else " cut", va="center", size=8)
    names = [str(name) for name in table.index]
    ax.set_yticks(y, [*short_labels(names[:most], 18), *names[most:]])
    ax.set_xlabel("probability")
    ax.margins(x=0.12)
    ax.legend(
        frameon=False,
        ncols=2,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        borderpad=0,
    )
    ax.spines[["top", "right"]].set_visible(False)
    return figure
