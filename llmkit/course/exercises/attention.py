"""Exercises of 03_attention: masks, the softmax, and the whole of attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.nn import attention, causal_mask, padding_mask


def _generator():
    return torch.Generator().manual_seed(0)


# --- softmax over what is allowed ----------------------------------------------------


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Share out a weight of 1 in each row among the keys that may be seen.

    Args:
        scores: (T, S).
        mask: bool, (T, S); True means "may look".

    Returns:
        (T, S); hidden keys get exactly 0.
    """
    return scores.masked_fill(~mask, -math.inf).softmax(dim=-1)


def _softmax_where(scores, mask):
    return F.softmax(torch.where(mask, scores, torch.tensor(-math.inf)), dim=1)


def _softmax_by_hand(scores, mask):
    e = (scores - scores.max(dim=-1, keepdim=True).values).exp() * mask
    return e / e.sum(dim=-1, keepdim=True)


def _softmax_bias(scores, mask):
    return (scores + torch.zeros_like(scores).masked_fill(~mask, -1e9)).softmax(-1)


def _softmax_cases():
    g = _generator()
    scores = 2 * torch.randn(3, 5, generator=g)
    mask = torch.rand(3, 5, generator=g) > 0.4
    mask[:, 1] = True
    return [
        Case(scores, mask, note="three queries, five keys"),
        Case(scores[:, :3], causal_mask(3), note="a causal mask"),
        Case(scores, torch.ones_like(mask), note="nothing hidden"),
    ]


MASKED_SOFTMAX = Exercise(
    name="masked_softmax",
    signature="masked_softmax(scores, mask)",
    reference=masked_softmax,
    cases=_softmax_cases,
    right=(_softmax_where, _softmax_by_hand, _softmax_bias),
    mistakes=(
        Mistake(
            "mask after softmax",
            "The mask comes after the softmax, so a row no longer sums to 1: the "
            "hidden keys took their share first. Hide the *scores*, then take the "
            "softmax.",
            lambda s, m: s.softmax(-1) * m,
        ),
        Mistake(
            "score 0",
            "Hidden scores became 0, but e⁰ = 1 is a weight like any other. Which "
            "score has an exponential of 0?",
            (lambda s, m: (s * m).softmax(-1), lambda s, m: (s * m.int()).softmax(-1)),
        ),
        Mistake(
            "mask added",
            "The mask was added to the scores: True counts as 1, so allowed keys get "
            "a bonus of 1 and nobody is hidden.",
            (
                lambda s, m: (s + m.float()).softmax(-1),
                lambda s, m: (s - (~m).float()).softmax(-1),
            ),
        ),
        Mistake(
            "inverted",
            "The mask works the wrong way round: True means “may look”, and yours "
            "hides just those keys.",
            lambda s, m: s.masked_fill(m, -math.inf).softmax(-1),
        ),
        Mistake(
            "wrong axis",
            "Columns sum to 1 instead of rows. Each *query*, one row, shares out its "
            "weight among the keys: over which axis do the keys run?",
            lambda s, m: s.masked_fill(~m, -math.inf).softmax(0),
        ),
        Mistake(
            "no mask",
            "Every key gets some weight: the mask is not used.",
            lambda s, m: s.softmax(-1),
        ),
    ),
)

# --- the causal mask -----------------------------------------------------------------


def _causal_compare(query_length, key_length=None):
    key_length = query_length if key_length is None else key_length
    query = torch.arange(key_length - query_length, key_length)[:, None]
    return torch.arange(key_length)[None, :] <= query


def _causal_loop(query_length, key_length=None):
    key_length = key_length or query_length
    first = key_length - query_length
    rows = [[j <= first + i for j in range(key_length)] for i in range(query_length)]
    return torch.tensor(rows)


def _tril(query_length, key_length, diagonal):
    ones = torch.ones(query_length, key_length or query_length, dtype=torch.bool)
    return ones.tril(diagonal)


def _offset(query_length, key_length):
    return (key_length or query_length) - query_length


CAUSAL_MASK = Exercise(
    name="causal_mask",
    signature="causal_mask(query_length, key_length=None)",
    reference=causal_mask,
    cases=lambda: [
        Case(4, note="as many keys as queries"),
        Case(1, note="a single token"),
        Case(2, 5, note="three earlier keys"),
        Case(1, 6, note="one new token, five earlier keys"),
    ],
    right=(_causal_compare, _causal_loop),
    mistakes=(
        Mistake(
            "future visible",
            "Your mask shows the future and hides the past. Row i is the query at "
            "position i; it may see the columns up to i.",
            lambda t, s=None: _tril(t, s, _offset(t, s)).flip(0, 1),
        ),
        Mistake(
            "inverted",
            "True and False are exchanged. In this kit True means “may look”.",
            lambda t, s=None: ~_tril(t, s, _offset(t, s)),
        ),
        Mistake(
            "not itself",
            "No token sees itself, and the first one sees nothing at all. The diagonal "
            "belongs to the past.",
            lambda t, s=None: _tril(t, s, _offset(t, s) - 1),
        ),
        Mistake(
            "one ahead",
            "Each token sees one token too many: the very one it should predict.",
            lambda t, s=None: _tril(t, s, _offset(t, s) + 1),
        ),
        Mistake(
            "earlier keys",
            "Right when there are as many keys as queries. With more keys the queries "
            "are the *last* positions: how far does the diagonal move?",
            lambda t, s=None: _tril(t, s, 0),
        ),
        Mistake(
            "numbers",
            "These are numbers, 1 and 0. A mask is bool: compare, or convert.",
            (
                lambda t, s=None: _tril(t, s, _offset(t, s)).float(),
                lambda t, s=None: _tril(t, s, _offset(t, s)).int(),
            ),
        ),
    ),
)

# --- attention -----------------------------------------------------------------------


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

# --- two masks at once ---------------------------------------------------------------


def decoder_mask(attention_mask: Tensor) -> Tensor:
    """Hide the future and the padding, for a batch of texts of unequal length.

    Args:
        attention_mask: bool, (B, T); True marks a real token.

    Returns:
        bool, (B, 1, T, T); True means "may look".
    """
    return causal_mask(attention_mask.shape[1]) & padding_mask(attention_mask)


def _decoder_mask_loop(attention_mask):
    size = attention_mask.shape[1]
    out = torch.zeros(len(attention_mask), 1, size, size, dtype=torch.bool)
    for b, t, s in torch.cartesian_prod(*map(torch.arange, out[:, 0].shape)).tolist():
        out[b, 0, t, s] = s <= t and attention_mask[b, s]
    return out


def _decoder_mask_broadcast(attention_mask):
    place = torch.arange(attention_mask.shape[1])
    causal = place[None, None, None, :] <= place[None, None, :, None]
    return attention_mask[:, None, None, :] * causal


def _decoder_mask_cases():
    left = torch.tensor([[False, True, True, True], [True, True, True, True]])
    return [
        Case(left.flip(1), note="padding on the right"),
        Case(left, note="padding on the left"),
        Case(torch.ones(3, 2, dtype=torch.bool), note="no padding"),
    ]


def _causal_of(attention_mask):
    return causal_mask(attention_mask.shape[1])


DECODER_MASK = Exercise(
    name="decoder_mask",
    signature="decoder_mask(attention_mask)",
    reference=decoder_mask,
    cases=_decoder_mask_cases,
    right=(_decoder_mask_loop, _decoder_mask_broadcast),
    mistakes=(
        Mistake(
            "or",
            "A key is shown as soon as *one* of the masks allows it. It must pass "
            "both: not in the future, and not padding.",
            lambda a: _causal_of(a) | padding_mask(a),
        ),
        Mistake(
            "queries hidden",
            "The padding is hidden as a query (a row). What must not be looked at is "
            "a *key*: a column.",
            (
                lambda a: _causal_of(a) & a[:, None, :, None],
                lambda a: _causal_of(a) & a[:, None, :, None] & a[:, None, None, :],
            ),
        ),
        Mistake(
            "padding forgotten",
            "The future is hidden, but padding on the left is still looked at.",
            lambda a: _causal_of(a).expand(len(a), 1, -1, -1),
        ),
        Mistake(
            "future visible",
            "Padding is hidden, but tokens see the future.",
            lambda a: padding_mask(a).expand(-1, 1, a.shape[1], -1),
        ),
        Mistake(
            "inverted",
            "True and False are exchanged: True means “may look”.",
            lambda a: ~decoder_mask(a),
        ),
        Mistake(
            "axis for heads",
            "The axis for the heads is missing: (B, 1, T, T) broadcasts over heads, "
            "(B, T, T) would be read as one mask for each *head*.",
            lambda a: decoder_mask(a)[:, 0],
        ),
    ),
)

EXERCISES = [MASKED_SOFTMAX, CAUSAL_MASK, ATTENTION, DECODER_MASK]
