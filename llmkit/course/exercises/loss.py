"""Exercises of 06_loss_and_optimization: cross-entropy, also with softer targets."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.losses import cross_entropy as kit_cross_entropy


def _generator():
    return torch.Generator().manual_seed(0)


# --- cross-entropy -------------------------------------------------------------------


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean surprise at the targets that count.

    Args:
        logits: (N, V).
        targets: int64, (N,); -100 counts for nothing.

    Returns:
        A number, in nats.
    """
    return kit_cross_entropy(logits, targets)


def _by_pytorch(logits, targets):
    return F.cross_entropy(logits, targets)


def _by_hand(logits, targets):
    counts = targets != -100
    logits, targets = logits[counts], targets[counts]
    chances = logits - logits.logsumexp(-1, keepdim=True)
    return -chances[torch.arange(len(targets)), targets].mean()


def _one_by_one(logits, targets):
    losses = []
    for row, target in zip(logits, targets.tolist(), strict=True):
        if target != -100:
            top = row.max()
            losses.append((row - top).exp().sum().log() + top - row[target])
    return torch.stack(losses).mean()


def _surprise(logits, targets, score):
    """Return score(right logit's column, logits) for the targets that count."""
    counts = targets != -100
    logits, targets = logits[counts], targets[counts]
    return score(logits, targets[:, None])


def _of(log_chances):
    return lambda x, t: -log_chances(x).gather(1, t).mean()


def _mean_over_all(logits, targets):
    return F.cross_entropy(logits, targets, reduction="sum") / len(targets)


def _padding_as_token(logits, targets):
    return F.cross_entropy(logits, targets.clamp(min=0))


def _log_of_softmax(logits, targets):
    # the naive formula: exp of a large logit is infinite
    chances = logits.exp() / logits.exp().sum(-1, keepdim=True)
    return _surprise(logits.exp(), targets, lambda x, t: _naive(chances, targets))


def _naive(chances, targets):
    counts = targets != -100
    return -chances[counts].gather(1, targets[counts][:, None]).log().mean()


def _cross_entropy_cases():
    g = _generator()
    logits = 2 * torch.randn(6, 5, generator=g)
    targets = torch.tensor([0, 4, 2, 2, 1, 3])
    some = torch.tensor([0, -100, 2, -100, -100, 3])
    return [
        Case(logits, targets, note="six positions, V = 5"),
        Case(logits, some, note="three of six targets are -100"),
        Case(torch.zeros(2, 8), torch.tensor([1, 7]), note="an even guess among 8"),
        Case(logits[:1], targets[:1], note="one position"),
        Case(logits[:2] * 100 + 200, targets[:2], note="logits of several hundred"),
    ]


CROSS_ENTROPY = Exercise(
    name="cross_entropy",
    signature="cross_entropy(logits, targets)",
    reference=cross_entropy,
    cases=_cross_entropy_cases,
    right=(_by_pytorch, _by_hand, _one_by_one),
    mistakes=(
        Mistake(
            "no log",
            "The probability of the right token is averaged without a logarithm. "
            "Surprise is −log p: to give the right token 1 in 1,000 must hurt far "
            "more than to give it 1 in 10.",
            (
                lambda x, t: _surprise(
                    x, t, lambda x, t: 1 - x.softmax(1).gather(1, t).mean()
                ),
                lambda x, t: _surprise(
                    x, t, lambda x, t: -x.softmax(1).gather(1, t).mean()
                ),
            ),
        ),
        Mistake(
            "softmax twice",
            "The logits go through a softmax before a function that does a softmax "
            "itself. Such a loss can never come near 0.",
            lambda x, t: F.cross_entropy(x.softmax(-1), t),
        ),
        Mistake(
            "no softmax",
            "The right token's logit is taken as if it were a log probability. From "
            "each logit, log Σ exp of all of them must be taken off first.",
            lambda x, t: _surprise(x, t, lambda x, t: -x.gather(1, t).mean()),
        ),
        Mistake(
            "sign",
            "The result is negative: log p is below 0, and the loss is −log p.",
            lambda x, t: -F.cross_entropy(x, t),
        ),
        Mistake(
            "bits",
            "This is in bits, with the logarithm to base 2. Here the natural "
            "logarithm is wanted: nats.",
            lambda x, t: F.cross_entropy(x, t) / math.log(2),
        ),
        Mistake(
            "mean over padding",
            "The sum is divided by all positions, also by those whose target is -100. "
            "A batch with much padding would look better than it is: divide by the "
            "number of targets that count.",
            _mean_over_all,
        ),
        Mistake(
            "padding counts",
            "Positions whose target is -100 are scored as well, as if token 0 had "
            "been right there. Leave them out.",
            _padding_as_token,
        ),
        Mistake(
            "sum",
            "The surprises are added up and not averaged: the loss would grow with "
            "the batch.",
            lambda x, t: F.cross_entropy(x, t, reduction="sum"),
        ),
        Mistake(
            "overflow",
            "With logits of several hundred, exp is infinite. Take the greatest logit "
            "off all of them first: the probabilities stay the same.",
            _log_of_softmax,
        ),
        Mistake(
            "over the positions",
            "The softmax runs over the positions. Each position's V scores, the last "
            "axis, share a probability of 1.",
            lambda x, t: _surprise(x, t, _of(lambda x: x.log_softmax(0))),
        ),
    ),
)


# --- label smoothing -----------------------------------------------------------------


def label_smoothing(logits: Tensor, targets: Tensor, share: float) -> Tensor:
    """Score against targets of which a share is spread evenly over all tokens.

    Args:
        logits: (N, V).
        targets: int64, (N,).
        share: what is spread.

    Returns:
        A number.
    """
    return kit_cross_entropy(logits, targets, label_smoothing=share)


def _smooth(right_share, spread_share):
    """Weigh the right token's surprise and the mean over all V tokens."""

    def loss(logits, targets, share):
        logs = logits.log_softmax(-1)
        right = -logs.gather(1, targets[:, None]).mean()
        spread = -logs.mean()
        size = logits.shape[-1]
        return right_share(share, size) * right + spread_share(share, size) * spread

    return loss


def _soft_targets(logits, targets, share):
    size = logits.shape[-1]
    wanted = F.one_hot(targets, size) * (1 - share) + share / size
    return -(wanted * logits.log_softmax(-1)).sum(-1).mean()


def _over_the_others(logits, targets, share):
    size = logits.shape[-1]
    right = F.one_hot(targets, size).float()
    wanted = right * (1 - share) + (1 - right) * share / (size - 1)
    return -(wanted * logits.log_softmax(-1)).sum(-1).mean()


def _smoothing_cases():
    g = _generator()
    logits = 2 * torch.randn(5, 7, generator=g)
    targets = torch.tensor([6, 0, 3, 3, 1])
    return [
        Case(logits, targets, 0.1, note="share 0.1"),
        Case(logits, targets, 0.4, note="share 0.4"),
        Case(logits, targets, 0.0, note="no smoothing"),
        Case(logits[:1, :3], targets[1:2], 0.2, note="one position, V = 3"),
    ]


LABEL_SMOOTHING = Exercise(
    name="label_smoothing",
    signature="label_smoothing(logits, targets, share)",
    reference=label_smoothing,
    cases=_smoothing_cases,
    right=(
        lambda x, t, s: F.cross_entropy(x, t, label_smoothing=s),
        _soft_targets,
        _smooth(lambda s, v: 1 - s, lambda s, v: s),
    ),
    mistakes=(
        Mistake(
            "over the others",
            "The share is spread over the other V − 1 tokens. It is spread over all "
            "V: the right token gets its part of it, too.",
            _over_the_others,
        ),
        Mistake(
            "swapped",
            "The two parts are swapped: 1 − share belongs to the right token, and the "
            "share to all tokens together.",
            _smooth(lambda s, v: s, lambda s, v: 1 - s),
        ),
        Mistake(
            "nothing spread",
            "The right token's part is smaller, but what was taken from it is given "
            "to nobody: the targets no longer add up to 1.",
            _smooth(lambda s, v: 1 - s, lambda s, v: 0),
        ),
        Mistake(
            "share for each token",
            "Every token gets the whole share. All V of them have to divide it "
            "between them.",
            _smooth(lambda s, v: 1 - s, lambda s, v: s * v),
        ),
        Mistake(
            "no smoothing",
            "The share is not used: this is plain cross-entropy.",
            lambda x, t, s: F.cross_entropy(x, t),
        ),
        Mistake(
            "logits smoothed",
            "The *scores* were smoothed. It is the targets that become softer; the "
            "model's scores stay what they are.",
            lambda x, t, s: F.cross_entropy((1 - s) * x + s * x.mean(), t),
        ),
    ),
)


EXERCISES = [CROSS_ENTROPY, LABEL_SMOOTHING]
