"""Which state a run is in, and the wishes that others have for it.

Wishes may come from any thread: a button's, a cell's, a signal's. The training thread
looks at them after each step. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from llmkit.checks import check_positive
from llmkit.training.loop import Step

GOING = ("running", "pausing", "paused", "stopping")
_LOOK = 0.01  # seconds between two looks at what is awaited


class Control:
    """Pause, resume, stop and slow; what happens then is the business of `Run`."""

    def __init__(self):
        self.status = "ready"
        self.waiting = False  # whether a cell stands in `wait`
        self._rate = 1.0
        self._stop, self._pause = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._after_step: list[Callable[[Step], bool | None]] = []
        self._on_change: list[Callable[[], None]] = []
        # a signal may arrive in the middle of it, on the same thread
        self._moving = threading.RLock()

    @property
    def rate(self) -> float:
        """What the scheduled learning rate is multiplied with, from the next step."""
        return self._rate

    @rate.setter
    def rate(self, factor: float) -> None:
        check_positive("rate", factor)
        self._rate = float(factor)
        self._tell()

    @property
    def going(self) -> bool:
        """Whether a thread trains or holds; not before the start nor after the end."""
        return self.status in GOING

    def pause(self, wait: bool = True) -> None:
        """Hold after the step in progress.

        Args:
            wait: return once it holds, not at once.
        """
        if self._move("pausing", "running"):
            self._pause.set()
        self._until(("running", "pausing"), wait)

    def resume(self) -> None:
        """Go on after a pause."""
        if self._move("running", "pausing", "paused"):
            self._pause.clear()

    def stop(self, wait: bool = True) -> None:
        """End after the step in progress, and keep the state if there is a path.

        Args:
            wait: return once it has ended, not at once.
        """
        if self._move("stopping", *GOING):
            self._stop.set()
        self._until(GOING, wait)
        if wait:
            self._join()

    def listen(self, on_step: Callable[[Step], bool | None]) -> None:
        """Call a function after each step, in the training thread.

        Args:
            on_step: gets the `Step`; nobody else uses the model meanwhile. Returning
                True stops the run.
        """
        self._after_step.append(on_step)

    def on_change(self, act: Callable[[], None]) -> None:
        """Call a function when status or rate change, in whatever thread that is.

        Args:
            act: without arguments; it must be quick, and only look.
        """
        self._on_change.append(act)

    # --- for the run itself --------------------------------------------------------
    def _ask_all(self, step: Step) -> bool:
        """Tell all who listen, also after one that wants to stop."""
        return any([bool(act(step)) for act in self._after_step])

    def _move(self, status: str, *others: str) -> bool:
        """Take a status if the present one is among others, or whatever it is."""
        with self._moving:
            if others and self.status not in others:
                return False
            self.status = status
        self._tell()
        return True

    def _until(self, others: tuple[str, ...], wait: bool) -> None:
        """Return once the status is none of some; the training thread never waits."""
        if threading.current_thread() is self._thread:
            return
        while wait and self.status in others:
            time.sleep(_LOOK)

    def _join(self) -> None:
        """Return once the training thread has told everybody of its end."""
        if self._thread not in (None, threading.current_thread()):
            self._thread.join()

    def _hold(self) -> None:
        """Stand still until the pause is over or the run is to stop."""
        while self._pause.is_set() and not self._stop.is_set():
            self._move("paused", "pausing")
            time.sleep(_LOOK)

    def _tell(self) -> None:
        for act in list(self._on_change):
            act()
