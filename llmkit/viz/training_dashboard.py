"""The training dashboard: a run while it goes, and its controls.

The view knows no model. It is told each step, each validation, each sample; points
travel to the browser a few times a second, and only those that are new. What the
buttons ask for is handed to `act`. `explore.training` ties it to a run. Home notebook:
07_pretraining_gpt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import traitlets

from llmkit.checks import check_count
from llmkit.viz import codec
from llmkit.viz.dashboard_figure import dashboard_figure, dashboard_table
from llmkit.viz.labels import visible_all
from llmkit.viz.view import View

COLUMNS = ("step", "loss", "learning rate", "gradient")
_PAUSE = 0.15  # seconds between two messages: 6 to 7 a second
_MOST = 4000  # points that are drawn; beyond, every second, fourth, … step
_SAMPLES = 20


class TrainingDashboard(View):
    """Loss, learning rate, gradient, samples, attention, notes, and buttons.

    `selection` is {"layer", "head"} of the head that is shown large, and {"step",
    "loss"} of the point that was read last.

    Args:
        steps: how long the run is.
        lines: what the loss is compared with, such as `{"floor": 1.2, "bigram": 3.1}`;
            a name that contains "floor" is drawn as what nothing can pass.
        act: called with "start", "pause", "resume" or "stop" when a button asks for
            it; None shows no buttons.
        watched: whether somebody writes `notes`.
        **traits: a state to begin with.
    """

    source = "training_dashboard"
    sweep: ClassVar[dict[str, list]] = {
        "rate": [0.5, 4.0, 1.0],
        "selection": [{"layer": 0, "head": 1}, {"step": 1, "loss": 2.0}],
        "@messages": [{"do": "points"}, {"do": "pause"}, {"do": "resume"}],
    }

    title = traitlets.Unicode("A run, while it goes").tag(sync=True)
    steps = traitlets.Int(1).tag(sync=True)
    lines = traitlets.List().tag(sync=True)  # [name, loss]
    controls = traitlets.Bool(False).tag(sync=True)
    status = traitlets.Unicode("ready").tag(sync=True)
    waiting = traitlets.Bool(False).tag(sync=True)  # a cell waits for the run
    rate = traitlets.Float(1.0).tag(sync=True)
    progress = traitlets.Dict().tag(sync=True)  # step, left, seconds
    # float32, (n, 5): step, loss, lr, gradient, seconds; what a page begins with
    curve = traitlets.Bytes().tag(sync=True)
    validation = traitlets.List().tag(sync=True)  # [step, loss]
    samples = traitlets.List().tag(sync=True)  # [step, text]
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    sizes = traitlets.List([0, 0, 0]).tag(sync=True)  # L, H, T
    causal = traitlets.Bool(False).tag(sync=True)
    attention = traitlets.Bytes().tag(sync=True)  # codec.pack_weights
    attention_step = traitlets.Int(0).tag(sync=True)
    watched = traitlets.Bool(False).tag(sync=True)
    notes = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        steps: int,
        lines: dict[str, float] | None = None,
        act: Callable[[str], None] | None = None,
        watched: bool = False,
        **traits,
    ):
        check_count("steps", steps)
        self._act, self._rows, self._stride = act, [], 1
        self._sent, self._when, self._handles = 0, 0.0, []
        self._points_lock = threading.Lock()
        super().__init__(
            steps=steps,
            lines=[[name, float(loss)] for name, loss in (lines or {}).items()],
            controls=act is not None,
            watched=watched,
            **traits,
        )
        self.on_msg(self._hear)

    @traitlets.validate("rate")
    def _positive_rate(self, proposal):
        if not proposal["value"] > 0:
            raise traitlets.TraitError(f"rate must be above 0; got {proposal['value']}")
        return proposal["value"]

    # --- what it is told -------------------------------------------------------
    def add(
        self, step: int, loss: float, lr: float, gradient: float, seconds: float
    ) -> None:
        """Take one step; it is sent with the next few.

        Args:
            step: how many steps were taken.
            loss: of its batch.
            lr: the learning rate.
            gradient: the length of the gradient.
            seconds: since the run began.
        """
        if not self._drawn(step):
            return
        with self._points_lock:
            self._rows.append((step, loss, lr, gradient, seconds))
            if len(self._rows) > _MOST:
                self._stride *= 2
                self._rows = [r for r in self._rows if self._drawn(r[0])]
                self._sent = 0

    def _drawn(self, step: int) -> bool:
        return step % self._stride == 0 or step == 1

    def send_points(self, left: float | None = None, now: bool = False) -> bool:
        """Send what is new, at most a few times a second.

        Args:
            left: how many seconds the run still takes, if that is known.
            now: do not wait for the next turn.

        Returns:
            Whether something was sent.
        """
        if not now and time.monotonic() - self._when < _PAUSE:
            return False
        self._when = time.monotonic()
        self._send_from(left, anew=self._sent == 0)
        return True

    def _send_from(self, left: float | None, anew: bool) -> None:
        with self._points_lock:
            first = 0 if anew else self._sent
            data, self._sent = self._bytes(first), len(self._rows)
            step, *_, seconds = self._rows[-1] if self._rows else (0, 0.0)
        head = {"points": first, "anew": anew, "step": step, "left": left}
        self.send({**head, "seconds": seconds}, buffers=[data])

    def keep_points(self, left: float | None = None) -> None:
        """Keep all points in the state, so that a page that is opened later has them.

        Args:
            left: how many seconds the run still takes.
        """
        with self._points_lock:
            data = self._bytes(0)
            step, *_, seconds = self._rows[-1] if self._rows else (0, 0.0)
        self.curve = data
        self.progress = {"step": step, "left": left, "seconds": seconds}

    def show_attention(self, step: int, weights, tokens: Sequence[str], causal: bool):
        """Show where the heads look.

        Args:
            step: after how many steps.
            weights: numbers from 0 to 1, (L, H, T, T).
            tokens: T labels.
            causal: whether no token looks at a later one.
        """
        weights = np.asarray(weights)
        self.tokens = visible_all(tokens, 24)
        self.sizes = list(weights.shape[:3])
        self.causal, self.attention_step = causal, step
        self.attention = codec.pack_weights(weights, causal)

    def add_sample(self, step: int, text: str) -> None:
        """Show what the model writes.

        Args:
            step: after how many steps.
            text: any text.
        """
        # a lone surrogate cannot travel
        text = text.encode("utf-8", "replace").decode("utf-8")
        self.samples = [*self.samples, [step, text]][-_SAMPLES:]

    def points(self) -> np.ndarray:
        """Return what is drawn, (n, 5): step, loss, rate, gradient, seconds."""
        with self._points_lock:
            return np.array(self._rows, np.float64).reshape(-1, 5)

    # --- what the browser asks -----------------------------------------------
    def _hear(self, _, content, buffers) -> None:
        wish = content.get("do")
        if wish == "points":
            self._send_from(self.progress.get("left"), anew=True)
        elif self._act is not None and wish in ("start", "pause", "resume", "stop"):
            self._act(wish)

    def _bytes(self, first: int) -> bytes:
        return np.array(self._rows[first:], "<f4").tobytes()

    # --- display: the stored picture is renewed at the end ---------------------
    def _ipython_display_(self) -> None:
        from IPython.display import display

        data, metadata = self._repr_mimebundle_()
        handle = display(data, metadata=metadata, raw=True, display_id=True)
        if handle is not None:
            self._handles.append(handle)

    def renew_display(self) -> None:
        """Store the present picture and table wherever the view is displayed."""
        if self._handles:
            data, metadata = self._repr_mimebundle_()
            for handle in self._handles:
                handle.update(data, metadata=metadata, raw=True)

    # --- outputs ---------------------------------------------------------------
    def summary(self) -> str:
        """Return how far the run is."""
        rows = self.points()
        if not len(rows):
            return f"{self.steps} steps, not started"
        return f"step {rows[-1][0]:.0f} of {self.steps}, loss {rows[-1][1]:.2f}"

    @property
    def alt(self) -> str:
        """One sentence: from which loss to which, and what it is compared with."""
        rows = self.points()
        if not len(rows):
            return f"A run of {self.steps} steps that has not begun."
        text = (
            f"Training after {rows[-1][0]:.0f} of {self.steps} steps: the loss went "
            f"from {rows[0][1]:.2f} to {rows[-1][1]:.2f} nats per token"
        )
        if self.validation:
            text += f", {self.validation[-1][1]:.2f} on validation texts"
        others = ", ".join(f"{name} {loss:.2f}" for name, loss in self.lines)
        return text + (f"; beside it: {others}." if others else ".")

    def figure(self):
        """Return the curves, and the heads if there are any."""
        weights = None
        if self.attention:
            n_layers, n_heads, t = self.sizes
            weights = codec.unpack_weights(
                self.attention, (n_layers, n_heads, t, t), self.causal
            )
        return dashboard_figure(
            self.points(), self.steps, self.lines, self.validation, weights
        )

    def table(self):
        """Return the numbers at about a dozen steps."""
        return dashboard_table(self.points(), self.validation)
