"""One layer and one head of a model, step by step, every number with its sum.

Home notebook: 03_attention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import traitlets

from llmkit.viz import codec
from llmkit.viz.figure import short_labels
from llmkit.viz.view import View

# what a page without a kernel may weigh before it leaves weight matrices out
PAGE_BYTES = 380_000
_SCALE = 10_000  # a page keeps numbers to 1/20,000


class QKVStepper(View):
    """Plays a forward pass: step by step, cell by cell.

    Args:
        tokens: T labels.
        steps: dicts with `key title note inputs output how code where`, where
            `inputs` and `output` name tensors and `how` names the arithmetic.
        tensors: matrices by name, (T, N) each; `NAME.weight` and `NAME.bias` are the
            weights behind a step `linear:NAME`.
        labels: column labels of the tensor `logits`.
        layer: which layer is shown.
        head: which head.
        n_layers: how many layers there are to choose from.
        n_heads: how many heads.
        text: the sentence.
        on_change: called with `(text, layer, head)` when the reader changes one; it
            returns the keyword arguments of `load`. None: nothing can be changed.

    Raises:
        ValueError: a step names a tensor that is not there.
    """

    source = "qkv_stepper"
    sweep: ClassVar[dict[str, list]] = {
        "step": [0, 8, 12],
        "layer": [0],
        "head": [1, 0],
        "text": ["a", "", "é 🙂"],
    }

    tokens = traitlets.List().tag(sync=True)
    steps = traitlets.List().tag(sync=True)
    index = traitlets.List().tag(sync=True)
    labels = traitlets.List().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)
    scale = traitlets.Int(_SCALE).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    n_layers = traitlets.Int(1).tag(sync=True)
    n_heads = traitlets.Int(1).tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        tokens: Sequence[str],
        steps: Sequence[Mapping],
        tensors: Mapping[str, np.ndarray],
        labels: Sequence[str] = (),
        layer: int = 0,
        head: int = 0,
        n_layers: int = 1,
        n_heads: int = 1,
        text: str = "",
        on_change: Callable[[str, int, int], dict] | None = None,
    ):
        super().__init__(
            layer=layer,
            head=head,
            n_layers=n_layers,
            n_heads=n_heads,
            text=text,
            live=on_change is not None,
        )
        self._on_change = on_change
        self.load(tokens, steps, tensors, labels)
        if on_change is not None:
            self.observe(self._changed, names=["text", "layer", "head"])
        self.on_msg(self._asked)

    def load(self, tokens, steps, tensors, labels=()) -> None:
        """Show another walk; the arguments are those of the class."""
        arrays = {name: _matrix(value) for name, value in tensors.items()}
        for step in steps:
            for name in (*step["inputs"], step["output"]):
                if name not in arrays:
                    raise ValueError(
                        f"step {step['key']!r} needs the tensor {name!r}; got "
                        + ", ".join(sorted(arrays))
                    )
        self.arrays = arrays
        index, data = _join(arrays, self._shown(arrays))
        with self.hold_sync():
            self.tokens, self.labels = list(tokens), list(labels)
            self.steps = [dict(step, inputs=list(step["inputs"])) for step in steps]
            self.index = index
            self.step = min(self.step, len(self.steps) - 1)
            self.data = data.astype("<f4").tobytes()

    def tensor(self, name: str | None = None) -> np.ndarray:
        """Return a tensor of the walk.

        Args:
            name: None takes the output of the step that is shown.

        Returns:
            The matrix, exact float32.

        Raises:
            KeyError: there is none of that name.
        """
        name = self.steps[self.step]["output"] if name is None else name
        if name not in self.arrays:
            raise KeyError(f"no tensor {name!r}; there are: {', '.join(self.arrays)}")
        return self.arrays[name]

    # --- the outputs of every view -----------------------------------------------
    def summary(self) -> str:
        """Return layer, head and step in words."""
        title = self.steps[self.step]["title"]
        return (
            f"layer {self.layer}, head {self.head}, {len(self.tokens)} tokens, "
            f"step {self.step + 1} of {len(self.steps)}: {title}"
        )

    @property
    def alt(self) -> str:
        """One sentence on the step that is shown."""
        step = self.steps[self.step]
        return f"Step {self.step + 1}, {step['title']}: {step['note']}"

    def table(self):
        """Return the output of the present step, a row for each token."""
        import pandas as pd

        step = self.steps[self.step]
        values = self.tensor()
        names = [f"feature {j}" for j in range(values.shape[1])]
        if step["output"] in ("raw", "scores", "masked", "weights"):
            names = self.tokens
        elif step["output"] == "logits":
            names = self.labels
        shown = slice(0, 16)
        return pd.DataFrame(
            values[:, shown].round(4), index=self.tokens, columns=names[shown]
        )

    def figure(self):
        """Return the inputs and the output of the present step as heat maps."""
        from matplotlib.figure import Figure

        step = self.steps[self.step]
        names = [*step["inputs"], step["output"]]
        figure = Figure(figsize=(3.2 * len(names), 3.2), layout="constrained")
        figure.suptitle(f"{self.step + 1}. {step['title']}")
        for place, name in enumerate(names):
            axes = figure.add_subplot(1, len(names), place + 1)
            values = np.where(np.isfinite(self.arrays[name]), self.arrays[name], np.nan)
            most = np.nanmax(np.abs(values)) or 1
            weights = name == "weights"
            axes.imshow(
                values,
                cmap="Blues" if weights else "PuOr",
                vmin=0 if weights else -most,
                vmax=1 if weights else most,
                aspect="auto",
                interpolation="nearest",
            )
            axes.set_title(name, fontsize=10)
            labels = short_labels(self.tokens) if place == 0 else []
            axes.set_yticks(range(len(self.tokens)), labels)
            axes.set_xticks([])
        return figure

    def static_state(self) -> dict:
        """Return the state of a page: numbers to 1/20,000, small weights only."""
        state = super().static_state()
        for kept in (self._shown(self.arrays), _plain(self.arrays)):
            index, data = _join(self.arrays, kept)
            state["index"] = index
            state["data"] = codec.pack_numbers(data, _SCALE)
            if len(codec.to_text(state["data"])) < PAGE_BYTES:
                break
        return state

    # --- what the reader changes -------------------------------------------------
    def _shown(self, arrays: dict) -> list[str]:
        """Name what travels: all but the large weight matrices."""
        small = [
            name
            for name, value in arrays.items()
            if not name.endswith(".weight") or value.shape[0] <= 128
        ]
        return small

    def _changed(self, change) -> None:
        with self.lock:
            self.layer = min(max(self.layer, 0), self.n_layers - 1)
            self.head = min(max(self.head, 0), self.n_heads - 1)
            try:
                self.load(**self._on_change(self.text, self.layer, self.head))
            # RuntimeError: among others, no memory left on the device
            except (ValueError, RuntimeError) as error:
                self.send({"error": str(error)})

    def _asked(self, _widget, content, _buffers) -> None:
        """Answer with one row of a weight matrix that was too large to send."""
        name, row = content.get("weight"), content.get("row")
        weights = self.arrays.get(name)
        if weights is not None and isinstance(row, int) and 0 <= row < len(weights):
            values = weights[row].tolist()
            self.send({"weight": name, "row": row, "values": values})


def _matrix(value) -> np.ndarray:
    array = np.asarray(value, dtype=np.float32)
    return np.atleast_2d(array)


def _plain(arrays: dict) -> list[str]:
    """Name everything but weight matrices; norms keep theirs."""
    return [n for n, a in arrays.items() if not n.endswith(".weight") or len(a) == 1]


def _join(arrays: dict, names: list[str]) -> tuple[list[dict], np.ndarray]:
    """Lay matrices behind each other, with an index of where each begins."""
    index, start = [], 0
    for name in names:
        rows, cols = arrays[name].shape
        index.append({"name": name, "rows": rows, "cols": cols, "start": start})
        start += rows * cols
    joined = [arrays[name].reshape(-1) for name in names]
    return index, np.concatenate(joined) if joined else np.zeros(0, np.float32)
