"""The loop: guess, compare, trace the blame back, step.

Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from llmkit.checks import check_count, check_positive
from llmkit.losses import cross_entropy
from llmkit.nn import evaluating
from llmkit.runtime import progress
from llmkit.training.gradients import clip_gradients
from llmkit.training.processes import (
    any_process,
    mean_over_processes,
    process_and_count,
)
from llmkit.training.schedules import constant


@dataclass(frozen=True)
class Step:
    """What happened in one step.

    Attributes:
        step: its number, counted from 0.
        loss: the mean over the batch, before the step.
        lr: the learning rate of the first group.
        grad_norm: the length of the gradient, before clipping.
        seconds: since the run began.
    """

    step: int
    loss: float
    lr: float
    grad_norm: float
    seconds: float


def next_token(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Score a decoder on inputs and what is to be said after each.

    Args:
        model: a decoder.
        batch: inputs and targets, int64, (B, T) each, already shifted: a target is
            the token after its input, or -100 where none counts.

    Returns:
        The mean loss over the targets that count, in nats, a number.
    """
    ids, targets = batch
    return cross_entropy(model(ids).logits, targets)


def train(
    model: nn.Module,
    batches: Iterable,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    *,
    steps: int,
    schedule: Callable[[int], float] = constant,
    loss: Callable[[nn.Module, tuple], Tensor] = next_token,
    clip: float = 1.0,
    first_step: int = 0,
    bf16: bool = False,
    accumulate: int = 1,
    on_step: Callable[[Step], bool | None] | None = None,
) -> list[Step]:
    """Train a model; after two seconds a line shows how far it is and the time left.

    Started by `torchrun` or `accelerate`, with the model wrapped by them, the same
    call trains in several processes; see `processes`.

    Args:
        model: any module that `loss` can call.
        batches: tuples of tensors, without end or long enough for all steps.
        optimizer: one, or several that are stepped together.
        steps: where the run ends.
        schedule: from the step to a share of the learning rate.
        loss: from the model and a batch to a number.
        clip: the greatest length of the gradient; longer ones are shortened.
        first_step: where it goes on, after `load_state`.
        bf16: whether products are computed in bfloat16, fast where `has_bf16` says
            so; weights stay in float32.
        accumulate: how many batches make one step: their gradients are averaged, as
            in one batch so many times as large.
        on_step: called after each step; returning True ends the run.

    Returns:
        One `Step` for each step taken.

    Raises:
        FloatingPointError: the loss is no longer a number.
        ValueError: the batches ran out.
    """
    check_positive("steps", steps)
    check_count("accumulate", accumulate)
    optimizers = [optimizer] if hasattr(optimizer, "step") else list(optimizer)
    groups = [g for o in optimizers for g in o.param_groups]
    for group in groups:
        group.setdefault("initial_lr", group["lr"])
    device = next(model.parameters()).device
    begin, history, coming = time.monotonic(), [], iter(batches)
    model.train()
    for step in _counted(first_step, steps):
        for group in groups:
            group["lr"] = group["initial_lr"] * schedule(step)
        for each in optimizers:
            each.zero_grad(set_to_none=True)
        value = mean_over_processes(
            sum(
                _backward(model, batch, loss, bf16, accumulate)
                for batch in _draw(coming, accumulate, step - first_step)
            )
        ).item()
        _check_number(value, step)
        norm = clip_gradients(model.parameters(), clip)
        for each in optimizers:
            each.step()
        passed = time.monotonic() - begin
        history.append(Step(step, value, groups[0]["lr"], norm, passed))
        if on_step is not None and any_process(bool(on_step(history[-1])), device):
            break
    return history


def _backward(model, batch, loss, bf16: bool, accumulate: int) -> Tensor:
    """Add a batch's share to the gradients; return its share of the loss."""
    device = next(model.parameters()).device
    batch = tuple(part.to(device) for part in batch)
    with torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext():
        share = loss(model, batch) / accumulate
    share.backward()
    return share.detach()


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable,
    loss: Callable[[nn.Module, tuple], Tensor] = next_token,
    max_batches: int | None = None,
) -> float:
    """Return the mean loss over some batches, with dropout off.

    Args:
        model: any module that `loss` can call; each part is left in its own mode.
        batches: tuples of tensors; the first axis of the first is B.
        loss: from the model and a batch to the mean over that batch.
        max_batches: stop after so many; None: all.

    Returns:
        The mean, in which each batch weighs as many rows as it has.

    Raises:
        ValueError: there are no batches.
    """
    device = next(model.parameters()).device
    total, rows = 0.0, 0
    with evaluating(model):
        for batch in islice(batches, max_batches):
            value = loss(model, tuple(part.to(device) for part in batch))
            total += value.item() * len(batch[0])
            rows += len(batch[0])
    if not rows:
        raise ValueError("batches must hold at least one batch; got none")
    return total / rows


def _counted(first_step: int, steps: int) -> Iterable[int]:
    """Count the steps, and show the progress once where there are many processes."""
    number, _ = process_and_count()
    counted = range(first_step, steps)
    return counted if number else progress(counted, "training")


def _draw(coming: Iterator, count: int, done: int) -> list[tuple]:
    batches = list(islice(coming, count))
    if len(batches) < count:
        raise ValueError(
            f"batches ran out after {done} steps; give more of them, or fewer steps"
        )
    return batches


def _check_number(value: float, step: int) -> None:
    if not math.isfinite(value):
        raise FloatingPointError(
            f"the loss is {value} at step {step}. A lower learning rate, a "
            "longer warm-up or clip=1.0 keep a run from blowing up; a batch in which "
            "every target is ignored has no loss either."
        )
