"""Take turns with a model that several threads use.

A run may train a model in the background while a view looks at it. Python's own lock is
not fair: who lets go of it and takes it again at once, as a training loop does, keeps
everybody else out. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import threading
import time
from weakref import WeakKeyDictionary

from torch import nn

_MOST_POLITE = 0.5  # seconds that a run waits for those who look


class TurnLock:
    """A lock whose owner can let the others in; the same thread may take it twice."""

    def __init__(self):
        self._lock = threading.RLock()
        self._count = threading.Lock()
        self._waiting = 0

    def acquire(self) -> None:
        """Take the lock as soon as it is free."""
        with self._count:
            self._waiting += 1
        try:
            self._lock.acquire()
        finally:
            with self._count:
                self._waiting -= 1

    def release(self) -> None:
        """Let go of it."""
        self._lock.release()

    def give_way(self) -> None:
        """Let everybody who waits have it first; for the owner, who took it once."""
        if not self._waiting:
            return
        until = time.monotonic() + _MOST_POLITE
        self._lock.release()
        while self._waiting and time.monotonic() < until:
            time.sleep(0.0005)
        self._lock.acquire()

    def __enter__(self) -> TurnLock:
        self.acquire()
        return self

    def __exit__(self, *error) -> None:
        self.release()


_LOCKS: WeakKeyDictionary[nn.Module, TurnLock] = WeakKeyDictionary()
_NEW_LOCK = threading.Lock()


def model_lock(model: nn.Module) -> TurnLock:
    """Return the lock of a model, always the same one.

    Args:
        model: any module.
    """
    with _NEW_LOCK:
        if model not in _LOCKS:
            _LOCKS[model] = TurnLock()
        return _LOCKS[model]
