"""The widget that runs a script of BertViz, and the picture that stands in for it."""

from __future__ import annotations

from typing import ClassVar

import traitlets

from llmkit.viz.figure import new_figure, short_labels
from llmkit.viz.palette import colour
from llmkit.viz.view import View

_NAMES = {"head": "head view", "model": "model view", "neuron": "neuron view"}


class BertVizView(View):
    """One of BertViz's views. Make it with `head_view`, `model_view`, `neuron_view`.

    The scripts travel with the live widget and with `to_html()`, never with a saved
    notebook: what is stored there is a picture and a table.
    """

    source = "bertviz_offline"
    # BertViz tells Python nothing; what it could tell is the base's selection
    sweep: ClassVar[dict[str, list]] = {"selection": [{}]}

    view = traitlets.Enum(list(_NAMES), default_value="head").tag(sync=True)
    params = traitlets.Dict().tag(sync=True)
    scripts = traitlets.Dict().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        self.label = f"BertViz: {self.summary()}"

    def summary(self) -> str:
        """Return the kind of view and its sizes."""
        part, layers, heads = self._first(), self._layers(), self._heads()
        return (
            f"{_NAMES[self.view]}, {len(layers)} layers, {len(heads)} heads, "
            f"{len(part['left_text'])} tokens"
        )

    @property
    def alt(self) -> str:
        """One sentence that says what the picture shows."""
        what = {
            "head": "lines join each token to the tokens it looks at, a hue per head",
            "model": "every layer and head as a small bundle of lines",
            "neuron": "lines join each token to the tokens it looks at in one head",
        }[self.view]
        return f"BertViz {self.summary()}: {what}. Run the cell to make it live."

    def table(self):
        """Return, for each token, where each head of the shown layer looks most."""
        import pandas as pd

        part, (layer, heads) = self._first(), self._shown()
        columns = {"token": part["left_text"]}
        for head in heads:
            rows = part["attn"][layer][head]
            best = [max(range(len(row)), key=row.__getitem__) for row in rows]
            name = f"layer {self._layers()[layer]} head {self._heads()[head]}"
            columns[name] = [
                f"{part['right_text'][j]} {row[j]:.2f}"
                for j, row in zip(best, rows, strict=True)
            ]
        return pd.DataFrame(columns)

    def figure(self):
        """Return a `matplotlib.figure.Figure` of the view as it first appears."""
        part = self._first()
        size = max(len(part["left_text"]), len(part["right_text"]))
        if self.view == "model":
            return self._grid_figure(part, size)
        layer, heads = self._shown()
        least = 0.25 if len(heads) > 1 else 0.03
        figure, axes = new_figure(4.6, 0.6 + 0.22 * size)
        for head in heads:
            _lines(axes, part["attn"][layer][head], colour(head), least)
        _words(axes, part)
        shown = "all heads" if len(heads) == len(self._heads()) else f"heads {heads}"
        axes.set_title(
            f"layer {self._layers()[layer]}, {shown}, weights from {least}", fontsize=9
        )
        return figure

    def _grid_figure(self, part: dict, size: int):
        layers, heads = self._layers(), self._heads()
        width, height = 0.55 * len(heads), (0.25 + 0.03 * size) * len(layers)
        grid = {"squeeze": False}
        figure, axes = new_figure(
            width + 0.5, height + 0.4, len(layers), len(heads), **grid
        )
        for i, row in enumerate(axes):
            for j, small in enumerate(row):
                _lines(small, part["attn"][i][j], colour(layers[i]), 0.1)
                small.set_title(f"head {heads[j]}" if i == 0 else "", fontsize=7)
            row[0].set_ylabel(f"layer {layers[i]}", fontsize=7)
        for small in axes.flat:
            small.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(size - 0.5, -0.5))
        return figure

    def _first(self) -> dict:
        parts = self.params["attention"]
        return parts["all"] if isinstance(parts, dict) else parts[0]

    def _layers(self) -> list[int]:
        return self.params.get("include_layers") or list(
            range(len(self._first()["attn"]))
        )

    def _heads(self) -> list[int]:
        n_heads = len(self._first()["attn"][0])
        return self.params.get("include_heads") or list(range(n_heads))

    def _shown(self) -> tuple[int, list[int]]:
        """Return the layer and the heads that the view shows first."""
        layer = self.params.get("layer") or 0
        if self.view == "neuron":
            return layer, [self.params["head"]]
        chosen = self.params.get("heads") or range(len(self._first()["attn"][0]))
        return layer, list(chosen)


def _lines(axes, rows, hue: str, least: float) -> None:
    """Join each query, on the left, to each key, on the right, from a weight on."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgba

    lines, colours = [], []
    for i, row in enumerate(rows):
        for j, weight in enumerate(row):
            if weight >= least:
                lines.append([(0, i), (1, j)])
                colours.append(to_rgba(hue, round(min(1.0, 0.15 + weight), 1)))
    # few shades and no smoothing: the picture is stored in notebooks and must be small
    axes.add_collection(
        LineCollection(lines, colors=colours, linewidths=1, antialiaseds=False)
    )


def _words(axes, part: dict) -> None:
    left, right = (short_labels(part[side]) for side in ("left_text", "right_text"))
    size = max(len(left), len(right))
    axes.set(xlim=(0, 1), ylim=(size - 0.5, -0.5), xticks=[])
    axes.set_yticks(range(len(left)), left, fontsize=8)
    twin = axes.secondary_yaxis("right")
    twin.set_yticks(range(len(right)), right, fontsize=8)
    for spine in (*axes.spines.values(), *twin.spines.values()):
        spine.set_visible(False)
    axes.tick_params(length=0)
    twin.tick_params(length=0)
