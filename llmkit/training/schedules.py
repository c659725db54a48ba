"""How the learning rate changes over a run, as a share of its greatest value.

Warm-up: Vaswani et al. 2017, section 5.3; cosine: Loshchilov and Hutter 2017, "SGDR",
section 3; trapezoid: Hu et al. 2024, "MiniCPM", section 4. Home notebook:
06_loss_and_optimization.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from llmkit.checks import check_positive, check_range


def constant(step: int) -> float:
    """Return 1 at every step."""
    return 1.0


def warmup_constant(warmup: int) -> Callable[[int], float]:
    """Climb in a straight line, then stay.

    Args:
        warmup: how many steps the climb takes.

    Returns:
        A function from the step, counted from 0, to a share between 0 and 1.
    """
    check_range("warmup", warmup, 0, math.inf)
    return lambda step: _climb(step, warmup)


def warmup_cosine(
    steps: int, warmup: int = 0, final: float = 0.0
) -> Callable[[int], float]:
    """Climb in a straight line, then glide down along half a cosine.

    Args:
        steps: how long the run is.
        warmup: how many steps the climb takes.
        final: the share that is left at the last step.

    Returns:
        A function from the step, counted from 0, to a share between 0 and 1.

    Raises:
        ValueError: the warm-up is not shorter than the run.
    """
    _check(steps, warmup, final)

    def share(step: int) -> float:
        if step < warmup:
            return _climb(step, warmup)
        done = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * done))

    return share


def warmup_linear(
    steps: int, warmup: int = 0, final: float = 0.0
) -> Callable[[int], float]:
    """Climb in a straight line, then come down in another.

    Args:
        steps: how long the run is.
        warmup: how many steps the climb takes.
        final: the share that is left at the last step.

    Returns:
        A function from the step, counted from 0, to a share between 0 and 1.

    Raises:
        ValueError: the warm-up is not shorter than the run.
    """
    _check(steps, warmup, final)
    return trapezoid(steps, warmup, steps - warmup, final)


def trapezoid(
    steps: int, warmup: int = 0, cooldown: int = 0, final: float = 0.0
) -> Callable[[int], float]:
    """Climb, stay, and come down in a straight line at the very end.

    Until the cooling begins, nothing depends on how long the run will be: a run can
    be made longer, or cooled from any of its checkpoints.

    Args:
        steps: how long the run is.
        warmup: how many steps the climb takes.
        cooldown: how many steps the way down takes; the last of them has the share
            `final`.
        final: the share that is left at the last step.

    Returns:
        A function from the step, counted from 0, to a share between 0 and 1.

    Raises:
        ValueError: climb and way down do not fit into the run.
    """
    _check(steps, warmup, final)
    if not 0 <= cooldown <= steps - warmup:
        raise ValueError(
            f"cooldown must fit into the {steps - warmup} steps after the warm-up; "
            f"got {cooldown}"
        )

    def share(step: int) -> float:
        # a cooling of n steps goes from the full rate, n - 1 steps before the end
        done = (step - (steps - cooldown)) / max(1, cooldown - 1) if cooldown else 0.0
        down = final + (1 - final) * (1 - min(1.0, max(0.0, done)))
        return min(_climb(step, warmup), down)

    return share


def _climb(step: int, warmup: int) -> float:
    # the first step is not 0: it would be wasted
    return min(1.0, (step + 1) / (warmup + 1))


def _check(steps: int, warmup: int, final: float) -> None:
    check_positive("steps", steps)
    check_range("final", final, 0.0, 1.0)
    if not 0 <= warmup < steps:
        raise ValueError(
            f"warmup must be shorter than the run of {steps} steps; got {warmup}"
        )
