"""Checks of arguments, with errors that say what was needed and what was given.

Every public function of the kit checks its arguments with these few functions, so
that a learner reads "q must have the shape (B, H, T, Dh) …" and not a stack of
library frames. Home notebook: none; each is shown where it first fires.
"""

from __future__ import annotations

from collections.abc import Collection


def check_shape(name: str, array, shape: str, **sizes: int) -> dict[str, int]:
    """Check the shape of a tensor or array against named axes.

    Args:
        name: the argument's name, for the message.
        array: anything with a `.shape`.
        shape: one word for each axis, such as `"B H T Dh"`. A number is an exact
            size, `...` in front stands for any number of leading axes.
        **sizes: the size some of the axes must have, such as `Dh=64`.

    Returns:
        The size of each named axis, such as `{"B": 2, "H": 3, "T": 5, "Dh": 4}`.

    Raises:
        TypeError: `array` has no shape.
        ValueError: the number of axes or a size is wrong, or one name stands for
            two sizes.
    """
    if not hasattr(array, "shape"):
        raise TypeError(
            f"{name} must be a tensor of shape ({_commas(shape)}); "
            f"got {type(array).__name__}"
        )
    axes, given = shape.split(), tuple(array.shape)
    free = bool(axes) and axes[0] == "..."
    wanted = axes[1:] if free else axes
    if len(given) < len(wanted) or (not free and len(given) > len(wanted)):
        raise ValueError(
            f"{name} must have {'at least ' if free else ''}{len(wanted)} axes, "
            f"({_commas(shape)}); got {len(given)}: {given}"
        )
    found: dict[str, int] = {}
    for axis, size in zip(wanted, given[len(given) - len(wanted) :], strict=True):
        need = int(axis) if axis.isdigit() else sizes.get(axis, found.get(axis, size))
        if size != need:
            raise ValueError(
                f"{name} must have the shape ({_commas(shape)}) with {axis}={need}; "
                f"got {given}, where {axis} is {size}"
            )
        found[axis] = size
    return found


def check_positive(name: str, value: float) -> None:
    """Check that a number is above zero.

    Args:
        name: the argument's name, for the message.
        value: the number.

    Raises:
        ValueError: it is zero, negative or not a number at all.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ValueError(f"{name} must be a number above 0; got {value!r}")


def check_count(name: str, value: int, least: int = 1) -> None:
    """Check that a number is whole and large enough.

    Args:
        name: the argument's name, for the message.
        value: the number.
        least: the least allowed.

    Raises:
        ValueError: it is smaller, or not a whole number.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}; got {value!r}"
        )


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Check that a number lies between two others, ends included.

    Args:
        name: the argument's name, for the message.
        value: the number.
        low: the least allowed.
        high: the greatest allowed.

    Raises:
        ValueError: it lies outside, or is not a number.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise ValueError(f"{name} must lie between {low} and {high}; got {value!r}")


def check_choice(name: str, value, choices: Collection) -> None:
    """Check that a value is one of a few.

    Args:
        name: the argument's name, for the message.
        value: what was given.
        choices: what is allowed.

    Raises:
        ValueError: it is none of them.
    """
    if value not in choices:
        known = ", ".join(repr(c) for c in choices)
        raise ValueError(f"{name} must be one of {known}; got {value!r}")


def check_type(name: str, value, kind: type | tuple[type, ...], hint: str = "") -> None:
    """Check the type of a value.

    Args:
        name: the argument's name, for the message.
        value: what was given.
        kind: the type, or several, that are allowed.
        hint: a way out, added to the message.

    Raises:
        TypeError: it is of another type.
    """
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(k.__name__ for k in kinds)
        raise TypeError(
            f"{name} must be {wanted}; got {type(value).__name__}"
            + (f". {hint}" if hint else "")
        )


def _commas(shape: str) -> str:
    return ", ".join(shape.split())
