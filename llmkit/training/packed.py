"""Batches of packed windows, and a loss in which no text sees its neighbours.

Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor, nn

from llmkit.checks import check_count
from llmkit.data import Window
from llmkit.losses import cross_entropy
from llmkit.nn import document_mask


def packed_batches(
    windows: Iterable[Window], batch_size: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Put packed windows into batches.

    Args:
        windows: of one length, such as a `Packing`.
        batch_size: B; the last batch may be smaller.

    Yields:
        Inputs, targets and segments, int64, (B, T) each. The loss `separate_texts`
        takes all three; `next_token` the first two.
    """
    check_count("batch_size", batch_size)
    coming = iter(windows)
    while part := list(islice(coming, batch_size)):
        yield tuple(torch.tensor([w.as_lists()[i] for w in part]) for i in range(3))


def separate_texts(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Score a decoder on packed windows as if each text stood alone.

    Args:
        model: a decoder.
        batch: inputs, targets and segments, (B, T) each.

    Returns:
        The mean loss over the targets that count, a number.
    """
    ids, targets, segments = batch
    logits = model(ids, attention_mask=document_mask(segments)).logits
    return cross_entropy(logits, targets)
