"""Cut one long text into what is read and what is to be said next.

Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from llmkit.checks import check_positive, check_shape


def random_windows(
    ids: Tensor,
    context_length: int,
    batch_size: int,
    generator: torch.Generator | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of windows that begin anywhere in the text, without end.

    Args:
        ids: int64, (N,), the text.
        context_length: T.
        batch_size: B.
        generator: draws where the windows begin; None: PyTorch's global one.

    Yields:
        Inputs and targets, int64, (B, T) each; a target is the token after its input.

    Raises:
        ValueError: the text is shorter than one window.
    """
    _check_text(ids, context_length, batch_size)
    offsets = torch.arange(context_length)
    while True:
        begins = torch.randint(
            len(ids) - context_length, (batch_size, 1), generator=generator
        )
        places = (begins + offsets).to(ids.device)  # (B, T)
        yield ids[places], ids[places + 1]


def ordered_windows(
    ids: Tensor, context_length: int, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the text once, window after window, for evaluation.

    Tokens at the end that fill no whole window are left out.

    Args:
        ids: int64, (N,), the text.
        context_length: T.
        batch_size: B; the last batch may be smaller.

    Yields:
        Inputs and targets, int64, (B, T) each.

    Raises:
        ValueError: the text is shorter than one window.
    """
    _check_text(ids, context_length, batch_size)
    windows = (len(ids) - 1) // context_length
    used = windows * context_length
    inputs = ids[:used].view(windows, context_length)
    targets = ids[1 : used + 1].view(windows, context_length)
    yield from zip(inputs.split(batch_size), targets.split(batch_size), strict=True)


def _check_text(ids: Tensor, context_length: int, batch_size: int) -> None:
    check_shape("ids", ids, "N")
    check_positive("context_length", context_length)
    check_positive("batch_size", batch_size)
    if len(ids) <= context_length:
        raise ValueError(
            f"the text must be longer than context_length={context_length}, so that "
            f"every input has a next token; got {len(ids)} tokens"
        )
