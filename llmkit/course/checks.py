"""`check`: try a learner's function and say what is right, missing or misunderstood.

A misconception is recognised by what it does: the learner's results are compared with
those of each known wrong answer on the same inputs. Notebooks end each exercise with
`my_f = check("f", my_f).function`, so that an unsolved one never stops a run.
"""

from __future__ import annotations

import dis
import inspect
import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from llmkit.course.compare import difference, is_unfinished, same
from llmkit.course.exercise import Case, Exercise, find_exercise


@dataclass(frozen=True)
class CheckResult:
    """What `check` found.

    Args:
        name: of the exercise.
        passed: whether the learner's function is right.
        message: the verdict, one or two sentences.
        function: the learner's function if right, else the kit's own.
        mistake: the name of the misconception, if one was recognised.
    """

    name: str
    passed: bool
    message: str
    function: Callable
    mistake: str | None = None

    def __repr__(self) -> str:
        return f"CheckResult({self.name!r}, passed={self.passed})"

    def _ipython_display_(self) -> None:
        """Show nothing: `check` has printed the verdict already."""


@dataclass(frozen=True)
class _Outcome:
    """What one function did with one case."""

    value: object = None
    error: BaseException | None = None
    changed_input: bool = False

    def equals(self, other: _Outcome, tolerance: float) -> bool:
        if self.error or other.error:
            return type(self.error) is type(other.error)
        return same(self.value, other.value, tolerance)


def check(name: str, function: Callable) -> CheckResult:
    """Try a learner's function on small inputs and print a verdict.

    Args:
        name: of the exercise, such as "attention".
        function: what the learner wrote.

    Returns:
        A `CheckResult`; its `.function` can always be used from here on.

    Raises:
        ValueError: there is no exercise of that name.
        AssertionError: the function is not right and LLMKIT_STRICT is set to 1, as a
            teacher does for grading. Otherwise nothing in it ever stops a run.
    """
    exercise = find_exercise(name)
    message, mistake = _judge(exercise, function)
    passed = message == ""
    if passed:
        message = f"right: {name} works on all {len(exercise.fresh_cases())} inputs."
    used = function if passed else exercise.reference
    print("\n".join(textwrap.wrap(message, 88, break_long_words=False)))
    if not passed and os.environ.get("LLMKIT_STRICT", "") not in ("", "0"):
        raise AssertionError(message)
    return CheckResult(name, passed, message, used, mistake)


def _judge(exercise: Exercise, function) -> tuple[str, str | None]:
    """Return what to say (empty if right) and the misconception's name."""
    own = f"; the kit's own {exercise.name} carries on."
    if function is None or function is ...:
        return f"not solved yet: there is no function so far{own}", None
    if not callable(function):
        return (
            f"not yet: check needs the function itself, without calling it; it got "
            f"{function!r:.60}. Write check({exercise.name!r}, the_name).",
            None,
        )
    text = _wrong_signature(exercise, function)
    if text:
        return f"not yet: {text}", None
    outcomes = _run(exercise, function)
    if _unsolved(function, outcomes):
        return f"not solved yet{own}", None
    if any(outcome.changed_input for outcome in outcomes):
        return (
            "not yet: the function changes its input. Work on a copy, and avoid "
            "operations in place, such as x += 1, x[0] = …, x.add_(…), list.sort().",
            None,
        )
    return _verdict(exercise, function, outcomes)


def _verdict(exercise, function, outcomes) -> tuple[str, str | None]:
    """Compare with the reference, then with each known mistake."""
    wanted = _run(exercise, exercise.reference)
    wrong = [
        index
        for index, (mine, theirs) in enumerate(zip(outcomes, wanted, strict=True))
        if not mine.equals(theirs, exercise.tolerance)
    ]
    if not wrong:
        return "", None
    mistake = _nearest(exercise, outcomes, wrong)
    if mistake is not None:
        return f"not yet: {mistake.hint}", mistake.name
    first = wrong[0]
    case = exercise.fresh_cases()[first]
    where = f"for {case.note or f'input {first + 1}'} ({_inputs(case)})"
    if outcomes[first].error is not None:
        error = outcomes[first].error
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        return f"not yet: {where} it stops with {said}", None
    if outcomes[first].value is None:
        return f"not yet: {where} it returns None. Is there a return?", None
    gap = difference(outcomes[first].value, wanted[first].value, exercise.tolerance)
    return f"not yet: {where}, {gap or 'an error was expected'}.", None


def _nearest(exercise: Exercise, outcomes: list[_Outcome], wrong: list[int]):
    """Return the mistake that explains the most of what is wrong, or None.

    A mistake that explains every wrong result wins; among those, one that gives the
    learner's result in every case. Half of the wrong results is the least.
    """
    best, best_score = None, (0.5, 0)
    for mistake in exercise.mistakes:
        for function in mistake.functions:
            theirs = _run(exercise, function)
            alike = [
                mine.equals(other, exercise.tolerance)
                for mine, other in zip(outcomes, theirs, strict=True)
            ]
            score = (sum(alike[i] for i in wrong) / len(wrong), sum(alike))
            if score > best_score:
                best, best_score = mistake, score
    return best


def _run(exercise: Exercise, function) -> list[_Outcome]:
    """Call a function on fresh inputs and note what happens."""
    outcomes = []
    pristine = exercise.fresh_cases()
    for case, before in zip(exercise.fresh_cases(), pristine, strict=True):
        try:
            value = exercise.run(function, *case.args, **case.kwargs)
            if inspect.isgenerator(value):
                value = list(value)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a learner's exit() must not end the run
            outcomes.append(_Outcome(error=error))
            continue
        changed = exercise.plain_call and not _inputs_equal(case, before)
        outcomes.append(_Outcome(value, changed_input=changed))
    return outcomes


def _inputs_equal(case: Case, before: Case) -> bool:
    now, then = (
        [*case.args, *case.kwargs.values()],
        [
            *before.args,
            *before.kwargs.values(),
        ],
    )
    simple = (int, float, str, bytes, list, tuple, dict, set, type(None))
    return all(
        same(a, b, 0.0)
        for a, b in zip(now, then, strict=True)
        if isinstance(b, simple) or hasattr(b, "shape")
    )


def _wrong_signature(exercise: Exercise, function) -> str:
    """Say what is wrong with the arguments the function takes, if anything."""
    if not exercise.plain_call:
        return ""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a built-in function does not tell
        return ""
    for case in exercise.fresh_cases():
        try:
            signature.bind(*case.args, **case.kwargs)
        except TypeError as error:
            return (
                f"the function is called as {exercise.signature}, but yours takes "
                f"{signature} ({error})."
            )
    return ""


def _unsolved(function, outcomes: list[_Outcome]) -> bool:
    """Tell a stub from a wrong answer."""
    errors = [o.error for o in outcomes if o.error is not None]
    if any(isinstance(error, NotImplementedError) for error in errors):
        return True
    if any("ellipsis" in str(error) for error in errors):  # scores = ... was left
        return True
    values = [o.value for o in outcomes if o.error is None]
    if any(value is ... for value in values):
        return True
    if values and all(is_unfinished(value) for value in values):
        # None from a function with a body is a forgotten return, not a stub
        return not all(value is None for value in values) or _is_stub(function)
    return False


def _is_stub(function) -> bool:
    """Tell whether a function's code does nothing but return a constant."""
    code = getattr(function, "__code__", None)
    if code is None:
        return True
    idle = ("RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "POP_TOP")
    return all(step.opname in idle for step in dis.get_instructions(code))


def _inputs(case: Case) -> str:
    """Write a case's inputs in short."""
    parts = [_brief(value) for value in case.args]
    parts += [f"{key}={_brief(value)}" for key, value in case.kwargs.items()]
    return ", ".join(parts) or "no arguments"


def _brief(value) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        small = value.ndim <= 1 and len(value.flatten()) <= 6
        if small and hasattr(value, "tolist"):
            return f"{[round(v, 3) for v in value.flatten().tolist()]}"
        return f"shape {tuple(value.shape)}"
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
