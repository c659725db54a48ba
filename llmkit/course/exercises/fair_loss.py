"""Exercises of 07_pretraining_gpt: a fair mean, and how far above the floor it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from llmkit.course.exercise import Case, Exercise, Mistake

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


EXERCISES = [MEAN_PER_TOKEN, ABOVE_FLOOR]
