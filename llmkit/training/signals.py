"""Speak to a run in a script: by Ctrl-C, and by `kill` from another terminal.

Windows knows Ctrl-C only. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llmkit.training.control import Control


@contextmanager
def obeying_signals(control: Control) -> Iterator[str]:
    """Let signals control a run; afterwards they mean what they meant before.

    Args:
        control: what is paused, slowed and stopped.

    Yields:
        A sentence that says which signals do what, here and now.
    """
    before: dict[int, object] = {}

    def stop(number, frame):
        # a second Ctrl-C shall break off at once, also where a step takes long
        signal.signal(number, before[number])
        control.stop(wait=False)

    def flip(number, frame):
        if control.status == "running":
            control.pause(wait=False)
        else:
            control.resume()

    def slow(number, frame):
        control.rate = control.rate / 2

    if threading.current_thread() is not threading.main_thread():
        yield "Training; signals reach a program's main thread only."
        return
    acts = {"SIGINT": stop, "SIGTERM": stop, "SIGUSR1": flip, "SIGUSR2": slow}
    known = {n: act for n, act in acts.items() if hasattr(signal, n)}
    try:
        for name, act in known.items():
            number = getattr(signal, name)
            before[number] = signal.signal(number, act)
        yield _sentence(known)
    finally:
        for number, act in before.items():
            signal.signal(number, act)


def _sentence(known: dict[str, Callable]) -> str:
    words = "Training; Ctrl-C stops and keeps what was learned"
    if "SIGUSR1" not in known:
        return f"{words}. This system has no signals to pause or slow it."
    kill = f"kill -%s {os.getpid()}"
    return (
        f"{words}, {kill % 'USR1'} pauses and goes on, {kill % 'USR2'} halves the rate."
    )
