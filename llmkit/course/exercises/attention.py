"""Exercises of 03_attention: the whole of attention."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.nn import attention, causal_mask


def _generator():
    return torch.Generator().manual_seed(0)


def _slips(
    q,
    k,
    v,
    mask=None,
    divide=lambda q, k: math.sqrt(q.shape[-1]),
    hide=lambda scores, mask: scores.masked_fill(~mask, -math.inf),
    axis=-1,
    after=None,
    values=None,
):
    """Compute attention with the usual places for a slip left open."""
    scores = q @ k.transpose(-2, -1) / divide(q, k)
    if mask is not None and hide is not None:
        scores = hide(scores, mask)
    weights = scores.softmax(dim=axis)
    if mask is not None and after is not None:
        weights = after(weights, mask)
    return weights @ (v if values is None else values(q, k, v)), weights


def _slip(**how):
    return lambda q, k, v, mask=None: _slips(q, k, v, mask, **how)


def _attention_einsum(q, k, v, mask=None):
    scores = torch.einsum("bhtd,bhsd->bhts", q, k) * q.shape[-1] ** -0.5
    if mask is not None:
        scores = torch.where(mask, scores, torch.tensor(-math.inf))
    e = (scores - scores.amax(-1, keepdim=True)).exp()
    weights = e / e.sum(-1, keepdim=True)
    return torch.einsum("bhts,bhsd->bhtd", weights, v), weights


def _attention_rows(q, k, v, mask=None):
    weights = torch.zeros(*q.shape[:3], k.shape[2])
    for b, h, t in torch.cartesian_prod(*map(torch.arange, q.shape[:3])).tolist():
        seen = slice(None)
        if mask is not None:
            seen = mask.expand(weights.shape)[b, h, t]
        scores = k[b, h][seen] @ q[b, h, t] / math.sqrt(q.shape[-1])
        weights[b, h, t, seen] = scores.softmax(0)
    return weights @ v, weights


def _attention_torch(q, k, v, mask=None):
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    identity = torch.eye(k.shape[2]).expand(*k.shape[:2], -1, -1)
    return mixed, F.scaled_dot_product_attention(q, k, identity, attn_mask=mask)


def _keys_reshaped(q, k, v, mask=None):
    flipped = k.reshape(*k.shape[:2], k.shape[3], k.shape[2])
    scores = q @ flipped / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1) @ v, scores.softmax(-1)


def _attention_cases():
    g = _generator()
    q = 2 * torch.randn(2, 3, 5, 4, generator=g)
    k, v = (2 * torch.randn(2, 3, 7, 4, generator=g) for _ in range(2))
    mask = torch.rand(2, 1, 5, 7, generator=g) > 0.4
    mask[..., 2] = True
    return [
        Case(q, k, v, note="without a mask"),
        Case(q, k, v, mask, note="with a mask"),
        Case(q, k[:, :, :5], v[:, :, :5], causal_mask(5), note="with a causal mask"),
        Case(q[:, :, :1], k[:, :, :1], v[:, :, :1], note="a single token"),
    ]


ATTENTION = Exercise(
    name="attention",
    signature="attention(q, k, v, mask=None)",
    reference=attention,
    cases=_attention_cases,
    right=(_attention_einsum, _attention_rows, _attention_torch),
    mistakes=(
        Mistake(
            "no scale",
            "The scores are not divided by √Dh. Without it they grow with the width of "
            "the head, and the softmax puts nearly everything on one key.",
            _slip(divide=lambda q, k: 1.0),
        ),
        Mistake(
            "scale without root",
            "You divide by Dh, but the spread of a sum of Dh products grows with its "
            "square *root*.",
            _slip(divide=lambda q, k: q.shape[-1]),
        ),
        Mistake(
            "wrong width",
            "You divide by the square root of a *number of tokens*. The Dh in √Dh is "
            "the width of one query, its last axis.",
            (
                _slip(divide=lambda q, k: math.sqrt(k.shape[-2])),
                _slip(divide=lambda q, k: math.sqrt(q.shape[-2])),
            ),
        ),
        Mistake(
            "mask after softmax",
            "The mask comes after the softmax: hidden keys took their share before "
            "they were hidden, so rows sum to less than 1. Hide the *scores*.",
            _slip(hide=None, after=lambda w, m: w * m),
        ),
        Mistake(
            "wrong axis",
            "The softmax runs over the wrong axis: each query (row) must share out a "
            "weight of 1 among the *keys*, the last axis of the scores.",
            (_slip(axis=-2), _slip(axis=1), _slip(axis=0)),
        ),
        Mistake(
            "mask inverted",
            "The mask works the wrong way round. True means “may look”; hide where it "
            "is False.",
            _slip(hide=lambda s, m: s.masked_fill(m, -math.inf)),
        ),
        Mistake(
            "future visible",
            "Right without a mask; with one, the hidden keys are still seen. The mask "
            "is not used.",
            _slip(hide=None),
        ),
        Mistake(
            "mask added",
            "The mask was added to the scores, so True counts as a bonus of 1 and "
            "nobody is hidden. What must be added to a score to make its weight 0?",
            (
                _slip(hide=lambda s, m: s + m.float()),
                _slip(hide=lambda s, m: s - (~m).float()),
            ),
        ),
        Mistake(
            "score 0",
            "Hidden scores became 0, but e⁰ = 1 is a weight like any other.",
            _slip(hide=lambda s, m: s * m),
        ),
        Mistake(
            "keys reshaped",
            "The keys were reshaped where they should be transposed: the shape fits, "
            "but the numbers of different tokens are mixed up.",
            _keys_reshaped,
        ),
        Mistake(
            "keys mixed",
            "The *keys* are mixed at the end. Keys say where to look; what is fetched "
            "from there are the values.",
            _slip(values=lambda q, k, v: k),
        ),
        Mistake(
            "one result",
            "Return two things: the mixed values, then the weights.",
            (
                lambda q, k, v, mask=None: _slips(q, k, v, mask)[0],
                lambda q, k, v, mask=None: _slips(q, k, v, mask)[1],
                lambda q, k, v, mask=None: _slips(q, k, v, mask)[::-1],
            ),
        ),
    ),
)

EXERCISES = [ATTENTION]
