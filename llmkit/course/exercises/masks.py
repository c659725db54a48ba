"""Exercises of 03_attention: who may look at whom, and the softmax that obeys."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.nn import causal_mask, padding_mask


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

EXERCISES = [MASKED_SOFTMAX, CAUSAL_MASK, DECODER_MASK]
