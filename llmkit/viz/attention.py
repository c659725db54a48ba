"""AttentionExplorer: every head of a model, from the whole grid down to one product.

On the left a grid of layers and heads; on the right, linked, the chosen heads as arcs,
as a heat map, or one query and key multiplied number by number. Home notebook: 04.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import traitlets

from llmkit.checks import check_type
from llmkit.viz.attention_maps import AttentionMaps
from llmkit.viz.figure import new_figure
from llmkit.viz.labels import visible
from llmkit.viz.painters import (
    paint_arcs,
    paint_grid,
    paint_heat,
)
from llmkit.viz.view import View

PAIRS = ("all", "A to A", "A to B", "B to A", "B to B")
_PLACE = ("view", "layer", "head", "query", "key")
SCALES = ("square root", "linear", "logarithm", "row maximum")


class AttentionExplorer(View):
    """Look at every attention head of a model.

    `selection` is `{"view", "layer", "head", "query", "key", "tokens", "weight"}`:
    what the reader points at, with the exact weight. `heads` lists the pinned heads,
    `queries` the tokens whose attention is added up.

    Args:
        maps: an `AttentionMaps`, or several by name ("encoder", "decoder", "cross").
        **traits: the starting values of any trait, such as `mode="heat"`.
    """

    source: ClassVar = "attention"
    sweep: ClassVar = {
        "mode": ["arcs", "heat", "detail"],
        "grid": ["heat", "arcs"],
        "scale": list(SCALES),
        "pair": list(PAIRS),
        "sort": ["", "entropy"],
        "hide_special": [True, False],
        "renormalise": [False, True],
        "group_words": [True, False],
        "horizontal": [True, False],
        "containing": ["a", "nowhere to be found", ""],
        "heads": [[[0, 0], [0, 1]], []],
        "queries": [[0, 1], []],
        "selection": [{}, {"layer": 0, "head": 0, "query": 1, "key": 0}],
    }

    # the words and the weight that Python adds stay here: sent back, they would be a
    # late answer that undoes a key pressed meanwhile
    selection = traitlets.Dict().tag(
        sync=True,
        to_json=lambda chosen, _: {k: v for k, v in chosen.items() if k in _PLACE},
    )
    maps = traitlets.List().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)
    heads = traitlets.List().tag(sync=True)
    queries = traitlets.List().tag(sync=True)
    mode = traitlets.Enum(("arcs", "heat", "detail"), "arcs").tag(sync=True)
    grid = traitlets.Enum(("heat", "arcs"), "heat").tag(sync=True)
    scale = traitlets.Enum(SCALES, SCALES[0]).tag(sync=True)
    pair = traitlets.Enum(PAIRS, "all").tag(sync=True)
    sort = traitlets.Unicode("").tag(sync=True)
    containing = traitlets.Unicode("").tag(sync=True)
    hide_special = traitlets.Bool(False).tag(sync=True)
    renormalise = traitlets.Bool(True).tag(sync=True)
    group_words = traitlets.Bool(False).tag(sync=True)
    horizontal = traitlets.Bool(False).tag(sync=True)
    # a live explorer (llmkit.explore.attention) offers the text for editing
    text = traitlets.Unicode("").tag(sync=True)
    second = traitlets.Unicode("").tag(sync=True)
    editable = traitlets.List().tag(sync=True)  # of "text", "second"
    note = traitlets.Unicode("").tag(sync=True)

    def __init__(self, maps: AttentionMaps | Mapping[str, AttentionMaps], **traits):
        self._maps: dict[str, AttentionMaps] = {}
        super().__init__(**traits)
        self.set_maps(maps)
        self.on_msg(self._answer)

    def set_maps(self, maps: AttentionMaps | Mapping[str, AttentionMaps]) -> None:
        """Show other weights, keeping the chosen heads where they still exist.

        Args:
            maps: an `AttentionMaps`, or several by name.

        Raises:
            TypeError: it is neither.
            ValueError: there are none.
        """
        if isinstance(maps, AttentionMaps):
            maps = {"attention": maps}
        check_type("maps", maps, Mapping, "Pass an AttentionMaps, or a dict of them.")
        if not maps:
            raise ValueError("maps must hold at least one AttentionMaps; got none")
        for name, one in maps.items():
            check_type(f"maps[{name!r}]", one, AttentionMaps)
        with self.lock, self.hold_sync():
            self._maps = dict(maps)
            self.maps = [m.plain(name) for name, m in maps.items()]
            self.data = b"".join(m.packed() for m in maps.values())
            first = next(iter(maps.values()))
            self.queries = [q for q in self.queries if q < len(first.rows.labels)]
            self.selection = dict(self.selection)

    @traitlets.validate("selection")
    def _complete(self, proposal):
        """Clip a selection to what exists, and add the tokens and the exact weight."""
        given = proposal["value"]
        if not self._maps:
            return given
        name = given.get("view")
        name = name if name in self._maps else next(iter(self._maps))
        maps = self._maps[name]
        clipped = {"view": name}
        for key, size in zip(
            ("layer", "head", "query", "key"), maps.weights.shape, strict=True
        ):
            value = given.get(key)
            if value is None and key in ("query", "key"):
                continue
            clipped[key] = int(np.clip(int(value or 0), 0, size - 1))
        if "query" in clipped:
            clipped["tokens"] = [maps.rows.labels[clipped["query"]]]
        if "query" in clipped and "key" in clipped:
            clipped["tokens"].append(maps.columns.labels[clipped["key"]])
            place = tuple(clipped[k] for k in ("layer", "head", "query", "key"))
            clipped["weight"] = round(float(maps.weights[place]), 7)
        return clipped

    # --- reading back ------------------------------------------------------------
    def selected_heads(self) -> list[tuple[int, int]]:
        """Return the heads on show as pairs of layer and head."""
        layers, heads = self._now().weights.shape[:2]
        current = (self.selection.get("layer", 0), self.selection.get("head", 0))
        pinned = [tuple(h) for h in self.heads]
        if current not in pinned or any(
            not (0 <= a < layers and 0 <= b < heads) for a, b in pinned
        ):
            return [current]
        return pinned

    def selected_attention(self) -> np.ndarray:
        """Return the weights on show, as the reader sees them.

        Returns:
            (number of pinned heads, queries, keys): with special tokens hidden, words
            grouped and rows renormalised as chosen; only the chosen queries, if any.
        """
        rows, columns = self._groups()
        if self.queries:
            rows = [g for g in rows if g[0] in self.queries] or rows
        heads = self.selected_heads()
        return self._now().merged(heads, rows, columns, self._renormalised())

    # --- the outputs -------------------------------------------------------------
    def summary(self) -> str:
        """Return the sizes, for `repr`."""
        layers, heads, t, s = self._now().weights.shape
        tokens = f"{t} tokens" if self._now().shared else f"{t} by {s} tokens"
        return f"{layers} layers, {heads} heads, {tokens}"

    @property
    def alt(self) -> str:
        """One sentence with the chosen head and its strongest pair."""
        rows, columns = self._names()
        weights = self.mean_attention()
        where = "; ".join(f"layer {a} head {b}" for a, b in self.selected_heads())
        words = f"Attention of {self.summary()}. Shown: {where}"
        if weights.size:
            i, j = np.unravel_index(weights.argmax(), weights.shape)
            words += f"; strongest from {rows[i]} to {columns[j]}, {weights[i, j]:.2f}"
        return words + "."

    def mean_attention(self) -> np.ndarray:
        """Return the mean of the heads on show for all queries on show."""
        groups = self._groups()
        heads = self.selected_heads()
        return self._now().merged(heads, *groups, self._renormalised()).mean(0)

    def table(self):
        """Return the weights of the heads on show (their mean) as a DataFrame."""
        import pandas as pd

        rows, columns = self._names()
        return pd.DataFrame(self.mean_attention().astype(float), rows, columns)

    def figure(self):
        """Draw the grid of heads beside the heads on show."""
        weights, names = self._now().weights, self._names()
        layers, heads = weights.shape[:2]
        tall = np.clip(0.19 * max(map(len, names)) + 0.6, 2.4, 6)
        tall = max(tall, 0.8 + 0.36 * layers)
        wide = 0.8 + min(0.36 * heads, 5)
        figure, (left, right) = new_figure(
            wide + 4.6, tall, 1, 2, width_ratios=[wide, 4.6]
        )
        paint_grid(left, weights)
        shown = self.selected_heads()
        if not all(names):
            right.text(0.5, 0.5, "No token is left to show.", ha="center")
            right.axis("off")
        elif self.mode == "arcs" and max(map(len, names)) <= 48:
            merged = self._now().merged(shown, *self._groups(), self._renormalised())
            paint_arcs(right, merged, *names)
        else:
            paint_heat(right, self.mean_attention(), *names)
        title = ", ".join(f"layer {a} head {b}" for a, b in shown)
        right.set_title(title, fontsize=9)
        return figure

    def static_state(self) -> dict:
        """Return the state for a page: long texts keep the 16 strongest per row."""
        state = super().static_state()
        packed = []
        for maps in self._maps.values():
            packed.append(maps.packed())
            if maps.large:
                packed.append(maps.strongest())
        state["data"] = b"".join(packed)
        state["editable"] = []
        layer, head = self.selected_heads()[-1]
        if self._now().queries is not None:
            state["vectors"] = self._vectors(self._now(), layer, head)
            state["vectors_of"] = [self.selection.get("view"), layer, head]
        return state

    # --- questions from the browser ----------------------------------------------
    def _answer(self, _widget, content, _buffers) -> None:
        """Answer a question for a layer, exact rows, or the vectors of a head."""
        with self.lock:
            maps = self._maps.get(content.get("view"))
            if maps is None:
                return
            layer = int(np.clip(content["layer"], 0, maps.weights.shape[0] - 1))
            head = int(np.clip(content.get("head", 0), 0, maps.weights.shape[1] - 1))
            kind = content.get("kind")
            if kind == "layer":
                reply = maps.layer(layer)
            elif kind == "row":
                groups = self._groups()
                row = int(np.clip(content["row"], 0, max(0, len(groups[0]) - 1)))
                groups = groups[0][row : row + 1], groups[1]
                exact = maps.merged([(layer, head)], *groups, self._renormalised())
                reply = exact.astype("<f4").tobytes()
            elif kind == "vectors" and maps.queries is not None:
                reply = self._vectors(maps, layer, head)
            else:
                return
            self.send(content, buffers=[reply])

    @staticmethod
    def _vectors(maps: AttentionMaps, layer: int, head: int) -> bytes:
        pair = maps.queries[layer, head], maps.keys[layer, head]
        return b"".join(x.astype("<f4").tobytes() for x in pair)

    # --- what is on show ---------------------------------------------------------
    def _now(self) -> AttentionMaps:
        name = self.selection.get("view")
        return self._maps.get(name) or next(iter(self._maps.values()))

    def _renormalised(self) -> bool:
        return self.renormalise and (self.hide_special or self.pair != "all")

    def _groups(self) -> tuple[list[list[int]], list[list[int]]]:
        maps = self._now()
        first, second = (None, None)
        if self.pair != "all" and maps.rows.segments is not None:
            first, second = ("AB".index(x) for x in self.pair.split(" to "))
        hide, words = self.hide_special, self.group_words
        rows = maps.rows.groups(hide, words, first, self.containing)
        return rows, maps.columns.groups(hide, words, second)

    def _names(self) -> tuple[list[str], list[str]]:
        maps = self._now()
        rows, columns = self._groups()
        return (
            [visible(maps.rows.name(g), 24) for g in rows],
            [visible(maps.columns.name(g), 24) for g in columns],
        )
