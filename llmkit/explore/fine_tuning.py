"""Choose examples, frozen layers, rate and epochs; fine-tune; see what came of it.

Home notebook: 10_fine_tuning_bert.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from llmkit.runtime import has_bf16
from llmkit.trace import capture
from llmkit.training import Step
from llmkit.viz.fine_tuning import FineTuningPanel

_LONGEST = 24  # tokens of the sentence
_PAUSE = 0.2  # seconds between two pictures of the loss


def fine_tuning(
    study,
    settings,
    *,
    recorded: Iterable = (),
    sentence: str | None = None,
) -> FineTuningPanel:
    """Show a panel that fine-tunes a fresh model as often as one likes.

    The run goes on in the background. A cell can begin one too and wait for it::

        panel = explore.fine_tuning(study, FineTuning())
        panel
        ---
        panel.begin().wait()

    Args:
        study: a `tasks.Study`; its held-out texts are what accuracy is measured on.
        settings: a `tasks.FineTuning`; what the panel does not choose.
        recorded: earlier points to compare with, such as `tasks.curve_points` gives.
        sentence: the text whose attention is shown before and after; None: the first
            held-out text.

    Returns:
        The view; `panel.begin()` starts a run with the present choices and returns
        it.
    """
    points = [
        {
            "start": point.start,
            "size": point.size,
            "accuracy": point.accuracy.value,
            "low": point.accuracy.low,
            "high": point.accuracy.high,
        }
        for point in recorded
    ]
    panel = FineTuningPanel(
        study.names,
        list(study.starts),
        len(study.train),
        study.n_layers,
        act=lambda wish: runner.act(wish),
        recorded=points,
        lr=settings.lr,
        epochs=settings.epochs,
    )
    runner = _Runner(study, panel, settings, sentence or study.texts[0])
    panel.begin = runner.begin
    runner.look("before")
    return panel


class _Runner:
    """Ties a panel to its study; most methods run in the training thread."""

    def __init__(self, study, panel: FineTuningPanel, settings, sentence: str):
        self.study, self.panel, self.sentence = study, panel, sentence
        self.settings, self.run, self.rows, self.shown = settings, None, [], 0.0

    def act(self, wish: str) -> None:
        """Do what a button asks for; a wish that came too late is none."""
        going = self.run is not None and self.run.going
        if wish == "start" and not going and self.panel.status != "measuring":
            self.begin()
        elif wish == "stop" and going:
            self.run.stop(wait=False)

    def begin(self):
        """Start a run with the panel's present choices.

        Returns:
            The `Run`; `wait()` returns after its mistakes were counted.

        Raises:
            RuntimeError: one is going.
        """
        panel = self.panel
        with panel.lock:
            if self.run is not None and self.run.going:
                raise RuntimeError("a run is going; stop it, or wait for its end")
            changed = {"lr": panel.lr, "epochs": panel.epochs, "bf16": has_bf16()}
            settings = type(self.settings)(**{**vars(self.settings), **changed})
            self.choice = {
                "start": panel.start,
                "size": panel.examples,
                "layers": panel.layers,
            }
            self.run = self.study.begin(*self.choice.values(), settings)
            self.measured = False
            self.rows, panel.note, panel.steps = [], "", self.run.steps
            panel.show_curve([])
            panel.after = b""
            self.look("before")
            self.run.listen(self.on_step)
            self.run.on_change(self.on_change)
            return self.run.start()

    def on_step(self, step: Step) -> None:
        """Note a loss, and show it now and then."""
        self.rows.append((step.step + 1, step.loss))
        if time.monotonic() - self.shown > _PAUSE:
            self.shown = time.monotonic()
            self.panel.show_curve(self.rows)

    def on_change(self) -> None:
        """Follow the run; at its end, measure."""
        status = self.run.status
        ended = status in ("done", "stopped")
        if ended and not self.measured:
            self.measured = True  # others may ask again meanwhile
            self.panel.status = "measuring"
            self.finish()
        elif ended and self.panel.status == "measuring":
            return
        if status == "failed":
            self.panel.note = f"The run ended: {self.run.error}"
        self.panel.status = status

    def finish(self) -> None:
        """Count the mistakes and look at the heads again."""
        found = self.study.measure()
        self.panel.show_curve(self.rows)
        self.panel.show_mistakes(found.confusion, found.wrong)
        self.look("after")
        score = found.accuracy
        self.panel.add_result(
            **self.choice,
            lr=self.panel.lr,
            epochs=self.panel.epochs,
            accuracy=score.value,
            low=score.low,
            high=score.high,
        )

    def look(self, which: str) -> None:
        """Record where the heads look."""
        encoder = self.study.model.encoder
        trace = capture(encoder, self.study.tokenizer, self.sentence)
        weights = trace.attentions[:, :, :_LONGEST, :_LONGEST]
        weights = weights / weights.sum(-1, keepdim=True)
        self.panel.show_attention(which, weights, trace.tokens[:_LONGEST])
