"""What all decoder-only models share: positions to go on from, and who sees whom."""

from __future__ import annotations

import torch
from torch import Tensor

from llmkit.nn import KVCache, causal_mask, padding_mask, sliding_window_mask


def next_positions(
    length: int, cache: KVCache | None, attention_mask: Tensor | None, device
) -> Tensor:
    """Number the new tokens, going on from the cache and skipping padding.

    Args:
        length: T, how many tokens are new.
        cache: what was computed before, or None.
        attention_mask: bool or 0/1, (B, S), over old and new tokens, or (B, T, S),
            which says of each new token what it may see, or None.
        device: where the numbers are made.

    Returns:
        int64, (T,) without a mask, else (B, T). With padding on the left, each text
        still begins at position 0, and so does each text of a packed window.
    """
    before = cache.length if cache is not None else 0
    if attention_mask is None:
        return torch.arange(before, before + length, device=device)
    if attention_mask.dim() == 3:
        past = causal_mask(length, before + length, device)
        return ((attention_mask.bool() & past).sum(dim=2) - 1).clamp(min=0)
    positions = attention_mask.long().cumsum(dim=1) - 1  # (B, S)
    return positions.clamp(min=0)[:, -length:]


def decoder_mask(
    length: int,
    cache: KVCache | None,
    attention_mask: Tensor | None,
    device,
    window: int | None = None,
) -> Tensor | None:
    """Hide the future, and the padding if there is any.

    Args:
        length: T, how many tokens are new.
        cache: what was computed before, or None.
        attention_mask: bool or 0/1, (B, S) or (B, T, S), or None.
        device: where the mask is made.
        window: how far back a token sees, itself included; None: all the way.

    Returns:
        bool, (T, S) or (B, 1, T, S), True where a token may look; None where every
        new token may look at everything (one new token and no padding).

    Raises:
        ValueError: `attention_mask` does not cover old and new tokens.
    """
    before = cache.length if cache is not None else 0
    total = before + length
    if attention_mask is not None and attention_mask.shape[-1] != total:
        raise ValueError(
            f"attention_mask must cover all {total} tokens, {before} of them in the "
            f"cache; got {attention_mask.shape[-1]} columns"
        )
    if length == 1 and attention_mask is None and (window is None or window >= total):
        return None
    if window is None:
        mask = causal_mask(length, total, device)  # (T, S)
    else:
        mask = sliding_window_mask(length, total, window, device)
    if attention_mask is not None and attention_mask.dim() == 3:
        mask = mask & attention_mask.bool()[:, None]  # (B, 1, T, S)
    elif attention_mask is not None:
        mask = mask & padding_mask(attention_mask)  # (B, 1, T, S)
    return mask
