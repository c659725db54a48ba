"""Watch a run while it goes, and steer it.

Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmkit.checks import check_count, check_type
from llmkit.explore.samples import first_tokens, writer
from llmkit.tokenizers import as_tokenizer
from llmkit.trace import capture
from llmkit.training import Run, Step
from llmkit.viz.training_dashboard import TrainingDashboard


def training(
    run: Run,
    tokenizer=None,
    *,
    floor: float | None = None,
    baselines: dict[str, float] | None = None,
    validation: Callable[[], float] | None = None,
    prompt: str | None = None,
    sentence: str | None = None,
    sample: Callable[[], str] | None = None,
    notes: Callable[[], Sequence[str]] | None = None,
    every: int | None = None,
    max_new_tokens: int = 24,
) -> TrainingDashboard:
    """Show a run: curves, samples, attention, notes, and buttons to control it.

    Display it before the run begins, start with its button or with `run.start()`, and
    wait in another cell::

        view = explore.training(run, tokenizer, baselines={"bigram": 3.1}, prompt="A ")
        view
        ---
        history = run.wait()

    Args:
        run: a `Run`; it is not started.
        tokenizer: the model's; needed for `prompt` and `sentence`.
        floor: a loss that no model can pass, such as the exact entropy of the data.
        baselines: losses of simpler models, such as those of n-grams.
        validation: returns the loss on texts that are not learned from, as
            `lambda: evaluate(model, batches)` does.
        prompt: the model writes on from here, always the likeliest token.
        sentence: the text whose attention is shown; its first 24 tokens.
        sample: returns a text to show instead of the answer to `prompt`.
        notes: returns sentences about the run, such as a doctor's.
        every: after how many steps validation, sample and attention are taken; None:
            about twenty times.
        max_new_tokens: how much is written.

    Returns:
        The view. `view.validation` and `view.samples` are what was measured.

    Raises:
        ValueError: a prompt or a sentence needs a tokenizer, or a decoder.
    """
    check_type("run", run, Run, "Run(model, batches, optimizer, steps=…) makes one.")
    every = max(1, run.steps // 20) if every is None else every
    check_count("every", every)
    if tokenizer is None and (prompt is not None or sentence is not None):
        raise ValueError(
            "prompt and sentence need the model's tokenizer; got tokenizer=None"
        )
    if prompt is not None and sample is None:
        sample = writer(run.model, as_tokenizer(tokenizer), prompt, max_new_tokens)
    lines = {} if floor is None else {"floor": floor}
    view = TrainingDashboard(
        run.steps,
        lines | (baselines or {}),
        act=lambda wish: _act(run, view, wish),
        watched=notes is not None,
    )
    watcher = _Watcher(run, view, validation, sample, notes, every)
    if sentence is not None:
        tokenizer = as_tokenizer(tokenizer)
        watcher.sentence = (tokenizer, first_tokens(tokenizer, sentence))
        watcher.look(run.step)
    for step in run.history:
        watcher.add(step)
    view.keep_points(run.seconds_left)
    view.status, view.rate = run.status, run.rate
    run.listen(watcher.on_step)
    run.on_change(watcher.on_change)
    view.observe(lambda change: _set_rate(run, change["new"]), "rate")
    return view


class _Watcher:
    """Tells a view what a run does; its methods run in the training thread."""

    def __init__(self, run, view, validation, sample, notes, every):
        self.run, self.view, self.every = run, view, every
        self.validation, self.sample, self.notes = validation, sample, notes
        self.sentence = None

    def add(self, step: Step) -> None:
        self.view.add(step.step + 1, step.loss, step.lr, step.grad_norm, step.seconds)

    def on_step(self, step: Step) -> None:
        self.add(step)
        done = step.step + 1
        if done % self.every == 0 or done == self.run.steps:
            self.measure(done)
        if self.view.send_points(self.run.seconds_left):
            self.take_notes()

    def measure(self, step: int) -> None:
        if self.validation is not None:
            found = [step, float(self.validation())]
            self.view.validation = [*self.view.validation, found]
        if self.sample is not None:
            self.view.add_sample(step, self.sample())
        if self.sentence is not None:
            self.look(step)
        # a page that was opened late, while a cell keeps the kernel busy, asks for the
        # first points in vain
        self.view.keep_points(self.run.seconds_left)

    def look(self, step: int) -> None:
        trace = capture(self.run.model, *self.sentence)
        self.view.show_attention(step, trace.attentions, trace.tokens, trace.causal)

    def take_notes(self) -> None:
        if self.notes is not None:
            self.view.notes = [str(note) for note in self.notes()]

    def on_change(self) -> None:
        run, view = self.run, self.view
        if view.rate != run.rate:
            view.rate = run.rate
        view.waiting = run.waiting
        if view.status != run.status:
            view.status = run.status
            if run.status in ("paused", "stopped", "done", "failed"):
                self.come_to_rest()

    def come_to_rest(self) -> None:
        """Store everything in the view, and its picture in the notebook."""
        self.take_notes()
        if self.run.error is not None:
            self.view.watched = True
            self.view.notes = [*self.view.notes, f"The run ended: {self.run.error}"]
        self.view.send_points(self.run.seconds_left, now=True)
        self.view.keep_points(self.run.seconds_left)
        if self.run.status != "paused":
            self.view.renew_display()


def _act(run: Run, view: TrainingDashboard, wish: str) -> None:
    """Do what a button asks for; a wish that came too late is none."""
    if wish == "start":
        if not run.going and run.step < run.steps:
            run.start()
    elif wish == "resume":
        run.resume()
    else:
        getattr(run, wish)(wait=False)


def _set_rate(run: Run, rate: float) -> None:
    if rate != run.rate:
        run.rate = rate
