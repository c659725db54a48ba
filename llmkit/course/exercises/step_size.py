"""Exercises of 06_loss_and_optimization: how far a step may go."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.training import clip_gradients
from llmkit.training import warmup_cosine as kit_warmup_cosine


def _generator():
    return torch.Generator().manual_seed(0)


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


EXERCISES = [WARMUP_COSINE, CLIP_BY_NORM]
