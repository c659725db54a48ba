"""The fine-tuning panel: choices, a run, and what came of it.

The view knows no model. Choices are traits; "start" and "stop" are handed to `act`.
`explore.fine_tuning` ties it to a `tasks.Study`. Home notebook: 10_fine_tuning_bert.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import traitlets

from llmkit.viz import codec
from llmkit.viz.fine_tuning_figure import fine_tuning_figure
from llmkit.viz.labels import visible_all
from llmkit.viz.view import View

SIZES = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
_WRONG = 12  # texts that are listed


class FineTuningPanel(View):
    """Choices on top; below the loss, the learning curve, mistakes and attention.

    `selection` is {"layer", "head"} of the head that is shown before and after.

    Args:
        names: of the classes.
        starts: of the ways to begin.
        n_examples: how many there are to learn from.
        n_layers: how many layers can be frozen.
        act: called with "start" or "stop" when a button asks for it; None shows no
            buttons.
        recorded: points of earlier runs: dictionaries with `start`, `size`,
            `accuracy`, `low` and `high`.
        **traits: a state to begin with.
    """

    source = "fine_tuning"
    sweep: ClassVar[dict[str, list]] = {
        "examples": [10, 50],
        "layers": [1, 0],
        "lr": [1e-3, 1e-4],
        "epochs": [1, 3],
        "selection": [{"layer": 0, "head": 1}],
        "@messages": [{"do": "stop"}],
    }

    title = traitlets.Unicode("Fine-tune it yourself").tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    starts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    sizes = traitlets.List(traitlets.Int()).tag(sync=True)
    n_layers = traitlets.Int(1).tag(sync=True)
    start = traitlets.Unicode().tag(sync=True)
    examples = traitlets.Int(50).tag(sync=True)
    layers = traitlets.Int(0).tag(sync=True)
    lr = traitlets.Float(1e-4).tag(sync=True)
    epochs = traitlets.Int(3).tag(sync=True)

    controls = traitlets.Bool(False).tag(sync=True)
    status = traitlets.Unicode("ready").tag(sync=True)
    steps = traitlets.Int(0).tag(sync=True)
    curve = traitlets.Bytes().tag(sync=True)  # float32, (n, 2): step, loss
    recorded = traitlets.List().tag(sync=True)
    results = traitlets.List().tag(sync=True)  # dictionaries, the newest last
    confusion = traitlets.List().tag(sync=True)  # rows: true class
    wrong = traitlets.List().tag(sync=True)  # [text, true, said, how sure]
    n_wrong = traitlets.Int(0).tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shape = traitlets.List([0, 0, 0]).tag(sync=True)  # L, H, T
    before = traitlets.Bytes().tag(sync=True)  # codec.pack_weights
    after = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        names: Sequence[str],
        starts: Sequence[str],
        n_examples: int,
        n_layers: int,
        act: Callable[[str], None] | None = None,
        recorded: Sequence[dict] = (),
        **traits,
    ):
        self._act = act
        sizes = [size for size in SIZES if size < n_examples] + [n_examples]
        traits.setdefault("examples", min(sizes, key=lambda size: abs(size - 50)))
        traits.setdefault("start", starts[0])
        super().__init__(
            names=list(names),
            starts=list(starts),
            sizes=sizes,
            n_layers=n_layers,
            controls=act is not None,
            recorded=[dict(point) for point in recorded],
            **traits,
        )
        self.on_msg(self._hear)

    @traitlets.validate("examples", "layers", "lr", "epochs", "start")
    def _possible(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        fits = {
            "examples": lambda: 2 <= value <= max(self.sizes or [value]),
            "layers": lambda: 0 <= value <= self.n_layers,
            "lr": lambda: value > 0,
            "epochs": lambda: value >= 1,
            "start": lambda: value in self.starts,
        }
        if not fits[name]():
            raise traitlets.TraitError(f"{name} cannot be {value!r} here")
        return value

    # --- what it is told -------------------------------------------------------
    def show_curve(self, rows: Sequence[tuple[int, float]]) -> None:
        """Show the loss of the steps so far.

        Args:
            rows: step and loss.
        """
        self.curve = np.array(rows, "<f4").reshape(-1, 2).tobytes()

    def show_attention(self, which: str, weights, tokens: Sequence[str]) -> None:
        """Show where the heads look.

        Args:
            which: "before" or "after" the run.
            weights: numbers from 0 to 1, (L, H, T, T).
            tokens: T labels.
        """
        weights = np.asarray(weights)
        self.tokens = visible_all(tokens, 24)
        self.shape = list(weights.shape[:3])
        setattr(self, which, codec.pack_weights(weights, False))

    def show_mistakes(self, confusion, wrong: Sequence[tuple]) -> None:
        """Show what was taken for what, and the surest mistakes.

        Args:
            confusion: counts, row: true class, column: said class.
            wrong: text, true class, said class and how sure, the surest first.
        """
        self.confusion = [[int(n) for n in row] for row in confusion]
        self.n_wrong = len(wrong)
        self.wrong = [
            [text, self.names[true], self.names[said], round(float(sure), 3)]
            for text, true, said, sure in wrong[:_WRONG]
        ]

    def add_result(self, **point) -> None:
        """Add a run to the learning curve.

        Args:
            **point: `start`, `size`, `layers`, `accuracy`, `low`, `high`.
        """
        self.results = [*self.results, point]

    def _hear(self, _, content, buffers) -> None:
        if self._act is not None and content.get("do") in ("start", "stop"):
            self._act(content["do"])

    # --- outputs ---------------------------------------------------------------
    def summary(self) -> str:
        """Return what the last run reached."""
        if not self.results:
            return "no run yet"
        last = self.results[-1]
        return (
            f"{last['start']}, {last['size']} examples: {last['accuracy']:.3f} "
            f"[{last['low']:.3f}, {last['high']:.3f}]"
        )

    @property
    def alt(self) -> str:
        """One sentence: the last run, and what was recorded before."""
        known = ", ".join(
            f"{p['start']} with {p['size']}: {p['accuracy']:.2f}" for p in self.recorded
        )
        text = f"A panel for fine-tuning; {self.summary()}"
        return text + (f"; recorded: {known}." if known else ".")

    def losses(self) -> np.ndarray:
        """Return step and loss of the present run, (n, 2)."""
        return np.frombuffer(self.curve, "<f4").reshape(-1, 2)

    def weights(self, which: str) -> np.ndarray | None:
        """Return the attention "before" or "after", (L, H, T, T), if there is any."""
        packed = getattr(self, which)
        if not packed:
            return None
        n_layers, n_heads, t = self.shape
        return codec.unpack_weights(packed, (n_layers, n_heads, t, t), False)

    def figure(self):
        """Return the loss, the learning curve and the confusion matrix."""
        return fine_tuning_figure(
            self.losses(), self.recorded, self.results, self.confusion, self.names
        )

    def table(self):
        """Return every run with its accuracy and interval."""
        import pandas as pd

        rows = [(p, "recorded") for p in self.recorded] + [
            (p, "here") for p in self.results
        ]
        return pd.DataFrame(
            {
                "start": [p["start"] for p, _ in rows],
                "examples": [p["size"] for p, _ in rows],
                "accuracy": [f"{p['accuracy']:.3f}" for p, _ in rows],
                "interval": [f"{p['low']:.3f} to {p['high']:.3f}" for p, _ in rows],
                "made": [where for _, where in rows],
            }
        )
