"""Compare what two functions returned, and say in words how they differ."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping

EMPTY = (None, ...)  # what an unfinished function returns


def is_array(value) -> bool:
    """Tell whether it is a tensor or a NumPy array (no import of either)."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


def is_unfinished(value) -> bool:
    """Tell whether a result is None or `...`, or holds one of them at its top."""
    if isinstance(value, (tuple, list)):
        return any(part is None or part is ... for part in value)
    return value is None or value is ...


def same(a, b, tolerance: float) -> bool:
    """Tell whether two results are equal, numbers within a tolerance."""
    return difference(a, b, tolerance) == ""


def difference(got, want, tolerance: float) -> str:
    """Say how a result differs from the one that was wanted.

    Args:
        got: the learner's result.
        want: the right one.
        tolerance: how far numbers may lie apart (relative and absolute).

    Returns:
        One sentence without a full stop; empty if there is no difference.
    """
    if is_array(want):
        return _array_difference(got, want, tolerance)
    if isinstance(want, (str, bytes, bool)) or want is None:
        got = _plain(got)
        if type(got) is not type(want):
            return f"the result should be {kind(want)}; it is {kind(got)}"
        return "" if got == want else f"{want!r} was expected; you have {got!r}"
    if isinstance(want, numbers.Number):
        return _number_difference(_plain(got), want, tolerance)
    if isinstance(want, Mapping):
        return _mapping_difference(got, want, tolerance)
    if isinstance(want, (list, tuple)):
        return _sequence_difference(got, want, tolerance)
    if isinstance(want, (set, frozenset)):
        if not isinstance(got, (set, frozenset)):
            return f"the result should be {kind(want)}; it is {kind(got)}"
    return "" if got == want else f"{want!r} was expected; you have {got!r}"


def kind(value) -> str:
    """Name the kind of a value, as a learner would say it."""
    if is_array(value):
        return f"{_library(value)} of shape {tuple(value.shape)}"
    names = {
        str: "a string",
        bytes: "bytes",
        bool: "True or False",
        int: "a whole number",
        float: "a number",
        list: "a list",
        tuple: "a tuple",
        dict: "a dict",
        set: "a set",
        type(None): "None",
    }
    return names.get(type(value), f"of type {type(value).__name__}")


def _library(value) -> str:
    module = type(value).__module__.split(".")[0]
    return "a NumPy array" if module == "numpy" else "a tensor"


def _plain(value):
    """Turn a tensor or array of one number into that number."""
    if is_array(value) and math.prod(value.shape) == 1:
        return value.item()
    return value


def _number_difference(got, want, tolerance: float) -> str:
    if isinstance(got, bool) or not isinstance(got, numbers.Number):
        return f"the result should be a number; it is {kind(got)}"
    if _close(got, want, tolerance):
        return ""
    return f"{_short(want)} was expected; you have {_short(got)}"


def _close(a, b, tolerance: float) -> bool:
    if a == b or (a != a and b != b):
        return True
    # to an infinite number everything would be near enough
    return abs(b) != math.inf and abs(a - b) <= tolerance * (1 + abs(b))


def _short(number) -> str:
    return f"{number:.5g}" if isinstance(number, float) else str(number)


def _sequence_difference(got, want, tolerance: float) -> str:
    if not isinstance(got, (list, tuple)):
        return f"the result should be {kind(want)} of {len(want)}; it is {kind(got)}"
    if len(got) != len(want):
        return f"{len(want)} items were expected; you have {len(got)}: {_cut(got)}"
    for index, (mine, theirs) in enumerate(zip(got, want, strict=True)):
        text = difference(mine, theirs, tolerance)
        if text:
            return f"item {index} (counted from 0): {text}"
    return ""


def _mapping_difference(got, want, tolerance: float) -> str:
    if not isinstance(got, Mapping):
        return f"the result should be a dict; it is {kind(got)}"
    missing = [key for key in want if key not in got]
    extra = [key for key in got if key not in want]
    if missing:
        return f"the key {missing[0]!r} is missing"
    if extra:
        return f"the key {extra[0]!r} should not be there"
    for key in want:
        text = difference(got[key], want[key], tolerance)
        if text:
            return f"at key {key!r}: {text}"
    return ""


def _array_difference(got, want, tolerance: float) -> str:
    if not is_array(got):
        return (
            f"the result should be {_library(want)} of shape {tuple(want.shape)}; "
            f"it is {kind(got)}"
        )
    if _library(got) != _library(want):
        return f"the result should be {_library(want)}; it is {_library(got)}"
    if tuple(got.shape) != tuple(want.shape):
        return (
            f"the result should have the shape {tuple(want.shape)}; "
            f"it has {tuple(got.shape)}"
        )
    if _family(got) != _family(want):
        return (
            f"the result should hold {_family(want)} values; it holds "
            f"{_family(got)} ones ({str(got.dtype).removeprefix('torch.')})"
        )
    return _value_difference(_numpy(got), _numpy(want), tolerance)


def _value_difference(got, want, tolerance: float) -> str:
    import numpy as np

    if np.isnan(got).any() and not np.isnan(want).any():
        return "the result contains nan (not a number)"
    close = np.isclose(got, want, rtol=tolerance, atol=tolerance, equal_nan=True)
    if close.all():
        return ""
    index = tuple(int(i) for i in np.argwhere(~close)[0])
    share = f"{int((~close).sum())} of {close.size} numbers differ; the first is"
    return (
        f"{share} at {list(index)}, where {want[index]:.5g} was expected and you "
        f"have {got[index]:.5g}"
    )


def _family(array) -> str:
    name = str(array.dtype)
    for word, family in (
        ("bool", "True/False"),
        ("complex", "complex"),
        ("float", "decimal"),
    ):
        if word in name:
            return family
    return "whole-number"


def _numpy(array):
    import numpy as np

    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = array.double() if array.is_floating_point() else array
    array = np.asarray(array)
    return array if array.dtype.kind == "c" else array.astype(float)


def _cut(value, most: int = 70) -> str:
    text = repr(list(value))
    return text if len(text) <= most else text[: most - 1] + "…"
