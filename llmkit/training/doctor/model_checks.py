"""Is the model itself sound, and does learning reach all of it?

Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from torch import nn

from llmkit.training.doctor.notes import Note
from llmkit.training.doctor.record import Record

# A matrix whose entries are drawn with size s lengthens a vector by s · √width. Every
# usual rule lies between 0.05 (GPT-2's 0.02 at width 8) and 1.5 (He's).
_LEAST_GAIN, _GREATEST_GAIN = 0.01, 4.0
_DEAD = 0.5  # a layer of which half is dead has half the size it seems to have
_VANISHED = 1e-4  # a first block that learns ten thousand times slower learns nothing
_MOST_DROPOUT = 0.6


def left_out(record: Record) -> Iterator[Note]:
    """See whether all weights are in an optimiser."""
    count, total = record.outside
    if count == total:
        yield Note(
            "not in the optimizer",
            "The optimizer holds none of this model's weights: it steps another one.",
            "Make the optimizer after the model, from model.parameters().",
        )
    elif count:
        yield Note(
            "not in the optimizer",
            f"{count:,} of {total:,} trainable weights are in no optimizer and will "
            "never change.",
            "Give them to it, or set requires_grad to False if they are to stay.",
        )


def frozen(record: Record) -> Iterator[Note]:
    """See whether some weights take no gradient."""
    count, total = record.frozen
    if count:
        yield Note(
            "frozen weights",
            f"{count:,} of {total:,} weights have requires_grad=False and stay as "
            "they are.",
            "Set it to True; if it is on purpose, say Doctor(…, frozen=True).",
        )


def cut_off(record: Record) -> Iterator[Note]:
    """See whether the gradient reaches every block."""
    if record.cut_off:
        yield Note(
            "gradient cut off",
            f"No gradient reaches {', '.join(record.cut_off[:3])}, though later "
            "blocks get one.",
            "Look for a detach(), a .data, a .item() or a no_grad() in the forward "
            "pass between them.",
        )


def stale_gradients(record: Record) -> Iterator[Note]:
    """See whether gradients are set to zero between steps."""
    if record.stale is not None:
        yield Note(
            "zero_grad forgotten",
            f"At step {record.stale} the gradient was added to that of the step "
            "before, which was already used.",
            "Call optimizer.zero_grad() before each backward().",
        )


def wrong_mode(record: Record) -> Iterator[Note]:
    """See whether dropout is on and off where it should be."""
    if record.awake is not None:
        yield Note(
            "eval forgotten",
            f"Around step {record.awake} the model was asked without gradients, as "
            "one evaluates, while its dropout was on: the score is too bad and "
            "differs from call to call.",
            "Call model.eval() before it and model.train() after it, or use "
            "llmkit.training.evaluate.",
        )
    if record.asleep is not None:
        yield Note(
            "train forgotten",
            f"From step {record.asleep} on the model was trained in evaluation mode: "
            "its dropout was off.",
            "Call model.train() after every model.eval().",
        )


def short_numbers(record: Record) -> Iterator[Note]:
    """See whether steps are rounded away."""
    if record.unchanged and median(record.unchanged.values()) > 0.5:
        share = median(record.unchanged.values())
        yield Note(
            "steps rounded away",
            f"{share:.0%} of the weights that had a gradient did not change at all: "
            "the step is smaller than the gap to the next number of their type.",
            "Keep weights in float32 and compute in bfloat16 by autocast "
            "(train(…, bf16=True)).",
        )


def future_visible(record: Record) -> Iterator[Note]:
    """See whether a model that is asked for the next token can look it up."""
    if record.causal is False and record.share(1) > 0.9:
        yield Note(
            "future visible",
            "The targets are the next tokens, and the model sees them. "
            f"{record.peeking}",
            "A loss near 0 in training and nonsense in writing are the signs.",
        )


def start(record: Record) -> Iterator[Note]:
    """See whether the weights began at a sensible size."""
    constant = {n: v for n, v in record.alike.items() if v != 0}
    if constant:
        name, value = next(iter(constant.items()))
        yield Note(
            "initialised alike",
            f"All entries of {name} began at {value:.3g}: its units compute the same "
            "and get the same gradient, so they stay one unit.",
            "Draw weights at random, such as nn.init.normal_(w, std=0.02).",
        )
    stepped = sum(s.lr > 0 for s in record.steps)
    if record.still_zero and stepped >= 3:
        yield Note(
            "initialised with zeros",
            f"{', '.join(record.still_zero[:3])} began at 0 and have stayed there for "
            f"{len(record.steps)} steps: what is multiplied by them sends no gradient.",
            "Draw weights at random; of two matrices in a row at most the second may "
            "begin at 0.",
        )
    yield from _sizes(record)


def _sizes(record: Record) -> Iterator[Note]:
    gain = median(record.gains.values()) if record.gains else 1.0
    first = next((s.losses.get("plain") for s in record.steps), None)
    fresh = record.fresh is not False
    if gain < _LEAST_GAIN:
        yield Note(
            "initialised too small",
            f"A typical matrix makes a vector {1 / gain:,.0f} times shorter: after a "
            "few of them nothing is left of the signal.",
            "Draw weights with a size of 0.02, or of 1/√width.",
        )
    elif gain > _GREATEST_GAIN:
        yield Note(
            "initialised too large",
            f"A typical matrix makes a vector {gain:.1f} times longer, so scores and "
            "gradients explode.",
            "Draw weights with a size of 0.02, or of 1/√width.",
        )
    elif fresh and first is not None and record.even and first > record.even + 1:
        yield Note(
            "initialised too large",
            f"Before the first step the loss is {first:.2f}, but a model that knows "
            f"nothing has log V = {record.even:.2f}: it is confident for no reason.",
            "Make the scores small at the start: token vectors with a size of 0.02, "
            "or a smaller output layer.",
        )


def dead_units(record: Record) -> Iterator[Note]:
    """See whether units never let a gradient through."""
    worst = max(record.dead, key=record.dead.get, default=None)
    if worst is not None and record.dead[worst] > _DEAD:
        yield Note(
            "dead units",
            f"{record.dead[worst]:.0%} of the units of {worst} never had a gradient: "
            "they are switched off for every input.",
            "Start their biases at 0, lower the rate, or use GELU or SiLU instead of "
            "ReLU.",
        )


def depth(record: Record) -> Iterator[Note]:
    """See whether the gradient survives the way through the blocks."""
    if len(record.depth) < 3:
        return
    ratio = median(record.depth)
    if ratio < _VANISHED or ratio > 1 / _VANISHED:
        yield Note(
            "gradient vanishes" if ratio < 1 else "gradient explodes",
            f"The first block's gradient is {ratio:.1g} times the last one's.",
            "Give each part a residual, x = x + part(norm(x)), and draw weights with "
            "a size of 1/√width.",
        )


def dropout(record: Record) -> Iterator[Note]:
    """See whether dropout leaves enough."""
    shares = [m.p for m in record.model.modules() if isinstance(m, nn.Dropout)]
    if shares and max(shares) > _MOST_DROPOUT:
        yield Note(
            "dropout too high",
            f"Dropout removes {max(shares):.0%} of the features at once.",
            "0.1 is usual, 0 for data that is read only once.",
        )
