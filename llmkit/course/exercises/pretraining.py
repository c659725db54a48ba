"""Exercises of 07_pretraining_gpt: windows of a text, and one step of training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llmkit.course.exercise import Case, Exercise, Mistake

# --- windows of a text ---------------------------------------------------------------


def text_windows(ids: Tensor, begins: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Cut windows out of a text: what is read, and what is to be said next.

    Args:
        ids: int64, (N,), the text.
        begins: int64, (B,), where each window begins.
        length: T.

    Returns:
        Inputs and targets, int64, (B, T) each.
    """
    places = begins[:, None] + torch.arange(length)  # (B, T)
    return ids[places], ids[places + 1]


def _windows_by_slices(ids, begins, length):
    rows = [ids[b : b + length + 1] for b in begins.tolist()]
    both = torch.stack(rows)
    return both[:, :-1], both[:, 1:]


def _windows_by_two_slices(ids, begins, length):
    inputs = torch.stack([ids[b : b + length] for b in begins])
    return inputs, torch.stack([ids[b + 1 : b + 1 + length] for b in begins])


def _windows_shifted(by):
    def windows(ids, begins, length):
        places = begins[:, None] + torch.arange(length)
        return ids[places], ids[(places + by) % len(ids)]

    return windows


def _windows_one_short(ids, begins, length):
    inputs, targets = text_windows(ids, begins, length)
    return inputs[:, :-1], targets[:, :-1]


def _windows_within(ids, begins, length):
    inputs, _ = text_windows(ids, begins, length)
    return inputs[:, :-1], inputs[:, 1:]


def _windows_rolled(ids, begins, length):
    inputs, _ = text_windows(ids, begins, length)
    return inputs, inputs.roll(-1, dims=1)


def _windows_cases():
    g = torch.Generator().manual_seed(0)
    ids = torch.randperm(40, generator=g)
    return [
        Case(ids, torch.tensor([3, 17, 0]), 5, note="three windows of five"),
        Case(ids, torch.tensor([34]), 5, note="the last window that fits"),
        Case(ids, torch.tensor([7, 8]), 1, note="windows of one token"),
    ]


TEXT_WINDOWS = Exercise(
    name="text_windows",
    signature="text_windows(ids, begins, length)",
    reference=text_windows,
    cases=_windows_cases,
    right=(_windows_by_slices, _windows_by_two_slices),
    tolerance=0.0,
    mistakes=(
        Mistake(
            "not shifted",
            "Inputs and targets are the same tokens. A model that may see the very "
            "token it is asked for learns to copy it, and nothing else.",
            _windows_shifted(0),
        ),
        Mistake(
            "shifted the wrong way",
            "The target is the token *before* each input: the model would learn to "
            "tell the past. Which way does a text go on?",
            _windows_shifted(-1),
        ),
        Mistake(
            "two ahead",
            "The targets lie two places ahead; it should be the very next token.",
            _windows_shifted(2),
        ),
        Mistake(
            "one short",
            "The rows are one token short: T inputs need T targets, so T + 1 tokens of "
            "the text.",
            (_windows_one_short, _windows_within),
        ),
        Mistake(
            "round the corner",
            "The last target of a row is its first input: `roll` goes round in a "
            "circle. The next token stands in the text, one place further.",
            _windows_rolled,
        ),
    ),
)


# --- one step of training ------------------------------------------------------------


def training_step(model, optimizer, loss_of, batch) -> float:
    """Change the weights once, so that the loss on this batch falls.

    Args:
        model: an `nn.Module`.
        optimizer: of its weights.
        loss_of: from the model and the batch to the loss.
        batch: what `loss_of` takes.

    Returns:
        The loss before the step, as a Python number.
    """
    loss = loss_of(model, batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def _step_zero_first(model, optimizer, loss_of, batch):
    for weight in model.parameters():
        weight.grad = None
    value = loss_of(model, batch)
    value.backward()
    optimizer.step()
    return float(value.detach())


def _step_with_grad(model, optimizer, loss_of, batch):
    value = loss_of(model, batch)
    weights = list(model.parameters())
    grads = torch.autograd.grad(value, weights)
    for weight, grad in zip(weights, grads, strict=True):
        weight.grad = grad
    optimizer.step()
    return value.item()


def _step_never_zeroed(model, optimizer, loss_of, batch):
    loss = loss_of(model, batch)
    loss.backward()
    optimizer.step()
    return loss.item()


def _step_zeroed_too_late(model, optimizer, loss_of, batch):
    loss = loss_of(model, batch)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


def _step_before_backward(model, optimizer, loss_of, batch):
    loss = loss_of(model, batch)
    optimizer.zero_grad()
    optimizer.step()
    loss.backward()
    return loss.item()


def _step_with_the_old_gradient(model, optimizer, loss_of, batch):
    loss = loss_of(model, batch)
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


def _step_forgotten(model, optimizer, loss_of, batch):
    loss = loss_of(model, batch)
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


def _step_loss_after(model, optimizer, loss_of, batch):
    training_step(model, optimizer, loss_of, batch)
    return float(loss_of(model, batch).detach())


def _step_returns_tensor(model, optimizer, loss_of, batch):
    loss = loss_of(model, batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def _run_step(function, weights, old_grad, batches):
    """Take some steps on a line y = w x, and look at weights and losses."""
    model = nn.Linear(len(weights), 1, bias=False).double()
    model.weight.data[:] = weights
    # what an earlier step has left behind
    model.weight.grad = old_grad[None].clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def loss_of(model, batch):
        x, y = batch
        return (model(x)[:, 0] - y).square().mean()

    losses = [function(model, optimizer, loss_of, batch) for batch in batches]
    if losses[0] is None or losses[0] is ...:
        return losses[0]  # nothing has been written yet
    kinds = [type(loss).__name__ for loss in losses]
    numbers = [float(torch.as_tensor(loss).detach()) for loss in losses]
    return numbers, model.weight.detach().clone(), kinds


def _step_cases():
    g = torch.Generator().manual_seed(0)

    def some(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    one = [(some(4, 3), some(4))]
    two = [(some(5, 2), some(5)), (some(6, 2), some(6))]
    return [
        Case(some(3), 0 * some(3), one, note="one step"),
        Case(some(2), some(2), two, note="two steps, and an old gradient"),
    ]


TRAINING_STEP = Exercise(
    name="training_step",
    signature="training_step(model, optimizer, loss_of, batch)",
    reference=training_step,
    cases=_step_cases,
    run=_run_step,
    right=(_step_zero_first, _step_with_grad),
    mistakes=(
        Mistake(
            "gradients never cleared",
            "The gradient of the last step is still there: `backward` *adds* to what "
            "it finds. Clear it first, once in every step.",
            _step_never_zeroed,
        ),
        Mistake(
            "step before backward",
            "The optimiser steps along the gradient that the *last* batch has left. "
            "First the blame of this batch, then the step.",
            _step_with_the_old_gradient,
        ),
        Mistake(
            "weights do not move",
            "The weights do not move. The optimiser must step, and when it does, the "
            "gradient of this batch must be there: found by `backward` and not yet "
            "cleared away again.",
            (_step_forgotten, _step_before_backward, _step_zeroed_too_late),
        ),
        Mistake(
            "loss after the step",
            "The loss is that of the changed weights. What is reported is the loss "
            "from which the gradient came; a second look would cost as much again.",
            _step_loss_after,
        ),
        Mistake(
            "a tensor, not a number",
            "A tensor is returned. It holds on to everything that it was computed "
            "from, so a list of losses would fill the memory: use `.item()`.",
            _step_returns_tensor,
        ),
    ),
)


EXERCISES = [TEXT_WINDOWS, TRAINING_STEP]
