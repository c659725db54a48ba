"""The block stack: take parts out of a Transformer and watch signal and gradient.

Three curves over the layers, each beside what it is with all parts in place. The
numbers come from Python (`explore.block`); a page without a kernel gets them for every
choice of parts. Home notebook: 05_transformer_block.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, ClassVar

import traitlets

from llmkit.viz.figure import new_figure
from llmkit.viz.palette import PALETTE
from llmkit.viz.view import View

# what the reader can change; the first five are precomputed for a page
CHOICES = ("residual", "attention", "mlp", "norm", "scaled", "gain", "layers")
NORMS = {"before": "before each part", "after": "after each part", "none": "none"}
CURVES = {
    "stream": "Size of the stream",
    "gradient": "Gradient of each layer",
    "likeness": "Likeness of the tokens",
}


class BlockStack(View):
    """Signal and gradient through a stack of blocks, with parts to take out.

    `selection` is {"layer", "stream", "gradient", "likeness"} of the chosen layer.

    Args:
        measure: from the choices, by the names in `CHOICES`, to a dict with the lists
            `stream` (L + 1), `gradient` (L) and `likeness` (L + 1), the number `loss`
            and the text `note`.
        fresh: whether weights and depth can be chosen too.
        usual: choices to compare with; None: those it begins with.
        **traits: choices to begin with, such as `residual=False`.
    """

    source = "block_stack"
    sweep: ClassVar[dict[str, list]] = {
        "residual": [False, True],
        "attention": [False, True],
        "mlp": [False, True],
        "norm": list(NORMS),
        "scaled": [True, False],
        "gain": [0.25, 4.0, 1.0],
        "layers": [1, 24, 12],
        "layer": [0, 12],
    }

    fresh = traitlets.Bool(True).tag(sync=True)
    residual = traitlets.Bool(True).tag(sync=True)
    attention = traitlets.Bool(True).tag(sync=True)
    mlp = traitlets.Bool(True).tag(sync=True)
    norm = traitlets.Enum(list(NORMS), "before").tag(sync=True)
    norms = traitlets.List([[k, v] for k, v in NORMS.items()]).tag(sync=True)
    scaled = traitlets.Bool(False).tag(sync=True)
    gain = traitlets.Float(1.0).tag(sync=True)
    layers = traitlets.Int(12).tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)  # where the cursor stands
    usual = traitlets.Dict().tag(sync=True)
    now = traitlets.Dict().tag(sync=True)
    answers = traitlets.Dict().tag(sync=True)  # filled for a page only

    def __init__(
        self,
        measure: Callable[[dict[str, Any]], dict],
        fresh: bool = True,
        usual: dict[str, Any] | None = None,
        **traits,
    ):
        self._measure = measure
        super().__init__(fresh=fresh, **traits)
        self.usual = measure(self.choices() | (usual or {}))
        self._follow(None)
        self.observe(self._follow, names=CHOICES)

    @traitlets.validate("gain")
    def _positive_gain(self, proposal):
        return min(8.0, max(0.125, proposal["value"]))

    @traitlets.validate("layers")
    def _known_depth(self, proposal):
        return min(24, max(1, proposal["value"])) if self.fresh else proposal["value"]

    def choices(self) -> dict[str, Any]:
        """Return what is chosen now, by the names in `CHOICES`."""
        return {name: getattr(self, name) for name in CHOICES}

    def _follow(self, change) -> None:
        with self.lock, self.hold_sync():
            try:
                self._measure_all(change)
            # RuntimeError: among others, no memory left on the device
            except (ValueError, RuntimeError) as error:
                if change is None:  # there is nothing to show yet
                    raise
                self.now = self.now | {"note": f"Not measured: {error}"}

    def _measure_all(self, change) -> None:
        if change is not None and change["name"] in ("gain", "layers", "scaled"):
            # the dashed curve is the whole stack with these weights and this depth
            whole = dict.fromkeys(("residual", "attention", "mlp"), True)
            self.usual = self._measure(
                self.choices() | whole | {"norm": "before", "scaled": False}
            )
        self.now = self._measure(self.choices())
        self.layer = min(self.layer, len(self.now["stream"]) - 1)

    def static_state(self) -> dict[str, Any]:
        """Return the state of a page, with the answer to every choice of parts."""
        flags = [(True, False)] * 3 + [tuple(NORMS)]
        flags.append((True, False) if self.fresh else (self.scaled,))
        answers = {}
        for values in product(*flags):
            picked = dict(zip(CHOICES, values, strict=False))
            answers[_key(picked)] = _short(self._measure(self.choices() | picked))
        return super().static_state() | {"answers": answers}

    # --- outputs -----------------------------------------------------------------
    def taken_out(self) -> list[str]:
        """Return what is missing or moved, in words."""
        out = [
            f"no {name}"
            for name, there in (
                ("residual", self.residual),
                ("attention", self.attention),
                ("MLP", self.mlp),
            )
            if not there
        ]
        if self.norm != "before":
            out.append("no norm" if self.norm == "none" else "norm after each part")
        return out

    def summary(self) -> str:
        """Return the depth and what was taken out."""
        depth = len(self.now["stream"]) - 1
        return f"{depth} layers, {', '.join(self.taken_out()) or 'nothing taken out'}"

    @property
    def alt(self) -> str:
        """One sentence that says what the picture shows."""
        return f"A stack of {self.summary()}. {self.now['note']}"

    def figure(self):
        """Return the three curves, solid, beside the whole stack's, dashed."""
        figure, axes = new_figure(10.5, 2.9, columns=3)
        for axis, (name, title) in zip(axes, CURVES.items(), strict=True):
            for curve, style in ((self.usual, "--"), (self.now, "-")):
                values = curve[name]
                first = 1 if name == "gradient" else 0
                axis.plot(
                    range(first, first + len(values)),
                    values,
                    style,
                    color=PALETTE[0] if style == "-" else "#50555e",
                    marker="o" if style == "-" else None,
                    markersize=3,
                    label="now" if style == "-" else "all parts in place",
                )
            if name == "likeness":
                axis.set_ylim(min(-0.05, *self.now[name], *self.usual[name]), 1.05)
            else:
                axis.set_yscale("log")
            axis.set_title(title, fontsize=10)
            axis.set_xlabel("after layer" if name != "gradient" else "layer")
        axes[0].legend(fontsize=8)
        return figure

    def table(self):
        """Return the three curves as a pandas DataFrame, one row for each layer."""
        import pandas as pd

        gradient = [None, *self.now["gradient"]]
        return pd.DataFrame(
            {
                CURVES["stream"]: self.now["stream"],
                CURVES["gradient"]: gradient,
                CURVES["likeness"]: self.now["likeness"],
            },
            index=pd.RangeIndex(len(gradient), name="layer"),
        )


def _key(choice: dict[str, Any]) -> str:
    """Name a choice of parts as the browser does."""
    flags = "".join(
        str(int(choice[k])) for k in ("residual", "attention", "mlp", "scaled")
    )
    return flags + choice["norm"]


def _short(answer: dict) -> dict:
    """Round to four digits: a page draws no more."""
    return {
        name: [float(f"{v:.4g}") for v in value] if isinstance(value, list) else value
        for name, value in answer.items()
    }
