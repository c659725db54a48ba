"""Exercises of 06_loss_and_optimization: one step of AdamW."""

from __future__ import annotations

import torch
from torch import Tensor

from llmkit.course.exercise import Case, Exercise, Mistake

BETAS, EPS = (0.9, 0.99), 1e-8


def _generator():
    return torch.Generator().manual_seed(0)


# --- AdamW ---------------------------------------------------------------------------


def adamw_step(
    weight: Tensor,
    grad: Tensor,
    mean: Tensor,
    square: Tensor,
    step: int,
    lr: float,
    decay: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Make one step of AdamW, with betas 0.9 and 0.99 and eps 1e-8.

    Args:
        weight: any shape.
        grad: the same shape.
        mean: the running mean of the gradient so far.
        square: the running mean of its square so far.
        step: the number of this step; the first is 1.
        lr: the rate.
        decay: the weight decay.

    Returns:
        The new weight, mean and square.
    """
    b1, b2 = BETAS
    mean = b1 * mean + (1 - b1) * grad
    square = b2 * square + (1 - b2) * grad**2
    even_mean = mean / (1 - b1**step)
    even_square = square / (1 - b2**step)
    weight = weight - lr * decay * weight
    return weight - lr * even_mean / (even_square.sqrt() + EPS), mean, square


def _by_lerp(weight, grad, mean, square, step, lr, decay):
    b1, b2 = BETAS
    mean = torch.lerp(grad, mean, b1)
    square = torch.lerp(grad.square(), square, b2)
    root = (square / (1 - b2**step)).sqrt()
    move = mean / (1 - b1**step) / (root + EPS) + decay * weight
    return weight - lr * move, mean, square


def _by_pytorch(weight, grad, mean, square, step, lr, decay):
    p = torch.nn.Parameter(weight.clone())
    optimizer = torch.optim.AdamW([p], lr, BETAS, EPS, decay, foreach=False)
    p.grad = grad.clone()
    optimizer.state[p] = {
        "step": torch.tensor(float(step - 1)),
        "exp_avg": mean.clone(),
        "exp_avg_sq": square.clone(),
    }
    optimizer.step()
    state = optimizer.state[p]
    return p.detach(), state["exp_avg"], state["exp_avg_sq"]


def _wrong_adamw(
    correct=True,
    root=True,
    inside=False,
    times_lr=True,
    decays=True,
    count=0,
    swapped=False,
    squared=True,
    by_mean=True,
    sign=1,
    raw=True,
):
    """Make AdamW with one thing wrong."""

    def step_once(weight, grad, mean, square, step, lr, decay):
        b1, b2 = BETAS[::-1] if swapped else BETAS
        if inside:
            grad = grad + decay * weight
        mean = b1 * mean + (1 - b1) * grad
        square = b2 * square + (1 - b2) * (grad**2 if squared else grad.abs())
        step = step + count
        m, s = mean if by_mean else grad, square
        if correct:
            m = m / (1 - b1**step) if by_mean else m
            s = s / (1 - b2**step)
        if decays and not inside:
            weight = weight - (lr if times_lr else 1) * decay * weight
        down = (s.sqrt() if root else s) + EPS
        kept = (mean, square) if raw else (m, s)
        return weight - sign * lr * m / down, *kept

    return step_once


def _adamw_cases():
    g = _generator()
    weight, grad = torch.randn(2, 3, 4, generator=g)
    zero = torch.zeros(3, 4)
    mean, square = 0.1 * grad, 0.01 * grad**2 + 0.3
    return [
        Case(weight, grad, zero, zero, 1, 0.1, 0.0, note="the first step, no decay"),
        Case(weight, grad, zero, zero, 1, 0.1, 0.5, note="the first step, decay 0.5"),
        Case(weight, grad, mean, square, 7, 0.01, 0.5, note="the seventh step"),
        Case(weight[0], grad[0], mean[0], square[0], 400, 1.0, 0.1, note="much later"),
    ]


ADAMW_STEP = Exercise(
    name="adamw_step",
    signature="adamw_step(weight, grad, mean, square, step, lr, decay)",
    reference=adamw_step,
    cases=_adamw_cases,
    right=(_by_lerp, _by_pytorch),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            "no bias correction",
            "The running means began at 0, so they are too small in the first steps. "
            "Divide each by 1 − β**step before it is used.",
            _wrong_adamw(correct=False),
        ),
        Mistake(
            "step counted wrong",
            "The bias correction counts one step too many or too few: in the first "
            "step the corrected mean must be the gradient itself.",
            _wrong_adamw(count=1),
        ),
        Mistake(
            "corrected means kept",
            "The corrected means are returned, so the next step would correct them "
            "once more. Correct copies, and return the means as they run.",
            _wrong_adamw(raw=False),
        ),
        Mistake(
            "decay inside the gradient",
            "The decay was added to the gradient, where it is divided by the "
            "gradient's size: that is Adam with L2. In AdamW it goes straight to the "
            "weight.",
            _wrong_adamw(inside=True),
        ),
        Mistake(
            "decay without the rate",
            "The decay is not multiplied by the rate: a schedule would no longer "
            "reach it.",
            _wrong_adamw(times_lr=False),
        ),
        Mistake(
            "no decay",
            "The weight decay is not used.",
            _wrong_adamw(decays=False),
        ),
        Mistake(
            "no root",
            "The step is divided by the mean square. Take its root: gradients twice "
            "as long must not halve the step.",
            _wrong_adamw(root=False),
        ),
        Mistake(
            "not squared",
            "The second mean runs over the gradient's size, not over its square.",
            _wrong_adamw(squared=False),
        ),
        Mistake(
            "betas swapped",
            "The two betas are swapped: 0.9 belongs to the mean, 0.99 to the square.",
            _wrong_adamw(swapped=True),
        ),
        Mistake(
            "gradient instead of its mean",
            "The step is made with this step's gradient. It should be made with the "
            "running mean, which forgets the noise of single batches.",
            _wrong_adamw(by_mean=False),
        ),
        Mistake(
            "uphill",
            "The weight moves along the gradient: uphill. The step is taken off.",
            _wrong_adamw(sign=-1),
        ),
    ),
)


EXERCISES = [ADAMW_STEP]
