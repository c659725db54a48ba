"""The line of progress: silent for short work, always finished."""

import itertools
import threading

import pytest

from llmkit import runtime


@pytest.fixture
def slow(monkeypatch):
    """Let three seconds pass between two looks at the clock."""
    clock = itertools.count(0, 3)
    monkeypatch.setattr(runtime.time, "monotonic", lambda: next(clock))


def test_short_work_shows_nothing(capsys):
    assert list(runtime.progress("abc", "reading")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_long_work_ends_its_line(slow, capsys):
    assert list(runtime.progress("abc", "reading")) == ["a", "b", "c"]
    said = capsys.readouterr().err
    assert "reading: 1/3, " in said
    assert said.rstrip(" ").endswith("s      \n")
    assert "reading: done in 12 s" in said


def test_leaving_early_ends_the_line_too(slow, capsys):
    items = runtime.progress("abc", "reading")
    next(items)
    items.close()
    said = capsys.readouterr().err
    assert said.endswith("\n")
    assert "reading: stopped after" in said


def test_a_background_thread_shows_nothing(slow, capsys):
    got = []
    thread = threading.Thread(target=lambda: got.extend(runtime.progress("abc", "x")))
    thread.start()
    thread.join()
    assert got == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
