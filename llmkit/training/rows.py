"""Batches of whole texts: each in a row of its own, rows of like length together.

A model that shall know everything that came before must read a text from its first
token. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count

import torch
from torch import Tensor, nn

from llmkit.checks import check_count
from llmkit.data.stories import Story, stories
from llmkit.losses import cross_entropy
from llmkit.nn import evaluating
from llmkit.tokenizers import Tokenizer

_CHUNK = 16  # so many batches are sorted by length at a time


def pad_rows(rows: Sequence[Sequence[int]], pad_id: int = 0) -> tuple[Tensor, Tensor]:
    """Put texts of several lengths into one batch, and shift the targets.

    Args:
        rows: token ids of each text, two or more.
        pad_id: fills the inputs on the right, where no target counts.

    Returns:
        Inputs and targets, int64, (B, T) each, T one less than the longest text; a
        target is the token after its input, or -100 where there is none.

    Raises:
        ValueError: there is no text, or one has no second token.
    """
    if not rows or min(map(len, rows)) < 2:
        raise ValueError(
            "rows must hold one text or more, each of two tokens or more; got lengths "
            f"{[len(row) for row in rows][:8]}"
        )
    length = max(map(len, rows)) - 1
    inputs = torch.full((len(rows), length), pad_id)
    targets = torch.full((len(rows), length), -100)
    for i, row in enumerate(rows):
        inputs[i, : len(row) - 1] = torch.as_tensor(row[:-1])
        targets[i, : len(row) - 1] = torch.as_tensor(row[1:])
    return inputs, targets


def rows_by_length(
    rows: Sequence[Sequence[int]],
    batch_size: int,
    source: random.Random | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield every text once, in batches of like length, so that little is padding.

    Args:
        rows: token ids of each text.
        batch_size: B; the last batch may be smaller.
        source: shuffles the batches; None: the shortest texts come first.

    Yields:
        Inputs and targets as `pad_rows` makes them.
    """
    check_count("batch_size", batch_size)
    rows = sorted(rows, key=len)
    begins = list(range(0, len(rows), batch_size))
    if source is not None:
        source.shuffle(begins)
    for begin in begins:
        yield pad_rows(rows[begin : begin + batch_size])


def story_ids(tokenizer: Tokenizer, story: Story) -> list[int]:
    """Return a story as tokens between two separators: where it begins, where it ends.

    Neither costs any bits, so that the floor of a story is `story.surprisal` bits in
    all, on one token more than it has words.

    Args:
        tokenizer: with a separator, and a token for each word.
        story: what `tell` returned.
    """
    end = tokenizer.sep_id
    return [end, *tokenizer.encode(story.text), end]


def story_batches(
    tokenizer: Tokenizer,
    batch_size: int,
    seed: int = 0,
    first_step: int = 0,
    **sizes,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of fresh stories without end; no story is ever shown again.

    Which stories a step sees follows from the seed and the step alone, so a run that
    goes on at `first_step` sees what it would have seen.

    Args:
        tokenizer: as for `story_ids`.
        batch_size: B.
        seed: of the stories; every 16 steps use up one more.
        first_step: where to go on.
        **sizes: as for `tell`.

    Yields:
        Inputs and targets as `pad_rows` makes them.
    """
    check_count("batch_size", batch_size)
    check_count("first_step", first_step, 0)
    skip = first_step % _CHUNK
    for chunk in count(first_step // _CHUNK):
        told = stories(batch_size * _CHUNK, seed=seed + chunk, **sizes)
        rows = [story_ids(tokenizer, story) for story in told]
        batches = rows_by_length(rows, batch_size, random.Random(chunk))
        yield from list(batches)[skip:]
        skip = 0


@torch.no_grad()
def row_losses(
    model: nn.Module, rows: Sequence[Sequence[int]], batch_size: int = 64
) -> Tensor:
    """Measure how surprising each text is to a model, dropout off.

    Args:
        model: a decoder.
        rows: token ids of each text.
        batch_size: how many are read at once.

    Returns:
        float64, (N,): the sum over the tokens of each text but the first, in nats.
    """
    device = next(model.parameters()).device
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    losses = torch.empty(len(rows), dtype=torch.float64)
    with evaluating(model):
        for begin in range(0, len(order), batch_size):
            part = order[begin : begin + batch_size]
            ids, targets = (x.to(device) for x in pad_rows([rows[i] for i in part]))
            each = cross_entropy(model(ids).logits, targets, reduction="none")
            losses[part] = each.sum(dim=1).double().cpu()
    return losses
