"""What a run can do between its steps, as plain functions for `on_step`.

Early stopping: Prechelt 1998, "Early Stopping - But When?", section 2. Home notebook:
06_loss_and_optimization.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from llmkit.checks import check_count, check_range
from llmkit.training.loop import Step

OnStep = Callable[[Step], "bool | None"]


def every(steps: int, action: OnStep) -> OnStep:
    """Do something after every so many steps.

    Args:
        steps: after how many; 10 means after step 9, 19, 29 and so on.
        action: is given the `Step`; returning True ends the run.

    Returns:
        A function for `train(..., on_step=)`.
    """
    check_count("steps", steps)

    def on_step(step: Step) -> bool | None:
        return action(step) if (step.step + 1) % steps == 0 else None

    return on_step


def together(*actions: OnStep) -> OnStep:
    """Do several things after each step, in this order.

    Args:
        *actions: each is given the `Step`; all are called, and if one returns True
            the run ends.

    Returns:
        A function for `train(..., on_step=)`.
    """
    return lambda step: any([action(step) for action in actions])


def stop_early(
    measure: Callable[[], float], patience: int = 3, least: float = 0.0
) -> OnStep:
    """End a run once a loss no longer falls.

    Args:
        measure: returns the loss on data that is not trained on, such as
            `lambda: evaluate(model, batches)`.
        patience: how many measurements without a new best are borne.
        least: by how much a new best must lie under the old one.

    Returns:
        A function for `on_step`; it measures each time it is called, so give it to
        `every`.
    """
    check_count("patience", patience)
    check_range("least", least, 0.0, math.inf)
    best, waited = math.inf, 0

    def on_step(step: Step) -> bool:
        nonlocal best, waited
        value = measure()
        if value < best - least:
            best, waited = value, 0
        else:
            waited += 1
        return waited >= patience

    return on_step
