"""Start, pause, go on, stop and slow a run while it trains.

The loop of `train` runs in a thread of its own, so the notebook stays free; a script
lets it run in front and speaks to it by signals. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from inspect import signature
from pathlib import Path
from weakref import ReferenceType, WeakKeyDictionary, ref

import torch
from torch import nn

from llmkit.checks import check_count, check_type
from llmkit.nn import model_lock
from llmkit.runtime import progress
from llmkit.training.control import Control
from llmkit.training.loop import Step, train
from llmkit.training.randomness import (
    Generator,
    set_random_state,
    take_random_state,
)
from llmkit.training.schedules import constant
from llmkit.training.signals import obeying_signals
from llmkit.training.state import load_state, save_state

# which run trains a model at the moment
_ACTIVE: WeakKeyDictionary[nn.Module, ReferenceType[Run]] = WeakKeyDictionary()
_RECENT = 50  # steps by which the time left is guessed


class Run(Control):
    """A run that obeys while it goes.

    In a notebook::

        run = Run(model, batches, optimizer, steps=500, schedule=warmup_cosine(500, 20))
        run.start()             # or the button of `explore.training(run)`
        run.pause(); run.resume(); run.rate = 0.5; run.stop(); run.start()
        history = run.wait()    # in a cell of its own

    In a script `run.here()` trains in front, and signals do the same.

    `status` is "ready", "running", "pausing", "paused", "stopping", "stopped", "done"
    or "failed"; `step` counts the steps taken; `history` has one `Step` for each.

    Args:
        model: what is trained.
        batches: tuples of tensors, as for `train`; a run that stops goes on with the
            next one.
        optimizer: one, or several.
        steps: where the run ends.
        schedule: from the step to a share of the learning rate.
        on_step: called after each step, in the training thread; returning True stops.
        path: where the state is kept whenever the run stops or ends; None: nowhere.
        generator: the one that draws the batches; it belongs to the state.
        settings: what must be the same when a kept state goes on, such as
            `{"batch_size": 16}`; another run's is refused.
        save_every: keep the state after every so many steps as well; 0: no.
        stream: the `Stream` or `Packing` that the batches come from, if there is one;
            its place belongs to the state.
        **choices: what else `train` takes: `loss`, `clip`, `bf16` and so on.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Iterable,
        optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
        *,
        steps: int,
        schedule: Callable[[int], float] = constant,
        on_step: Callable[[Step], bool | None] | None = None,
        path: Path | str | None = None,
        generator: Generator | None = None,
        settings: dict | None = None,
        save_every: int = 0,
        stream=None,
        **choices,
    ):
        check_type("model", model, nn.Module)
        check_count("steps", steps)
        check_count("save_every", save_every, 0)
        if save_every and path is None:
            raise ValueError("save_every needs a path to save to; got path=None")
        unknown = choices.keys() - signature(train).parameters.keys()
        if unknown:
            raise TypeError(f"train takes no argument {', '.join(sorted(unknown))}")
        super().__init__()
        self.model, self.optimizer, self.steps = model, optimizer, steps
        self.path, self.generator, self.save_every = path, generator, save_every
        self.settings, self.stream = settings, stream
        self.history: list[Step] = []
        self.step: int = 0
        self.error: BaseException | None = None
        self._batches, self._schedule, self._choices = iter(batches), schedule, choices
        self._seconds, self._mark = 0.0, 0.0
        self._random: tuple | None = None  # where chance stood when it halted
        if on_step is not None:
            self.listen(on_step)

    @property
    def seconds_left(self) -> float | None:
        """Guess how long it still takes, from the last steps; None before the third."""
        recent = self.history[-_RECENT:]
        if len(recent) < 3:
            return None
        each = (recent[-1].seconds - recent[0].seconds) / (len(recent) - 1)
        return each * (self.steps - self.step)

    def start(self) -> Run:
        """Train in the background, from the first step or from where it stopped.

        Returns:
            Itself.

        Raises:
            RuntimeError: it is going or done, or another run trains this model.
        """
        self._begin()
        self._thread = threading.Thread(target=self._work, daemon=True, name="training")
        self._thread.start()
        return self

    def wait(self) -> list[Step]:
        """Return when the run has ended; a run that waits to be started is started.

        Interrupting the cell stops the run and keeps what was learned.

        Returns:
            The history.

        Raises:
            Exception: whatever ended the training thread.
        """
        if self.status == "ready":
            self.start()
        self.resume()
        self.waiting = True
        self._tell()
        try:
            for _ in progress(self._coming(), "training", self.steps - self.step):
                pass
        except KeyboardInterrupt:
            self.stop()
            print(f"Stopped after {self.step} steps; what was learned is kept.")
        finally:
            self.waiting = False
            self._tell()
        self._join()
        if self.error is not None:
            raise self.error
        return self.history

    def here(self) -> list[Step]:
        """Train in front, as a script does; signals pause, slow and stop it.

        Ctrl-C stops and keeps the state, a second one breaks off. Where the system has
        them, SIGTERM stops too, SIGUSR1 pauses and goes on, SIGUSR2 halves the rate.

        Returns:
            The history.

        Raises:
            Exception: whatever ended the training.
        """
        self._begin()
        with obeying_signals(self) as words:
            print(words, file=sys.stderr, flush=True)
            self._work()
        if self.error is not None:
            raise self.error
        return self.history

    def restore(self) -> int:
        """Bring back what the last stop has kept, if there is something.

        Returns:
            How many steps were taken; 0 if nothing was kept.

        Raises:
            RuntimeError: it is going.
            ValueError: there is no path, or the state is of another configuration.
        """
        if self.going:
            raise RuntimeError("stop the run before its state is restored")
        if self.path is None:
            raise ValueError("restore needs the path of a state; got path=None")
        if Path(self.path).exists():
            with model_lock(self.model):
                self.step = load_state(self.path, *self._parts())
            self._rate = self._groups()[0].get("rate", 1.0)
            self._random, self.history = take_random_state(self.generator), []
            self._move("done" if self.step >= self.steps else "ready")
        return self.step

    # --- the thread --------------------------------------------------------------
    def _begin(self) -> None:
        with self._moving:
            if self.going:
                raise RuntimeError(
                    f"the run is {self.status} already; see resume, stop"
                )
            if self.step >= self.steps:
                raise RuntimeError(f"all {self.steps} steps were taken; make a new Run")
            other = _ACTIVE.get(self.model, lambda: None)()
            if other is not None and other is not self and other.going:
                raise RuntimeError(
                    "another run trains this model: stop it, or make a new model"
                )
            _ACTIVE[self.model], self.error = ref(self), None
            self._stop.clear()
            self._pause.clear()
            self._move("running")

    def _work(self) -> None:
        try:
            with model_lock(self.model):
                self._go_on()
                train(
                    self.model,
                    self._batches,
                    self.optimizer,
                    steps=self.steps,
                    schedule=lambda step: self._schedule(step) * self._rate,
                    first_step=self.step,
                    on_step=self._after,
                    **self._choices,
                )
                self._stop_clock()
                self._save()
            self._move("done" if self.step >= self.steps else "stopped")
        except BaseException as error:  # wait() raises it in the cell
            self.error = error
            self._move("failed")

    def _after(self, step: Step) -> bool:
        self.step = step.step + 1
        passed = self._seconds + time.monotonic() - self._mark
        self.history.append(replace(step, seconds=passed))
        ends = self._ask_all(self.history[-1])
        if self.save_every and self.step % self.save_every == 0:
            self._save()
        if self._pause.is_set() and self.step < self.steps and not ends:
            self._rest()
        model_lock(self.model).give_way()
        return ends or self._stop.is_set()

    def _rest(self) -> None:
        """Let everybody have the model until the pause is over."""
        self._stop_clock()
        model_lock(self.model).release()
        self._hold()
        model_lock(self.model).acquire()
        self._go_on()

    def _stop_clock(self) -> None:
        """Keep time and random state; what others do meanwhile changes neither."""
        self._seconds += time.monotonic() - self._mark
        self._random = take_random_state(self.generator)

    def _go_on(self) -> None:
        if self._random is not None:
            set_random_state(*self._random, self.generator)
        self._mark = time.monotonic()

    def _save(self) -> None:
        if self.path is not None:
            for group in self._groups():
                group["rate"] = self._rate
            model, optimizer, *rest = self._parts()
            save_state(self.path, model, optimizer, self.step, *rest)

    def _parts(self) -> tuple:
        kept = (self.generator, self.settings, self.stream)
        return self.model, self.optimizer, *kept

    def _groups(self) -> list[dict]:
        each = [self.optimizer] if hasattr(self.optimizer, "step") else self.optimizer
        return [group for one in each for group in one.param_groups]

    def _coming(self) -> Iterator[int]:
        """Yield each step as it is taken, until the run has ended."""
        seen = self.step
        while self.going:
            time.sleep(0.02)
            while seen < self.step:
                seen += 1
                yield seen
