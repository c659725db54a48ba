"""Importing the models costs little beyond PyTorch, and does nothing visible."""

import subprocess
import sys

import pytest


def seconds(code):
    timed = f"import time, torch; t = time.perf_counter(); {code}; " + (
        "print(time.perf_counter() - t)"
    )
    run = subprocess.run(
        [sys.executable, "-c", timed], capture_output=True, text=True, check=True
    )
    assert not run.stderr
    return float(run.stdout)


@pytest.mark.parametrize("room", ["llmkit.models", "llmkit.nn", "llmkit.training"])
def test_import_is_fast_and_silent(room):
    # the best of three: the machine may be busy, the import is not to blame for it
    assert min(seconds(f"import {room}") for _ in range(3)) < 0.2
