"""Run a model without leaving a mark on it, also from several threads.

Callbacks of widgets may run on a thread of their own, and PyTorch's "no gradient" holds
only for the thread that asked for it. So it is asked for here, inside, and one lock for
each model keeps two runs from meeting in its hooks and settings.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import nn

from llmkit.nn import evaluating

_LOCKS: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_NEW_LOCK = threading.Lock()


def model_lock(model: nn.Module) -> threading.RLock:
    """Return the lock of a model; the same thread may take it twice.

    Args:
        model: any module.
    """
    with _NEW_LOCK:
        return _LOCKS.setdefault(model, threading.RLock())


@contextmanager
def running(model: nn.Module) -> Iterator[None]:
    """Hold the model's lock, in evaluation mode and without gradients.

    Args:
        model: any module. Afterwards each of its parts trains or rests as before.

    Yields:
        Nothing; run the model inside.
    """
    with model_lock(model), torch.no_grad(), evaluating(model):
        yield
