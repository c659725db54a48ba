"""What an exercise is: a right answer, small inputs, and the mistakes people make.

One declaration serves twice: `check` compares a learner's function with it, and
`tests/course/test_matrix.py` runs every right and every wrong answer through `check`.
How to add one is in the README beside this file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any


@dataclass(frozen=True)
class Case:
    """One call of the learner's function.

    Args:
        *args: the arguments.
        note: what is special about it, in a few words, such as "with a mask".
        **kwargs: the keyword arguments.
    """

    args: tuple
    kwargs: dict[str, Any]
    note: str

    def __init__(self, *args, note: str = "", **kwargs):
        object.__setattr__(self, "args", args)
        object.__setattr__(self, "kwargs", kwargs)
        object.__setattr__(self, "note", note)


@dataclass(frozen=True)
class Mistake:
    """One known misconception.

    Args:
        name: a short key, such as "no scale".
        hint: what the learner reads: the misconception in a sentence, then a push in
            the right direction, but not the answer.
        wrong: a function that makes the mistake, or several.
    """

    name: str
    hint: str
    wrong: Callable | tuple[Callable, ...]

    @property
    def functions(self) -> tuple[Callable, ...]:
        """The wrong functions, as a tuple."""
        return self.wrong if isinstance(self.wrong, tuple) else (self.wrong,)


def _call(function, *args, **kwargs):
    return function(*args, **kwargs)


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """A function for the learner to write, and all that is needed to judge it.

    Args:
        name: what `check` is asked for, such as "attention".
        signature: how it is called, for messages: `"attention(q, k, v)"`.
        reference: the kit's own function; it carries on when the learner's is wrong.
        cases: makes the inputs, the same ones at each call. Each is a `Case` or, for
            short, a tuple of arguments.
        right: at least two right answers that are written differently.
        mistakes: the known wrong answers, each with its hint.
        tolerance: how far numbers may lie apart (relative and absolute).
        run: calls what the learner wrote, if that is not simply
            `function(*args, **kwargs)`: for a class, say.
    """

    name: str
    signature: str
    reference: Callable
    cases: Callable[[], list]
    right: tuple[Callable, ...]
    mistakes: tuple[Mistake, ...]
    tolerance: float = 1e-4
    run: Callable = field(default=_call)

    @property
    def plain_call(self) -> bool:
        """Whether the learner's function is called directly with the case's inputs."""
        return self.run is _call

    def fresh_cases(self) -> list[Case]:
        """Make the inputs anew, so that no function sees what another changed."""
        made = self.cases()
        return [case if isinstance(case, Case) else Case(*case) for case in made]


def all_exercises() -> Iterator[Exercise]:
    """Yield every exercise of every file in `course/exercises/`, in order of file."""
    from llmkit.course import exercises

    for module in sorted(m.name for m in pkgutil.iter_modules(exercises.__path__)):
        found = importlib.import_module(f"{exercises.__name__}.{module}")
        yield from found.EXERCISES


def find_exercise(name: str) -> Exercise:
    """Return the exercise of that name.

    Args:
        name: such as "attention".

    Raises:
        ValueError: there is none.
    """
    names = []
    for exercise in all_exercises():
        if exercise.name == name:
            return exercise
        names.append(exercise.name)
    close = get_close_matches(str(name), names, n=1)
    raise ValueError(
        f"name must be that of an exercise; got {name!r}. "
        + (f"Did you mean {close[0]!r}? " if close else "")
        + "There are: "
        + ", ".join(sorted(names))
    )
