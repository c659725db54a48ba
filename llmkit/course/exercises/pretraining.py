"""Exercises of 07_pretraining_gpt: windows, one step, a fair mean, the floor."""

from __future__ import annotations

import math
from collections.abc import Sequence

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

# --- a fair mean ---------------------------------------------------------------------


def mean_per_token(losses: Sequence[Tensor], counts: Sequence[Tensor]) -> float:
    """Return the mean loss of all tokens that count, over batches of several sizes.

    Args:
        losses: for each batch (B, T), the loss of each token; padding has any number.
        counts: for each batch, bool, (B, T): whether the token counts.

    Returns:
        Nats per token.
    """
    total = sum(
        float(loss[count].sum()) for loss, count in zip(losses, counts, strict=True)
    )
    return total / sum(int(count.sum()) for count in counts)


def _mean_joined(losses, counts):
    flat = torch.cat([loss.flatten() for loss in losses])
    kept = torch.cat([count.flatten() for count in counts])
    return flat[kept].mean().item()


def _mean_weighted(losses, counts):
    total = tokens = 0.0
    for loss, count in zip(losses, counts, strict=True):
        total += loss[count].mean().item() * int(count.sum())
        tokens += int(count.sum())
    return total / tokens


def _mean_of_means(losses, counts):
    means = [loss[count].mean() for loss, count in zip(losses, counts, strict=True)]
    return float(torch.stack(means).mean())


def _mean_by_rows(losses, counts):
    rows = [
        loss[i][count[i]].mean()
        for loss, count in zip(losses, counts, strict=True)
        for i in range(len(loss))
    ]
    return float(torch.stack(rows).mean())


def _mean_with_padding(losses, counts):
    return float(torch.cat([loss.flatten() for loss in losses]).mean())


def _mean_padding_in_divisor(losses, counts):
    total = sum(float((loss * count).sum()) for loss, count in zip(losses, counts))  # noqa: B905
    return total / sum(count.numel() for count in counts)


def _mean_sum_only(losses, counts):
    return sum(float((loss * count).sum()) for loss, count in zip(losses, counts))  # noqa: B905


def _mean_cases():
    g = torch.Generator().manual_seed(0)
    losses = [torch.rand(2, 6, generator=g) + 1, torch.rand(3, 2, generator=g)]
    counts = [torch.ones(2, 6).bool(), torch.ones(3, 2).bool()]
    counts[0][1, 3:], counts[1][0, 1] = False, False
    return [
        Case(losses, counts, note="two batches with padding"),
        Case(losses[:1], [torch.ones(2, 6).bool()], note="one batch, no padding"),
    ]


MEAN_PER_TOKEN = Exercise(
    name="mean_per_token",
    signature="mean_per_token(losses, counts)",
    reference=mean_per_token,
    cases=_mean_cases,
    right=(_mean_joined, _mean_weighted),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            "mean of means",
            "Each batch has the same say, however few tokens it has. Add up the losses "
            "of all batches first and divide once.",
            _mean_of_means,
        ),
        Mistake(
            "mean of rows",
            "Each row has the same say, however short its text is. Every *token* "
            "counts once.",
            _mean_by_rows,
        ),
        Mistake(
            "padding counts",
            "Padding is in the sum. Nobody asked the model what comes after the end.",
            _mean_with_padding,
        ),
        Mistake(
            "padding in the divisor",
            "The sum leaves padding out, the number you divide by does not: the loss "
            "looks better the more padding there is.",
            _mean_padding_in_divisor,
        ),
        Mistake(
            "no division",
            "This is the sum. Divide it by the number of tokens that count.",
            _mean_sum_only,
        ),
    ),
)

# --- how far above the floor ---------------------------------------------------------


def above_floor(loss: float, bits: Sequence[float], n_tokens: int) -> float:
    """Return how far a loss lies above the least that is possible, as a share.

    Args:
        loss: of the model, in nats per token.
        bits: how many bits each text carries.
        n_tokens: how many tokens all texts are together.

    Returns:
        0.05 for a loss that is 5 % above the floor.
    """
    floor = sum(bits) * math.log(2) / n_tokens
    return loss / floor - 1


def _above_in_bits(loss, bits, n_tokens):
    floor_bits = sum(bits) / n_tokens
    return (loss / math.log(2) - floor_bits) / floor_bits


def _above_in_total(loss, bits, n_tokens):
    nats = [b / math.log2(math.e) for b in bits]
    return (loss * n_tokens - sum(nats)) / sum(nats)


def _above_cases():
    return [
        Case(0.9, [60.0, 41.5, 50.25], 130, note="three texts"),
        Case(math.log(2), [8.0], 8, note="a loss that is exactly the floor"),
    ]


ABOVE_FLOOR = Exercise(
    name="above_floor",
    signature="above_floor(loss, bits, n_tokens)",
    reference=above_floor,
    cases=_above_cases,
    right=(_above_in_bits, _above_in_total),
    tolerance=1e-6,
    mistakes=(
        Mistake(
            "bits against nats",
            "Bits are compared with nats. One bit is ln 2 = 0.69 nats.",
            lambda loss, bits, n: loss / (sum(bits) / n) - 1,
        ),
        Mistake(
            "the wrong way round",
            "The bits became more when they were turned into nats. A nat is the larger "
            "unit, so there are fewer of them.",
            lambda loss, bits, n: loss / (sum(bits) / math.log(2) / n) - 1,
        ),
        Mistake(
            "per text, not per token",
            "The floor is that of a text; the loss is per *token*.",
            lambda loss, bits, n: (
                loss / (sum(bits) * math.log(2) / len(bits)) - 1 if len(bits) else 0
            ),
        ),
        Mistake(
            "a ratio",
            "This says how many times the floor the loss is. How far *above* it: at "
            "the floor itself the answer is 0.",
            lambda loss, bits, n: loss / (sum(bits) * math.log(2) / n),
        ),
        Mistake(
            "a difference",
            "This is the gap in nats. As a share of the floor, please.",
            lambda loss, bits, n: loss - sum(bits) * math.log(2) / n,
        ),
        Mistake(
            "in per cent",
            "This counts in per cent. Return the share itself: 0.05 for 5 %.",
            lambda loss, bits, n: 100 * above_floor(loss, bits, n),
        ),
    ),
)

EXERCISES = [TEXT_WINDOWS, TRAINING_STEP, MEAN_PER_TOKEN, ABOVE_FLOOR]
