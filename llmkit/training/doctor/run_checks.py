"""Does the run go as a run should: loss, rate, gradients, scores?

Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from llmkit.training.doctor.notes import Note
from llmkit.training.doctor.record import Record

# A healthy step moves a weight by about a thousandth of its size. With 3e-5, a weight
# would need 33,000 steps to become another one.
_LEAST_UPDATE = 3e-5
_SPIKE = 0.5  # nats; batches of one kind of text differ by less
_MOST_DECAY = 0.02  # takes half of each weight in 34 steps
_CLIPPED = 0.1
_NAMES = {
    "sum": "the sum over all targets",
    "sum over positions": "the sum over positions, averaged over rows",
    "mean over ignored": "the mean over all positions, ignored ones included",
}


def loss_told_wrong(record: Record) -> Iterator[Note]:
    """See whether the loss is the mean cross-entropy of the scores."""
    told = record.told_by()
    if not told:
        return
    last = record.steps[-1]
    right, said = last.losses.get("plain", math.nan), last.loss
    if told in ("sum", "sum over positions"):
        yield Note(
            "wrong reduction",
            f"The loss is {_NAMES[told]}, {said:.1f}; the mean would be {right:.2f}. "
            "The gradient grows with the batch, and so does the step.",
            "Take the mean over the targets that count.",
        )
    elif told == "mean over ignored":
        yield Note(
            "wrong reduction",
            f"The loss is {_NAMES[told]}: {said:.2f} instead of {right:.2f}. Batches "
            "with much padding count for less.",
            "Divide by the number of targets that count.",
        )
    elif told == "softmax twice":
        yield Note(
            "softmax twice",
            f"The loss takes probabilities for scores: it says {said:.2f} where the "
            f"cross-entropy is {right:.2f}, and it can never come near 0.",
            "Give cross_entropy the logits; it does the softmax itself.",
        )
    elif told == "negative":
        yield Note(
            "sign of the loss",
            f"The loss is minus the cross-entropy ({said:.2f}): the run makes the "
            "model worse.",
            "Minimise minus the log of the right token's probability.",
        )


def decay(record: Record) -> Iterator[Note]:
    """See whether weight decay leaves anything."""
    if record.decay > _MOST_DECAY:
        steps = math.log(2) / record.decay
        yield Note(
            "weight decay too high",
            f"Each step takes {record.decay:.1%} off every weight: half of it is gone "
            f"after {steps:.0f} steps, whatever the data says.",
            "0.01 to 0.1 is usual; what counts is rate times decay.",
        )


def rate_too_high(record: Record) -> Iterator[Note]:
    """See whether the steps overshoot."""
    what = _diverged(record)
    if what:
        yield Note(
            "rate too high",
            what,
            "Divide the learning rate by 10 until the loss falls from the first steps "
            "on, then go up by factors of 2 or 3; warm up.",
        )


def _diverged(record: Record) -> str:
    losses = record.losses
    if not losses:
        return ""
    first = losses[0]
    if len(losses) < len(record.steps) or record.bad is not None:
        longest = max(record.updates, default=0.0)
        if max(losses[-5:]) > first + 1 or record.growth > 10 or longest > 1:
            return (
                f"The loss went from {first:.2f} to {losses[-1]:.3g} and then to no "
                f"number; a step moved weights by up to {longest:.1g} times their size."
            )
        return ""
    if len(losses) < 20:
        return ""
    recent = record.recent
    if recent > max(first, record.even) + 0.3 and min(losses[-10:]) > first:
        return (
            f"After {len(losses)} steps the loss is {recent:.2f}, above the "
            f"{first:.2f} it began with."
        )
    return _relapsed(record, losses) or _stuck(record, losses)


def _relapsed(record: Record, losses: list[float]) -> str:
    if len(losses) < 30:
        return ""
    means = [sum(losses[i : i + 10]) / 10 for i in range(len(losses) - 9)]
    best, last, first = min(means), means[-1], losses[0]
    if last > best + max(_SPIKE, 0.25 * (first - best)):
        return f"The loss had come down to {best:.2f} and is back at {last:.2f}."
    return ""


def _stuck(record: Record, losses: list[float]) -> str:
    """See a run that shook its weights and learned no more than frequencies."""
    if len(losses) < 60 or not record.counts:
        return ""
    recent, floor = median(losses[-20:]), record.unigram
    if recent > floor - 0.02 and record.growth > 10:
        return (
            f"The weights have grown to {record.growth:.0f} times their size, and with "
            f"{recent:.2f} the loss is no better than guessing by frequency "
            f"({floor:.2f})."
        )
    return ""


def not_a_number(record: Record) -> Iterator[Note]:
    """See where the first number that is none came up."""
    if record.bad is None:
        return
    step, place, way = record.bad
    where = (
        f"in the output of {place}"
        if way == "forward" and not place.startswith("the input")
        else f"in {place}"
        if way == "forward"
        else f"on the way back, in the gradient that reaches {place}"
    )
    yield Note(
        "not a number",
        f"At step {step} the first number that is none came up {where}.",
        "Look there for a logarithm or a root of 0, a division by 0, or a mean over "
        "nothing; add a small eps inside.",
    )


def rate_too_low(record: Record) -> Iterator[Note]:
    """See whether the steps lead anywhere."""
    updates = record.updates
    if len(record.steps) < 20 or not updates or record.bad is not None:
        return
    if all(s.lr == 0 for s in record.steps):
        what = "The learning rate has been 0 at every step."
    elif max(updates) < _LEAST_UPDATE:
        what = (
            f"A step moves a typical weight by {max(updates):.1g} of its size at most: "
            f"it would take {1 / max(max(updates), 1e-12):,.0f} of them to change it."
        )
    else:
        return
    yield Note(
        "rate too low",
        what,
        "Raise the learning rate tenfold until a step moves weights by about a "
        "thousandth; look whether the schedule ever reaches its full rate.",
    )


def overfitting(record: Record) -> Iterator[Note]:
    """See whether training still helps on other text."""
    visits = record.validation
    if len(visits) < 3:
        return
    best_step, best_train, best = min(visits, key=lambda v: v[2])
    rise = max(0.05, 0.05 * best)
    _, train, last = visits[-1]
    if all(v > best + rise for _, _, v in visits[-2:]) and train < best_train:
        yield Note(
            "overfitting",
            f"The validation loss was best, {best:.2f}, after step {best_step}; now "
            f"it is {last:.2f}, while the training loss went on to {train:.2f}.",
            "Stop there, or use more text, a smaller model, dropout or weight decay.",
        )


def no_warmup(record: Record) -> Iterator[Note]:
    """See whether the first steps were too long."""
    losses = record.losses
    if len(losses) < 20 or len(losses) < len(record.steps):
        return
    early = losses[1 : max(10, min(50, len(losses) // 3))]
    # two in a row: one batch may be harder than the others
    top = max(min(pair) for pair in pairwise(early))
    first = losses[0]
    full = max(s.lr for s in record.steps)
    at_once = record.steps[0].lr > 0.5 * full
    if at_once and top > max(first, record.even) + _SPIKE and record.recent < first:
        yield Note(
            "no warm-up",
            f"In its first steps the loss jumped from {first:.2f} to {top:.2f} before "
            "it came down: Adam's averages know too little to take whole steps.",
            "Let the rate climb over the first 1 to 10 % of the run "
            "(warmup_cosine(steps, warmup=…)).",
        )


def clipping(record: Record) -> Iterator[Note]:
    """See whether clipping is the rule and not the exception."""
    seen = [s for s in record.steps if s.clipped is not None and s.grad_norm > 0]
    short = [s for s in seen if s.clipped < _CLIPPED * s.grad_norm]
    if len(seen) >= 20 and len(short) > 0.9 * len(seen):
        factor = median(s.grad_norm / max(s.clipped, 1e-30) for s in short)
        yield Note(
            "clipping always active",
            f"{len(short)} of {len(seen)} gradients were made shorter, typically "
            f"{factor:,.0f} times: the length of the gradient means nothing any more.",
            "Set clip to a little above the usual length (1.0 for most models), or "
            "find out why gradients are so long.",
        )
