"""Who may look at whom: bool masks in which True means "may look".

Vaswani et al. 2017, "Attention Is All You Need", section 3.2.3 (causal); Beltagy et
al. 2020, "Longformer", section 3.1 (sliding window). Home notebook: 03_attention.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llmkit.checks import check_positive, check_shape


def causal_mask(
    query_length: int, key_length: int | None = None, device=None
) -> Tensor:
    """Let every position look at itself and at the past, never at the future.

    When there are more keys than queries, the queries are the *last* positions: that
    is how a model goes on with a cache of keys that it has already computed.

    Args:
        query_length: T.
        key_length: S, at least T; None means S = T.
        device: where the mask is made.

    Returns:
        bool, (T, S); True means "may look".

    Raises:
        ValueError: there are fewer keys than queries.
    """
    key_length = query_length if key_length is None else key_length
    if key_length < query_length:
        raise ValueError(
            "a causal mask needs at least as many keys as queries; got "
            f"key_length={key_length}, query_length={query_length}"
        )
    full = torch.ones(query_length, key_length, dtype=torch.bool, device=device)
    # the diagonal moves right by the number of keys that lie before the first query
    return full.tril(diagonal=key_length - query_length)


def sliding_window_mask(
    query_length: int, key_length: int | None = None, window: int = 4, device=None
) -> Tensor:
    """Let every position look at itself and at the `window - 1` positions before it.

    Args:
        query_length: T.
        key_length: S, at least T; None means S = T.
        window: how many positions are seen, the own one included.
        device: where the mask is made.

    Returns:
        bool, (T, S); True means "may look".

    Raises:
        ValueError: the window is not positive, or there are fewer keys than queries.
    """
    check_positive("window", window)
    mask = causal_mask(query_length, key_length, device)
    before = mask.shape[1] - mask.shape[0]
    return mask.triu(diagonal=before - window + 1)


def padding_mask(attention_mask: Tensor) -> Tensor:
    """Hide padding from every query, whatever head it is in.

    Args:
        attention_mask: bool or 0/1, (B, S); True marks a real token.

    Returns:
        bool, (B, 1, 1, S), which broadcasts over heads and queries.
    """
    check_shape("attention_mask", attention_mask, "B S")
    return attention_mask.bool()[:, None, None, :]


def document_mask(segments: Tensor) -> Tensor:
    """Let every position look only at the text it belongs to, in a packed row.

    Args:
        segments: int64, (B, T); positions of one text have the same number, padding
            has 0.

    Returns:
        bool, (B, T, T); True means "may look". The future is not hidden by this mask.
        Padding sees itself, for a softmax over nothing has no value.
    """
    check_shape("segments", segments, "B T")
    same = segments[:, :, None] == segments[:, None, :]
    itself = torch.eye(segments.shape[1], dtype=torch.bool, device=segments.device)
    return same & (segments[:, None, :] > 0) | itself
