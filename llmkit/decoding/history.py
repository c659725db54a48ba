"""Filters that look back: what has been said already, and what must not be said.

Keskar et al. 2019, "CTRL", section 4.1 (repetition penalty); Paulus et al. 2017, "A
Deep Reinforced Model for Abstractive Summarization", section 2.5 (no n-gram twice).
Home notebook: 09_decoding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from llmkit.checks import check_positive, check_shape, check_type


def repetition_penalty(
    logits: Tensor, ids: Tensor, penalty: float, mask: Tensor | None = None
) -> Tensor:
    """Make every token that already occurs in the text less likely.

    A positive logit is divided by the penalty and a negative one multiplied, so the
    effect depends on where the model happens to put zero: a known oddity of the method.

    Args:
        logits: (B, V).
        ids: the text so far, prompt included, (B, T).
        penalty: above 1 discourages, below 1 encourages, 1 changes nothing.
        mask: bool, (B, T); False marks padding, which is not part of the text.

    Returns:
        The new logits, (B, V).
    """
    sizes = check_shape("logits", logits, "B V")
    check_shape("ids", ids, "B T", B=sizes["B"])
    check_positive("penalty", penalty)
    seen = _seen(ids, sizes["V"], mask)
    lowered = torch.where(logits < 0, logits * penalty, logits / penalty)
    return torch.where(seen, lowered, logits)


def no_repeat_ngram(
    logits: Tensor, ids: Tensor, n: int, mask: Tensor | None = None
) -> Tensor:
    """Forbid every token that would complete an n-gram already in the text.

    Args:
        logits: (B, V).
        ids: the text so far, prompt included, (B, T).
        n: the length of the n-gram, at least 1.
        mask: bool, (B, T); False marks padding, which is not part of the text.

    Returns:
        The logits with the forbidden tokens at `-inf`, (B, V).
    """
    sizes = check_shape("logits", logits, "B V")
    check_shape("ids", ids, "B T", B=sizes["B"])
    check_type("n", n, int)
    check_positive("n", n)
    if ids.shape[1] < n:
        return logits
    windows = ids.unfold(1, n, 1)  # (B, T - n + 1, n)
    start = ids[:, ids.shape[1] - n + 1 :]  # the last n - 1 tokens
    matches = (windows[..., :-1] == start[:, None]).all(-1)  # (B, T - n + 1)
    if mask is not None:
        matches &= mask.bool().unfold(1, n, 1).all(-1)
    banned = _seen(windows[..., -1], sizes["V"], matches)
    return logits.masked_fill(banned, -math.inf)


def bad_words(
    logits: Tensor,
    ids: Tensor,
    words: Sequence[Sequence[int]],
    mask: Tensor | None = None,
) -> Tensor:
    """Forbid every token that would complete one of these runs of tokens.

    A word has several spellings in tokens ("fox", " fox", "Fox", …): each that must
    not come is a run of its own.

    Args:
        logits: (B, V).
        ids: the text so far, prompt included, (B, T).
        words: runs of token ids, none of them empty.
        mask: bool, (B, T); False marks padding, which is not part of the text.

    Returns:
        The logits with the forbidden tokens at `-inf`, (B, V).
    """
    sizes = check_shape("logits", logits, "B V")
    check_shape("ids", ids, "B T", B=sizes["B"])
    banned = torch.zeros_like(logits, dtype=torch.bool)
    for *start, last in words:
        matches = torch.ones(sizes["B"], dtype=torch.bool, device=ids.device)
        if len(start) > ids.shape[1]:
            continue
        if start:
            tail = slice(ids.shape[1] - len(start), None)
            matches = (ids[:, tail] == torch.tensor(start, device=ids.device)).all(-1)
            if mask is not None:
                matches &= mask[:, tail].bool().all(-1)
        banned[:, last] |= matches
    return logits.masked_fill(banned, -math.inf)


def _seen(ids: Tensor, vocab_size: int, mask: Tensor | None) -> Tensor:
    """Mark which tokens of the vocabulary occur among ids, (B, V) bool."""
    # one column more than there are tokens takes the padding, and is cut off again
    seen = torch.zeros(
        ids.shape[0], vocab_size + 1, dtype=torch.bool, device=ids.device
    )
    ids = ids.clamp(max=vocab_size)
    if mask is not None:
        ids = ids.masked_fill(~mask.bool(), vocab_size)
    return seen.scatter(1, ids, True)[:, :vocab_size]
