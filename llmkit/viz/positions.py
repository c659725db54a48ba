"""The position explorer: what a model adds, turns or subtracts to know the order.

The browser computes sinusoidal, rotary and ALiBi positions itself, so every slider
answers at once and in a page without a kernel too; a learned table comes from Python.
Home notebook: 02_embeddings_and_positions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import traitlets

from llmkit.checks import check_choice, check_shape
from llmkit.viz.figure import new_figure
from llmkit.viz.palette import PALETTE, ramp
from llmkit.viz.view import View

KINDS = {
    "sinusoidal": "sinusoidal: clocks that are added",
    "learned": "learned: a table that is added",
    "rotary": "rotary: queries and keys are turned",
    "alibi": "ALiBi: far keys lose points",
}
LENGTH = 64  # positions shown
_DISTANCES = (0, 1, 2, 4, 8, 16, 32)


class Positions(View):
    """A heat map of positions and the similarity of one position to all others.

    `selection` is {"position", "column", "value"} of the cell that was chosen.

    Args:
        compute: returns what is drawn for `(kind, width, base, heads, head)`, as an
            array: (T, D) for vectors, (T, S) for the bias of one ALiBi head.
        learned: a table of learned positions, (T, D); None hides that kind.
        kind: "sinusoidal", "learned", "rotary" or "alibi".
        width: D of the sinusoidal and rotary vectors, even.
        base: of the clocks.
        position: the one whose similarities are drawn, 0 to 63.
        heads: H, for ALiBi.
        head: which of them, from 0.
    """

    source = "positions"
    sweep: ClassVar[dict[str, list]] = {
        "kind": list(KINDS),
        "width": [2, 32, 64],
        "base": [10.0, 10000.0, 1e6],
        "position": [0, LENGTH // 2, LENGTH - 1],
        "heads": [1, 8, 16],
        "head": [0, 7],
    }

    kind = traitlets.Unicode("sinusoidal").tag(sync=True)
    kinds = traitlets.List().tag(sync=True)
    width = traitlets.Int(32).tag(sync=True)
    base = traitlets.Float(10000.0).tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)
    heads = traitlets.Int(8).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    length = traitlets.Int(LENGTH).tag(sync=True)
    learned = traitlets.Bytes().tag(sync=True)  # int16, (T, D), of the largest number
    learned_size = traitlets.List([0, 0, 1.0]).tag(sync=True)  # T, D, largest number

    def __init__(
        self,
        compute: Callable[..., np.ndarray],
        learned: np.ndarray | None = None,
        kind: str = "sinusoidal",
        width: int = 32,
        base: float = 10000.0,
        position: int = 0,
        heads: int = 8,
        head: int = 0,
    ):
        self._compute = compute
        kinds = [k for k in KINDS if k != "learned" or learned is not None]
        check_choice("kind", kind, kinds)
        packed, size = b"", [0, 0, 1.0]
        if learned is not None:
            learned = np.asarray(learned, np.float32)[:LENGTH]
            check_shape("learned", learned, "T D")
            most = float(np.abs(learned).max()) or 1.0
            packed = np.rint(learned / most * 32767).astype("<i2").tobytes()
            size = [*learned.shape, most]
        super().__init__(
            kinds=[[k, KINDS[k]] for k in kinds],
            kind=kind,
            width=width,
            base=base,
            position=position,
            heads=heads,
            head=min(head, heads - 1),
            learned=packed,
            learned_size=size,
        )

    @traitlets.validate("kind")
    def _known_kind(self, proposal):
        known = [k for k, _ in self.kinds] or list(KINDS)
        if proposal["value"] not in known:
            raise traitlets.TraitError(
                f"kind must be one of {', '.join(known)}; got {proposal['value']!r}"
            )
        return proposal["value"]

    @traitlets.validate("width")
    def _even_width(self, proposal):
        if proposal["value"] < 2 or proposal["value"] % 2 or proposal["value"] > 128:
            raise traitlets.TraitError(
                f"width must be even, 2 to 128; got {proposal['value']}"
            )
        return proposal["value"]

    @traitlets.validate("position")
    def _known_position(self, proposal):
        return int(np.clip(proposal["value"], 0, self.length - 1))

    # --- numbers -----------------------------------------------------------------
    def values(self) -> np.ndarray:
        """Return what the heat map shows: (T, D), or (T, S) for ALiBi."""
        with self.lock:
            head = min(self.head, self.heads - 1)
            found = self._compute(self.kind, self.width, self.base, self.heads, head)
        return np.asarray(found, np.float64)[: self.length]

    def similarity(self) -> np.ndarray:
        """Return how alike the chosen position is to each other one, (T,).

        For vectors that is the cosine. For ALiBi it is the factor by which a key's
        weight shrinks, before the softmax makes the weights add up to 1.
        """
        rows = self.values()
        at = min(self.position, len(rows) - 1)
        if self.kind == "alibi":
            return np.exp(rows[at])
        lengths = np.linalg.norm(rows, axis=-1)
        return rows @ rows[at] / np.maximum(lengths * lengths[at], 1e-12)

    # --- outputs -----------------------------------------------------------------
    def summary(self) -> str:
        """Return the kind and its settings."""
        about = {
            "alibi": f"head {self.head + 1} of {self.heads}",
            "learned": "{} x {}".format(*self.learned_size[:2]),
        }
        return f"{self.kind}, " + about.get(
            self.kind, f"width {self.width}, base {self.base:g}"
        )

    @property
    def alt(self) -> str:
        """One sentence: the similarity one step and sixteen steps away."""
        found = self.similarity()
        at = min(self.position, len(found) - 1)
        near, far = (_at_distance(found, at, d) for d in (1, 16))
        return (
            f"Positions, {self.summary()}: a heat map, and the "
            f"{'factor' if self.kind == 'alibi' else 'similarity'} of position {at} "
            f"to the others, {near:.2f} one step away and {far:.2f} sixteen steps away."
        )

    def table(self):
        """Return the similarity of the chosen position at a few distances."""
        import pandas as pd

        found = self.similarity()
        at = min(self.position, len(found) - 1)
        name = "factor" if self.kind == "alibi" else "similarity"
        steps = [d for d in _DISTANCES if _at_distance(found, at, d) is not None]
        values = [round(float(_at_distance(found, at, d)), 4) for d in steps]
        return pd.DataFrame({name: values}, index=pd.Index(steps, name="distance"))

    def figure(self):
        """Return the heat map beside the curve of similarities."""
        rows, found = self.values(), self.similarity()
        at = min(self.position, len(rows) - 1)
        figure, (left, right) = new_figure(8, 3.2, 1, 2, width_ratios=[1.25, 1])
        # a few outliers of a learned table would leave all else pale
        most = np.quantile(np.abs(rows), 0.99 if self.kind == "learned" else 1) or 1
        left.imshow(
            rows,
            cmap=ramp(signed=True),
            vmin=-most,
            vmax=most,
            aspect="auto",
            interpolation="nearest",
        )
        left.axhline(at, color="black", lw=0.8)
        keys = self.kind == "alibi"
        left.set(
            xlabel="key position" if keys else "feature",
            ylabel="query position" if keys else "position",
            title=self.summary(),
        )
        right.axhline(0, color="#999", lw=0.8)
        right.plot(found, color=PALETTE[0], marker=".", ms=3)
        right.axvline(at, color="black", lw=0.8)
        right.set(
            xlabel="key position" if keys else "other position",
            ylim=(min(-0.05, found.min() - 0.05), 1.05),
            title=f"{'factor' if keys else 'cosine'} with position {at}",
        )
        return figure


def _at_distance(found: np.ndarray, at: int, distance: int):
    """Return the value that many steps to the right, or to the left at the end."""
    for place in (at + distance, at - distance):
        if 0 <= place < len(found):
            return found[place]
    return None
