"""From one vector for each token to one for the whole text.

First token: Devlin et al. 2019, "BERT", section 3.2; mean: Reimers and Gurevych 2019,
"Sentence-BERT", section 3. Home notebook: 10_fine_tuning_bert.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llmkit.checks import check_shape


def mean_pool(x: Tensor, attention_mask: Tensor) -> Tensor:
    """Return the mean over the real tokens; padding has no say.

    Args:
        x: the vectors of the tokens, (B, T, D).
        attention_mask: bool, (B, T); True marks a real token.

    Returns:
        (B, D).

    Raises:
        ValueError: a text has no real token.
    """
    mask = _real(x, attention_mask)
    return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def first_pool(x: Tensor, attention_mask: Tensor) -> Tensor:
    """Return the vector of the first token, such as `[CLS]`.

    Args:
        x: the vectors of the tokens, (B, T, D).
        attention_mask: bool, (B, T).

    Returns:
        (B, D).
    """
    _real(x, attention_mask)
    return x[:, 0]


def last_pool(x: Tensor, attention_mask: Tensor) -> Tensor:
    """Return the vector of the last real token; in a decoder, only that one saw all.

    Args:
        x: the vectors of the tokens, (B, T, D).
        attention_mask: bool, (B, T); True marks a real token.

    Returns:
        (B, D).
    """
    mask = _real(x, attention_mask)
    places = torch.arange(x.shape[1], device=x.device)
    last = (places * mask).argmax(1)  # (B, T) -> (B)
    return x[torch.arange(len(x), device=x.device), last]


def max_pool(x: Tensor, attention_mask: Tensor) -> Tensor:
    """Return the greatest value of each feature over the real tokens.

    Args:
        x: the vectors of the tokens, (B, T, D).
        attention_mask: bool, (B, T); True marks a real token.

    Returns:
        (B, D).
    """
    mask = _real(x, attention_mask)
    return x.masked_fill(~mask[..., None], -torch.inf).amax(1)


POOLINGS = {
    "mean": mean_pool,
    "first": first_pool,
    "last": last_pool,
    "max": max_pool,
}


def _real(x: Tensor, attention_mask: Tensor) -> Tensor:
    sizes = check_shape("x", x, "B T D")
    check_shape("attention_mask", attention_mask, "B T", B=sizes["B"], T=sizes["T"])
    mask = attention_mask.bool()
    if not mask.any(1).all():
        empty = int((~mask.any(1)).nonzero()[0])
        raise ValueError(
            f"attention_mask must mark a real token in every text; text {empty} of "
            f"{len(mask)} has none. Leave empty texts out"
        )
    return mask
