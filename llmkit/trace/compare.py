"""Two runs on one text, side by side: whose heads look alike, who knew what.

Models may cut the text differently, so both are first brought to the units that they
agree on, by the characters that each token came from. Attention is compared by the
Jensen-Shannon divergence of rows (Lin 1991, section 4): 0 bits for equal rows, 1 bit
for rows that share nothing. Home notebook: 17_interpretability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from llmkit.trace.record import Trace
from llmkit.viz.labels import visible

_MOST_ROWS = 24  # rows that every head is compared with every other on


@dataclass(frozen=True, eq=False)
class Comparison:
    """What two runs have in common. U units; `a` and `b` are the runs."""

    a: Trace
    b: Trace
    units: list[str]  # U labels
    tokens_a: list[list[int]]  # for each unit, its tokens in a
    tokens_b: list[list[int]]
    attention_a: Tensor  # (La, Ha, U, U), from unit to unit
    attention_b: Tensor  # (Lb, Hb, U, U)
    same_place: Tensor | None  # (La, Ha) bits to the head at the same place, if any
    nearest: Tensor  # int64, (La, Ha): the most similar head of b, layer * Hb + head
    to_nearest: Tensor  # (La, Ha) bits to that head
    bits_a: Tensor | None  # (U,) bits that a decoder needs for a unit; nan: the first
    bits_b: Tensor | None


def compare(a: Trace, b: Trace) -> Comparison:
    """Compare two runs on the same text.

    Args:
        a: from `capture`.
        b: from `capture` with another model, tokenizer or state of training.

    Returns:
        The `Comparison`.

    Raises:
        ValueError: the texts differ, or the runs share no unit.
    """
    if (a.text, a.pair) != (b.text, b.pair):
        raise ValueError(
            f"a and b must be runs on the same text; got {a.text!r} and {b.text!r}"
        )
    units, tokens_a, tokens_b = align(a, b)
    if not units:
        raise ValueError("the two runs share no unit of text to compare")
    first, second = (
        _by_units(x.attentions, tokens) for x, tokens in ((a, tokens_a), (b, tokens_b))
    )
    same = None
    if first.shape == second.shape:
        same = divergence(first, second).mean(-1)
    nearest, distance = _nearest(first.flatten(0, 1), second.flatten(0, 1))
    shape = first.shape[:2]
    return Comparison(
        a=a,
        b=b,
        units=units,
        tokens_a=tokens_a,
        tokens_b=tokens_b,
        attention_a=first,
        attention_b=second,
        same_place=same,
        nearest=nearest.view(shape),
        to_nearest=distance.view(shape),
        bits_a=_bits(a, tokens_a),
        bits_b=_bits(b, tokens_b),
    )


def align(a: Trace, b: Trace) -> tuple[list[str], list[list[int]], list[list[int]]]:
    """Find the smallest units of text that neither run cuts through.

    Tokens that only a tokenizer added are units of their own where both runs have as
    many of them, and are left out otherwise.

    Args:
        a: a run.
        b: another run on the same text.

    Returns:
        Labels of the U units in the order of a, and each unit's tokens in a and in b.
    """
    if a.tokens == b.tokens:
        every = [[i] for i in range(len(a))]
        return list(a.tokens), every, every
    letters_a, letters_b = _letters(a), _letters(b)
    owner: dict = {}  # a letter of the text -> the unit that holds it
    members: list[set] = []  # unit -> its letters
    for letters in (*letters_a, *letters_b):
        touched = {owner[x] for x in letters if x in owner}
        joined = set(letters).union(*(members[u] for u in touched))
        if not joined:
            continue
        members.append(joined)
        for x in joined:
            owner[x] = len(members) - 1
    order = sorted({owner[x] for x in owner}, key=lambda u: min(members[u]))
    found = []
    for unit in order:
        mine = [i for i, x in enumerate(letters_a) if x and owner[min(x)] == unit]
        yours = [i for i, x in enumerate(letters_b) if x and owner[min(x)] == unit]
        if mine and yours:
            found.append((_label(a, members[unit]), mine, yours))
    added_a = [i for i, s in enumerate(a.special) if s]
    added_b = [i for i, s in enumerate(b.special) if s]
    if len(added_a) == len(added_b):
        pairs = zip(added_a, added_b, strict=True)
        found += [(a.tokens[i], [i], [j]) for i, j in pairs]
    found.sort(key=lambda row: row[1][0])
    return [r[0] for r in found], [r[1] for r in found], [r[2] for r in found]


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """Measure how far two distributions lie apart, in bits.

    Args:
        p: rows of probabilities, (..., N).
        q: the same, broadcastable.

    Returns:
        The Jensen-Shannon divergence, (...), from 0 to 1.
    """
    middle = (p + q) / 2
    bits = _entropy(middle) - (_entropy(p) + _entropy(q)) / 2
    return bits.clamp(0, 1)


def _letters(trace: Trace) -> list[set]:
    """Name, for each token, the characters of the text it holds; spaces do not count.

    A token of spaces alone goes with the token after it, or else before it.
    """
    texts = (trace.text, trace.pair or "")
    found = []
    for (start, end), segment in zip(trace.offsets, trace.segments, strict=True):
        text = "" if segment is None else texts[segment]
        found.append({(segment, i) for i in range(start, end) if not text[i].isspace()})
    free = [s is not None and not x for s, x in zip(trace.segments, found, strict=True)]
    for i in reversed(range(len(found))):
        if free[i] and i + 1 < len(found) and found[i + 1]:
            found[i] = set(found[i + 1])
    for i in range(len(found)):
        if free[i] and not found[i] and i and found[i - 1]:
            found[i] = set(found[i - 1])
    return found


def _label(trace: Trace, letters: set) -> str:
    segment, first = min(letters)
    text = trace.text if segment == 0 else trace.pair
    return visible(text[first : max(letters)[1] + 1], 24)


def _by_units(attentions: Tensor, tokens: list[list[int]]) -> Tensor:
    """Sum over the tokens looked at, average over the tokens that look."""
    length = attentions.shape[-1]
    into = torch.zeros(length, len(tokens))
    for unit, members in enumerate(tokens):
        into[members, unit] = 1
    weights = into.T @ (attentions @ into)  # (L, H, U, U)
    weights = weights / into.sum(0)[:, None]
    # what went to tokens outside every unit is left out; rows sum to 1 again
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-9)


def _nearest(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Find for each head of a, (Na, U, U), the most similar of b, (Nb, U, U)."""
    size = a.shape[1]
    step = math.ceil(size / _MOST_ROWS)
    rows = torch.arange(size - 1, -1, -step)
    a, b = a[:, rows], b[:, rows]
    entropy_a, entropy_b = _entropy(a), _entropy(b)
    best, distance = [], []
    for head, own in zip(a, entropy_a, strict=True):
        between = _entropy((head + b) / 2) - (own + entropy_b) / 2  # (Nb, rows)
        value, index = between.mean(-1).clamp(0, 1).min(0)
        best.append(index)
        distance.append(value)
    return torch.stack(best), torch.stack(distance)


def _entropy(p: Tensor) -> Tensor:
    return -torch.xlogy(p, p).sum(-1) / math.log(2)


def _bits(trace: Trace, tokens: list[list[int]]) -> Tensor | None:
    """Add up, for each unit, the bits that a decoder needed to expect its tokens."""
    if trace.logits is None or not trace.causal:
        return None
    log_p = trace.logits[:-1].log_softmax(-1)
    ids = torch.tensor(trace.ids[1:])[:, None]
    bits = torch.full((len(trace),), math.nan)
    bits[1:] = -log_p.gather(1, ids)[:, 0] / math.log(2)
    return torch.stack([bits[members].sum() for members in tokens])
