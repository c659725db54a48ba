"""Two models on one text: which heads differ, where they look, who knew what.

Home notebook: 17_interpretability.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import traitlets

from llmkit.checks import check_shape
from llmkit.viz import codec
from llmkit.viz.figure import new_figure, short_labels
from llmkit.viz.palette import PALETTE, ramp
from llmkit.viz.view import View


class ModelCompare(View):
    """The heads of a first model, coloured by how far a second one's lie from them.

    `selection` is `{"layer", "head", "partner": [layer, head], "query", "key", "a",
    "b"}`: a head of the first model, its partner, and one cell with both weights.

    Args:
        names: what the two models are called.
        units: U labels of the pieces of text that both agree on.
        attention_a: (La, Ha, U, U), rows sum to 1.
        attention_b: (Lb, Hb, U, U).
        nearest: (La, Ha), the most similar head of b, as layer * Hb + head.
        to_nearest: (La, Ha), bits to that head.
        same_place: (La, Ha), bits to the head at the same place, or None.
        bits_a: (U,), bits that a decoder needs for each unit, nan where it had to say
            nothing; None for an encoder.
        bits_b: the same of the second model.
        text: the sentence.
        on_change: called with the new sentence; returns keyword arguments of `load`.
            None: the sentence cannot be changed.
    """

    source = "model_compare"
    sweep: ClassVar[dict[str, list]] = {
        "pairing": ["nearest", "same place"],
        "layer": [0, 1],
        "head": [0, 1],
        "text": ["two words", "", "é 🙂 </script>"],
    }

    names = traitlets.List().tag(sync=True)
    units = traitlets.List().tag(sync=True)
    shape_a = traitlets.List().tag(sync=True)  # La, Ha
    shape_b = traitlets.List().tag(sync=True)
    weights_a = traitlets.Bytes().tag(sync=True)  # codec.pack_weights
    weights_b = traitlets.Bytes().tag(sync=True)
    nearest = traitlets.List().tag(sync=True)  # La * Ha numbers
    distances = traitlets.Bytes().tag(sync=True)  # float32: to nearest, same place
    bits = traitlets.Bytes().tag(sync=True)  # float32: a, b; empty for encoders
    pairing = traitlets.Unicode("nearest").tag(sync=True)  # or "same place"
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)
    version = traitlets.Int(0).tag(sync=True)

    def __init__(self, *, text: str = "", on_change: Callable | None = None, **data):
        super().__init__(text=text, live=on_change is not None)
        self._on_change = on_change
        self.load(**data)
        far = self.bits_apart
        self.layer, self.head = map(int, np.unravel_index(far.argmax(), far.shape))
        if on_change is not None:
            self.observe(self._changed, names="text")

    def load(
        self,
        names: Sequence[str],
        units: Sequence[str],
        attention_a: np.ndarray,
        attention_b: np.ndarray,
        nearest: np.ndarray,
        to_nearest: np.ndarray,
        same_place: np.ndarray | None = None,
        bits_a: np.ndarray | None = None,
        bits_b: np.ndarray | None = None,
    ) -> None:
        """Show another comparison; the arguments are those of the class."""
        size = len(units)
        a = check_shape("attention_a", attention_a, "L H U U", U=size)
        b = check_shape("attention_b", attention_b, "L H U U", U=size)
        check_shape("nearest", nearest, "L H", L=a["L"], H=a["H"])
        check_shape("to_nearest", to_nearest, "L H", L=a["L"], H=a["H"])
        self.attention = (np.asarray(attention_a), np.asarray(attention_b))
        self.partner = np.asarray(nearest, int)
        self.gaps = {"nearest": np.asarray(to_nearest, np.float32)}
        if same_place is not None:
            check_shape("same_place", same_place, "L H", L=a["L"], H=a["H"])
            self.gaps["same place"] = np.asarray(same_place, np.float32)
        both = bits_a is not None and bits_b is not None
        self.bits_needed = np.stack([bits_a, bits_b]).astype("<f4") if both else None
        with self.hold_sync():
            self.names, self.units = list(names), list(units)
            self.shape_a, self.shape_b = [a["L"], a["H"]], [b["L"], b["H"]]
            self.weights_a = codec.pack_weights(self.attention[0])
            self.weights_b = codec.pack_weights(self.attention[1])
            self.nearest = self.partner.reshape(-1).tolist()
            self.distances = b"".join(
                g.astype("<f4").tobytes() for g in self.gaps.values()
            )
            self.bits = self.bits_needed.tobytes() if both else b""
            self.version += 1

    @property
    def bits_apart(self) -> np.ndarray:
        """Bits between each head and its partner as now paired, (La, Ha)."""
        return self.gaps.get(self.pairing, self.gaps["nearest"])

    def partner_of(self, layer: int, head: int) -> tuple[int, int]:
        """Return the layer and head of the second model that a head is paired with.

        Args:
            layer: of the first model.
            head: of the first model.
        """
        if self.pairing == "same place" and "same place" in self.gaps:
            return layer, head
        return divmod(int(self.partner[layer, head]), self.shape_b[1])

    def summary(self) -> str:
        """Return the two models, the size, and how far they are apart."""
        return (
            f"{self.names[0]} and {self.names[1]}, {len(self.units)} units, "
            f"heads {self.bits_apart.mean():.3f} bits apart"
        )

    @property
    def alt(self) -> str:
        """One sentence: how far apart, and where most."""
        far = self.bits_apart
        layer, head = np.unravel_index(far.argmax(), far.shape)
        said = (
            f"{self.names[0]} beside {self.names[1]}: heads lie {far.mean():.3f} bits "
            f"from their partners on average, most layer {layer} head {head} with "
            f"{far.max():.3f}."
        )
        if self.bits_needed is not None:
            a, b = np.nansum(self.bits_needed, axis=1)
            said += f" The text costs {a:.1f} bits and {b:.1f} bits."
        return said

    def table(self):
        """Return each head with its partner and the bits between them."""
        import pandas as pd

        rows = []
        for layer in range(self.shape_a[0]):
            for head in range(self.shape_a[1]):
                to_layer, to_head = self.partner_of(layer, head)
                gap = float(self.bits_apart[layer, head])
                rows.append((f"{layer}.{head}", f"{to_layer}.{to_head}", round(gap, 4)))
        columns = [*(f"head of {name}" for name in self.names), "bits apart"]
        return pd.DataFrame(rows, columns=columns)

    def figure(self):
        """Return the heads, the chosen one in both models, and the bits per unit."""
        layer, head, size = *self._chosen(), len(self.units)
        to_layer, to_head = self.partner_of(layer, head)
        a, b = self.attention[0][layer, head], self.attention[1][to_layer, to_head]
        wide = min(4.2, 1.6 + 0.22 * size)
        rows = 1 if self.bits_needed is None else 2
        figure, axes = new_figure(
            3 + 3 * wide,
            wide + 1.8 * (rows - 1),
            rows,
            4,
            gridspec_kw={
                "width_ratios": [3, wide, wide, wide],
                "height_ratios": [wide, 1.8][:rows],
            },
            squeeze=False,
        )
        grid = axes[0, 0]
        grid.imshow(self.bits_apart, cmap=ramp(), vmin=0, aspect="auto")
        grid.plot(head, layer, "o", color=PALETTE[5])
        grid.set(title="bits apart", xlabel="head", ylabel="layer")
        most = max(float(np.abs(a - b).max()), 1e-6)
        for place, image, title, limits, signed in (
            (axes[0, 1], a, f"{self.names[0]}, {layer}.{head}", (0, 1), False),
            (axes[0, 2], b, f"{self.names[1]}, {to_layer}.{to_head}", (0, 1), False),
            (axes[0, 3], a - b, "difference", (-most, most), True),
        ):
            image = image if signed else np.sqrt(image)
            place.imshow(image, cmap=ramp(signed), vmin=limits[0], vmax=limits[1])
            place.set_title(title, fontsize=9, parse_math=False)
            shown = short_labels(self.units, 8) if size <= 24 else []
            ticks = range(size) if shown else []
            place.set_xticks(ticks, shown, rotation=90, fontsize=7)
            place.set_yticks(ticks, shown, fontsize=7)
        if self.bits_needed is not None:
            self._draw_bits(figure, axes[1])
        return figure

    def _draw_bits(self, figure, places) -> None:
        for place in places:
            place.remove()
        bars = figure.add_subplot(places[0].get_gridspec()[1, :])
        x = np.arange(len(self.units))
        for name, numbers, shift, hue, hatch in zip(
            self.names, self.bits_needed, (-0.2, 0.2), PALETTE[:2], ("", "//"),
            strict=True,
        ):  # fmt: skip
            bars.bar(x + shift, np.nan_to_num(numbers), 0.4, color=hue, hatch=hatch)
            bars.patches[-1].set_label(name.replace("$", r"\$"))
        bars.set_xticks(x, short_labels(self.units, 10), rotation=40, fontsize=8)
        bars.set_ylabel("bits")
        bars.legend(fontsize=8)

    def _chosen(self) -> tuple[int, int]:
        layers, heads = self.shape_a
        return min(max(self.layer, 0), layers - 1), min(max(self.head, 0), heads - 1)

    def _changed(self, change) -> None:
        with self.lock:
            try:
                self.load(**self._on_change(change["new"]))
            # RuntimeError: among others, no memory left on the device
            except (ValueError, RuntimeError) as error:
                self.send({"error": str(error)})
