"""Exercises of 04_multi_head_attention: remember keys and values."""

from __future__ import annotations

import torch

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.nn import attention


def _numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- the cache ---------------------------------------------------------------------


def _with_cache(q, k, v, old_k, old_v):
    """Attend to what is kept and to what is new."""
    return attention(q, torch.cat([old_k, k], 2), torch.cat([old_v, v], 2))[0]


def _cache_by_hand(q, k, v, old_k, old_v):
    keys, values = torch.cat([old_k, k], -2), torch.cat([old_v, v], -2)
    scores = torch.einsum("bhtd,bhsd->bhts", q, keys) / q.shape[-1] ** 0.5
    return torch.einsum("bhts,bhsd->bhtd", scores.softmax(-1), values)


def _cache_in_two_parts(q, k, v, old_k, old_v):
    scale = q.shape[-1] ** -0.5
    old, new = (q @ x.mT * scale for x in (old_k, k))
    top = torch.maximum(old.amax(-1, keepdim=True), new.amax(-1, keepdim=True))
    old, new = (old - top).exp(), (new - top).exp()
    total = old.sum(-1, keepdim=True) + new.sum(-1, keepdim=True)
    return (old @ old_v + new @ v) / total


def _cache_scores_apart(q, k, v, old_k, old_v):
    return (attention(q, k, v)[0] + attention(q, old_k, old_v)[0]) / 2


CACHE = Exercise(
    name="attention_with_cache",
    signature="attention_with_cache(q, k, v, old_k, old_v)",
    reference=_with_cache,
    cases=lambda: [
        tuple(_numbers(2, 3, n, 4, seed=i) for i, n in enumerate((1, 1, 1, 5, 5))),
        Case(
            *(_numbers(1, 2, n, 6, seed=9 + i) for i, n in enumerate((1, 1, 1, 2, 2))),
            note="two kept",
        ),
    ],
    right=(_cache_by_hand, _cache_in_two_parts),
    mistakes=(
        Mistake(
            "new ones only",
            "The new token looks at itself only: what is kept is not used. Join the "
            "old and the new keys, and the old and the new values.",
            lambda q, k, v, old_k, old_v: attention(q, k, v)[0],
        ),
        Mistake(
            "old ones only",
            "The new token does not look at itself: its own key and value are missing.",
            lambda q, k, v, old_k, old_v: attention(q, old_k, old_v)[0],
        ),
        Mistake(
            "values out of order",
            "Keys and values are joined in different orders, so each weight meets the "
            "value of another token. Join both the same way round.",
            (
                lambda q, k, v, old_k, old_v: attention(
                    q, torch.cat([old_k, k], 2), torch.cat([v, old_v], 2)
                )[0],
                lambda q, k, v, old_k, old_v: attention(
                    q, torch.cat([k, old_k], 2), torch.cat([old_v, v], 2)
                )[0],
            ),
        ),
        Mistake(
            "two softmaxes",
            "Old and new keys each have a softmax of their own. They compete for the "
            "same attention: one softmax over all of them.",
            _cache_scores_apart,
        ),
        Mistake(
            "no scale",
            "The scores are not divided by √Dh.",
            lambda q, k, v, old_k, old_v: _with_cache(
                q * q.shape[-1] ** 0.5, k, v, old_k, old_v
            ),
        ),
    ),
)


EXERCISES = [CACHE]
