"""Exercises of 06_loss_and_optimization: how it is minimised."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.training import clip_gradients
from llmkit.training import warmup_cosine as kit_warmup_cosine

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


# --- the schedule --------------------------------------------------------------------


def warmup_cosine(step: int, steps: int, warmup: int) -> float:
    """Return the share of the rate at a step.

    Args:
        step: counted from 0.
        steps: how long the run is; its last step has the share 0.
        warmup: how many steps the climb takes.

    Returns:
        A number between 0 and 1.
    """
    return kit_warmup_cosine(steps, warmup)(step)


def _share(done=None, climb=None, wave=None):
    """Make a schedule from its three parts."""
    done = done or (lambda k, n, w: (k - w) / (n - 1 - w))
    climb = climb or (lambda k, w: (k + 1) / (w + 1))
    wave = wave or (lambda x: 0.5 * (1 + math.cos(math.pi * x)))

    def share(step, steps, warmup):
        if step < warmup:
            return climb(step, warmup)
        return wave(done(step, steps, warmup))

    return share


def _no_climb(step, steps, warmup):
    return 0.5 * (1 + math.cos(math.pi * step / (steps - 1)))


def _half_angle(step, steps, warmup):
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return math.cos(math.pi / 2 * (step - warmup) / (steps - 1 - warmup)) ** 2


def _schedule_cases():
    some = [(0, 20, 4), (1, 20, 4), (3, 20, 4), (4, 20, 4), (5, 20, 4), (12, 20, 4)]
    return [
        *(Case(*case, note=f"step {case[0]} of 20, warm-up 4") for case in some),
        Case(19, 20, 4, note="the last step"),
        Case(0, 11, 0, note="no warm-up, the first step"),
        Case(7, 11, 0, note="no warm-up, step 7 of 11"),
    ]


WARMUP_COSINE = Exercise(
    name="warmup_cosine",
    signature="warmup_cosine(step, steps, warmup)",
    reference=warmup_cosine,
    cases=_schedule_cases,
    right=(_share(), _half_angle),
    mistakes=(
        Mistake(
            "no warm-up",
            "The first steps are not smaller: there is no climb.",
            _no_climb,
        ),
        Mistake(
            "first step is nothing",
            "The climb begins at 0, so the first step is wasted. With w steps of "
            "warm-up, step 0 has the share 1 / (w + 1).",
            _share(climb=lambda k, w: k / w),
        ),
        Mistake(
            "cosine counted from the start",
            "The cosine counts from step 0, so the rate jumps down when the warm-up "
            "ends. It begins there, at the full rate.",
            _share(done=lambda k, n, w: k / (n - 1)),
        ),
        Mistake(
            "whole wave",
            "This is a whole wave: in the middle the rate is 0, and at the end it is "
            "full again. Half a wave, up to π, goes down only.",
            _share(wave=lambda x: 0.5 * (1 + math.cos(2 * math.pi * x))),
        ),
        Mistake(
            "not lifted",
            "The bare cosine goes down to −1, and a negative rate climbs uphill. Lift "
            "it: ½ (1 + cos).",
            _share(wave=lambda x: math.cos(math.pi * x)),
        ),
        Mistake(
            "last step not at 0",
            "The last step, steps − 1, still has some rate left: divide by the number "
            "of steps *between* the end of the warm-up and the last step.",
            _share(done=lambda k, n, w: (k - w) / (n - w)),
        ),
        Mistake(
            "straight line",
            "The way down is a straight line. A cosine stays high at first and comes "
            "in gently at the end.",
            _share(wave=lambda x: 1 - x),
        ),
    ),
)


# --- clipping ------------------------------------------------------------------------


def clip_by_norm(grads: list[Tensor], longest: float) -> list[Tensor]:
    """Shorten a gradient that is too long.

    Args:
        grads: the gradients of all weights, of any shapes.
        longest: the greatest length that all of them may have together.

    Returns:
        The gradients, shortened by one factor if need be.
    """
    holders = [torch.nn.Parameter(torch.zeros_like(g)) for g in grads]
    for holder, grad in zip(holders, grads, strict=True):
        holder.grad = grad.clone()
    clip_gradients(holders, longest)
    return [holder.grad for holder in holders]


def _length(grads):
    return math.sqrt(sum(float((g**2).sum()) for g in grads))


def _clip(factor):
    return lambda grads, longest: [g * factor(grads, longest) for g in grads]


def _as_one_vector(grads, longest):
    long = torch.cat([g.flatten() for g in grads]).norm()
    return [g * min(1.0, float(longest / long)) if long > 0 else g * 1 for g in grads]


def _each_alone(grads, longest):
    return [g * min(1.0, longest / max(float(g.norm()), 1e-12)) for g in grads]


def _clip_cases():
    g = _generator()
    grads = [torch.randn(3, 4, generator=g), torch.randn(5, generator=g)]
    small = [0.01 * x for x in grads]
    return [
        Case(grads, 1.0, note="a long gradient, longest=1"),
        Case(small, 1.0, note="a short gradient, longest=1"),
        Case([grads[1]], 0.5, note="one weight, longest=0.5"),
        Case([10 * grads[0], small[1]], 1.0, note="one long and one short part"),
        Case([torch.zeros(2), torch.zeros(1)], 1.0, note="no gradient at all"),
    ]


CLIP_BY_NORM = Exercise(
    name="clip_by_norm",
    signature="clip_by_norm(grads, longest)",
    reference=clip_by_norm,
    cases=_clip_cases,
    right=(
        _clip(lambda g, c: min(1.0, c / max(_length(g), 1e-12))),
        _as_one_vector,
    ),
    mistakes=(
        Mistake(
            "each weight for itself",
            "Each weight's gradient is shortened by itself, which turns the direction "
            "of the step. Measure one length over *all* of them, and use one factor.",
            _each_alone,
        ),
        Mistake(
            "numbers cut off",
            "Single numbers are cut off at ± longest. That changes the direction; all "
            "numbers are to shrink by one factor.",
            lambda grads, c: [x.clamp(-c, c) for x in grads],
        ),
        Mistake(
            "short ones made longer",
            "A gradient that is short enough is stretched to the full length. The "
            "factor is never above 1.",
            _clip(lambda g, c: c / max(_length(g), 1e-12)),
        ),
        Mistake(
            "no root",
            "The length is the *root* of the sum of squares.",
            _clip(lambda g, c: min(1.0, c / max(_length(g) ** 2, 1e-12))),
        ),
        Mistake(
            "sum of lengths",
            "The lengths of the parts are added up. Lengths add as squares: "
            "√(a² + b²).",
            _clip(
                lambda g, c: min(1.0, c / max(sum(float(x.norm()) for x in g), 1e-9))
            ),
        ),
        Mistake(
            "nothing clipped",
            "The gradients come back as they were.",
            _clip(lambda g, c: 1.0),
        ),
    ),
)

EXERCISES = [ADAMW_STEP, WARMUP_COSINE, CLIP_BY_NORM]
