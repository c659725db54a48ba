"""How the learning rate changes over a run, as a share of its greatest value.

Warm-up: Vaswani et al. 2017, section 5.3; cosine: Loshchilov and Hutter 2017, "SGDR",
section 3. Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from llmkit.checks import check_positive, check_range


def constant(step: int) -> float:
    """Return 1 at every step."""
    return 1.0


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
    check_positive("steps", steps)
    check_range("final", final, 0.0, 1.0)
    if not 0 <= warmup < steps:
        raise ValueError(
            f"warmup must be shorter than the run of {steps} steps; got {warmup}"
        )

    def share(step: int) -> float:
        if step < warmup:
            # the first step is not 0: it would be wasted
            return (step + 1) / (warmup + 1)
        done = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * done))

    return share
