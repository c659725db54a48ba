"""What-if attention: change one head and see at once what it looks at instead.

The view holds the queries, keys and values of one head. The reader hides cells, divides
the scores by another number, heats or cools the softmax, swaps words, drops the head;
the browser computes the weights anew. A view that stands on a real model
(`explore.what_if`) also sends each change to the kernel, which answers with what the
whole model makes of it. Home notebook: 03_attention.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import traitlets

from llmkit.checks import check_shape
from llmkit.viz.figure import new_figure, short_labels
from llmkit.viz.labels import visible_all
from llmkit.viz.palette import ramp
from llmkit.viz.view import View

# a change of one of these is answered by the model, where there is one
CHANGES = (
    *("text", "layer", "head", "scope", "hidden", "mask", "divisor"),
    *("temperature", "silent", "swap"),
)


class WhatIf(View):
    """The attention of one head, to be changed by hand.

    Args:
        tokens: T labels.
        q: queries, (T, Dh).
        k: keys, (T, Dh).
        v: values, (T, Dv).
        mask: bool, (T, T); True means "may look". None: everybody sees everything.
        before: q, k, v and mask that the changes are compared with; None: the same.
        answer: called with the state of `CHANGES` whenever one of them changes;
            returns traits to set. None: there is no model behind this view.
        **traits: the state to begin with, such as `divisor=1.0`.
    """

    source = "what_if"
    sweep = {  # noqa: RUF012
        "divisor": [1.0, 2.0],
        "temperature": [0.1, 10.0, 1.0],
        "mask": ["causal", "self", "own"],
        "silent": [True, False],
        "hidden": [[[1, 0]], []],
        "swap": [[0, 1], []],
    }

    title = traitlets.Unicode("What if this head looked elsewhere?").tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    words = traitlets.List(traitlets.Unicode()).tag(sync=True)
    n_layers = traitlets.Int(1).tag(sync=True)
    n_heads = traitlets.Int(1).tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)
    sizes = traitlets.List([0, 1, 1]).tag(sync=True)  # T, Dh, Dv
    numbers = traitlets.Bytes().tag(sync=True)  # float32: q k v mask, twice
    scope = traitlets.Enum(["head", "layer", "all"], "head").tag(sync=True)
    hidden = traitlets.List().tag(sync=True)  # cells [query, key]
    mask = traitlets.Enum(["own", "causal", "self"], "own").tag(sync=True)
    divisor = traitlets.Float(1.0).tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    silent = traitlets.Bool(False).tag(sync=True)
    swap = traitlets.List().tag(sync=True)  # two words, or none
    outcome = traitlets.Dict().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        tokens: Sequence[str] = (),
        q=None,
        k=None,
        v=None,
        mask=None,
        before: tuple | None = None,
        answer: Callable[[dict], dict] | None = None,
        **traits,
    ):
        self._answer = answer
        start = {"tokens": visible_all(tokens), "live": answer is not None}
        if q is not None:
            start |= numbers((q, k, v, mask), before)
            check_shape("q", np.asarray(q), "T Dh", T=len(tokens))
            start["divisor"] = math.sqrt(start["sizes"][1])
        super().__init__(**(start | traits))
        if answer is not None:
            self._follow(None)
            self.observe(self._follow, names=CHANGES)

    def _follow(self, change) -> None:
        """Let the model answer a change, one at a time."""

        def act() -> None:
            for name, value in self._answer(self.state()).items():
                setattr(self, name, value)

        def failed(error: Exception) -> None:
            if change is None:  # there is nothing to show yet
                raise error
            self.note = f"Not shown: {error}"

        self.answer_change(act, failed)

    def state(self) -> dict:
        """Return what the reader has chosen, by the names in `CHANGES`."""
        return {name: getattr(self, name) for name in CHANGES}

    # --- reading back ------------------------------------------------------------
    def weights(self, before: bool = False) -> np.ndarray:
        """Return the weights as they are shown.

        Args:
            before: the weights without any change.

        Returns:
            float64, (T, T), one row for each query.
        """
        (q, k, _, mask), unchanged = self._parts()
        order = self._order()
        if before:
            q, k, _, mask = unchanged
            q, k, mask = q[order], k[order], mask[order][:, order] > 0
            return _attend(q, k, mask, math.sqrt(q.shape[1]))
        mask = self._masked(mask > 0)
        return _attend(q[order], k[order], mask, self.divisor * self.temperature)

    def output(self, before: bool = False) -> np.ndarray:
        """Return what the head writes for each token.

        Args:
            before: the output without any change.

        Returns:
            float64, (T, Dv).
        """
        v = self._parts()[1 if before else 0][2].astype(float)[self._order()]
        out = self.weights(before) @ v
        return out * 0 if self.silent and not before else out

    def labels(self) -> list[str]:
        """Return the tokens in the order in which they are shown."""
        return [self.tokens[i] for i in self._order()]

    def _parts(self) -> tuple[list, list]:
        t, d, dv = self.sizes
        flat = np.frombuffer(self.numbers, np.float32)
        shapes = [(t, d), (t, d), (t, dv), (t, t)] * 2
        ends = np.cumsum([a * b for a, b in shapes])
        cut = [
            piece.reshape(shape)
            for piece, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)
        ]
        return cut[:4], cut[4:]

    def _order(self) -> list[int]:
        order = list(range(self.sizes[0]))
        if self.swap and not self.live:  # a model is given the other sentence instead
            a, b = self.swap
            order[a], order[b] = order[b], order[a]
        return order

    def _masked(self, mask: np.ndarray) -> np.ndarray:
        return changed_mask(mask, self.mask, self.hidden)

    # --- the still picture -------------------------------------------------------
    def summary(self) -> str:
        """Return the sizes, and the head where there is a choice."""
        where = f", layer {self.layer} head {self.head}" if self.live else ""
        return f"{len(self.tokens)} tokens{where}"

    @property
    def alt(self) -> str:
        """One sentence that says what the picture shows."""
        if not self.tokens:
            return "No tokens"
        rows, labels = self.weights(), self.labels()
        i, j = np.unravel_index(int(rows.argmax()), rows.shape)
        return (
            f"Attention weights of {self.summary()}, queries in rows; the largest is "
            f"{rows[i, j]:.2f}, from {labels[i]} to {labels[j]}. "
            "Run the cell to change them."
        )

    def table(self):
        """Return the weights as a pandas DataFrame."""
        import pandas as pd

        labels = [f"{i} {token}" for i, token in enumerate(self.labels())]
        return pd.DataFrame(self.weights(), index=labels, columns=labels)

    def figure(self):
        """Return a `matplotlib.figure.Figure` of the weights as they are."""
        rows, labels = self.weights(), short_labels(self.labels())
        size = len(labels)
        edge = max(2.5, 0.42 * size)
        figure, axes = new_figure(edge + 1.2, edge + 0.9)
        axes.imshow(np.sqrt(rows), cmap=ramp(), vmin=0, vmax=1)
        axes.set_xticks(range(size), labels, rotation=45, ha="left", fontsize=10)
        axes.set_yticks(range(size), labels, fontsize=10)
        axes.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False)
        axes.set_xlabel("key: what is looked at", fontsize=9)
        axes.set_ylabel("query: who looks", fontsize=9)
        moved = np.abs(rows - self.weights(before=True)).max(1) > 5e-4
        for i, label in enumerate(axes.get_yticklabels()):
            label.set_fontweight("bold" if moved[i] else "normal")
        if size <= 16:
            for (i, j), weight in np.ndenumerate(rows):
                ink = "white" if weight > 0.3 else "black"
                text = f"{weight:.2f}".lstrip("0") if weight > 0 else "×"
                axes.text(j, i, text, ha="center", va="center", fontsize=9, color=ink)
        return figure


def numbers(now: tuple, before: tuple | None = None) -> dict:
    """Pack one head's q, k, v and mask, now and before, into the view's traits.

    Args:
        now: q (T, Dh), k (T, Dh), v (T, Dv), and mask (T, T) or None.
        before: the same without any change; None: `now` again.

    Returns:
        The traits `sizes` and `numbers`.
    """
    sizes, packed = None, []
    for q, k, v, mask in (now, now if before is None else before):
        q, k, v = (np.asarray(x, np.float32) for x in (q, k, v))
        size = check_shape("q", q, "T Dh")
        check_shape("k", k, "T Dh", **size)
        dv = check_shape("v", v, "T Dv", T=size["T"])["Dv"]
        mask = np.ones((size["T"],) * 2) if mask is None else np.asarray(mask)
        check_shape("mask", mask, "T S", T=size["T"], S=size["T"])
        sizes = [size["T"], size["Dh"], dv]
        packed += [q, k, v, mask.astype(np.float32)]
    return {"sizes": sizes, "numbers": b"".join(x.tobytes() for x in packed)}


def changed_mask(mask: np.ndarray, kind: str, hidden) -> np.ndarray:
    """Return the mask that a choice of the reader and some hidden cells make.

    Args:
        mask: bool, (T, T); True means "may look".
        kind: "own" leaves it, "causal" hides the future, "self" the diagonal.
        hidden: cells [query, key].

    Returns:
        bool, (T, T).
    """
    mask = np.array(mask, bool)
    if kind == "causal":
        mask &= np.tri(len(mask), dtype=bool)
    if kind == "self":
        mask &= ~np.eye(len(mask), dtype=bool)
    for i, j in hidden:
        if i < len(mask) and j < len(mask):
            mask[i, j] = False
    return mask


def _attend(q: np.ndarray, k: np.ndarray, mask: np.ndarray, divisor: float):
    """Softmax of the allowed scores; a row with none gets weights 0."""
    scores = q.astype(float) @ k.astype(float).T / divisor
    scores = np.where(mask, scores, -np.inf)
    top = scores.max(-1, keepdims=True)
    e = np.exp(scores - np.where(np.isfinite(top), top, 0.0))
    return e / np.maximum(e.sum(-1, keepdims=True), np.finfo(float).tiny)
