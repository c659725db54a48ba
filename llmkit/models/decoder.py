"""What all decoder-only models share: positions, who sees whom, and the walk of blocks.

A decoder's own file says what goes into the first block and what its blocks are.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from llmkit.models.output import Recorder
from llmkit.nn import (
    Block,
    KVCache,
    causal_mask,
    padding_mask,
    rotary_angles,
    sliding_window_mask,
)


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


def run_blocks(
    blocks: Iterable[Block],
    x: Tensor,
    recorder: Recorder,
    cache: KVCache | None,
    mask: Tensor | None,
    rotary: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Send the residual stream through the blocks, one after another.

    Args:
        blocks: the L blocks, first one first.
        x: the stream that goes into the first block, (B, T, D).
        recorder: keeps the L + 1 streams and the weights of each block, as asked.
        cache: keys and values of earlier tokens, extended in place, or None.
        mask: bool, (T, S) or (B, 1, T, S), True where a token may look; None: all may.
        rotary: cosines and sines for the positions of `x`, or None.

    Returns:
        The stream that comes out of the last block, (B, T, D).
    """
    recorder.stream(x)
    for layer, block in enumerate(blocks):
        x, weights, _ = block(
            x,
            mask=mask,
            rotary=rotary,
            cache=cache[layer] if cache else None,
            need_weights=recorder.weights is not None,
        )
        recorder.looked(weights)
        recorder.stream(x)
    return x


def looking(model, ids: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """Return what a decoder tells its blocks of a whole text without padding.

    Args:
        model: a decoder of the kit.
        ids: int64, (B, T), T of one or more.

    Returns:
        Who may look, bool, (T, T); and the cosines and sines of the T positions, or
        None where the model adds its positions to the stream.
    """
    length, device = ids.shape[1], ids.device
    window = getattr(model.config, "window", None)
    mask = decoder_mask(length, None, None, device, window)
    if mask is None:  # one token, which sees itself
        mask = torch.ones(1, 1, dtype=torch.bool, device=device)
    base = getattr(model.config, "rotary_base", None)
    if base is None:
        return mask, None
    positions = next_positions(length, None, None, device)
    return mask, rotary_angles(positions, model.blocks[0].attention.d_head, base)
