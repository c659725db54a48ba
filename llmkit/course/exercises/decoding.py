"""Exercises of 09_decoding: top-k, the nucleus, min-p, the repetition penalty."""

from __future__ import annotations

import math

import torch

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.decoding import min_p, repetition_penalty, top_k, top_p


def _logits(rows: int = 2, size: int = 7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.randn(rows, size, generator=generator)


def _drop(logits, drop):
    return logits.masked_fill(drop, -math.inf)


# --- top-k ---------------------------------------------------------------------------


def _top_k_sorted(logits, k):
    least = logits.sort(dim=-1, descending=True).values[:, k - 1 : k]
    return torch.where(logits >= least, logits, torch.tensor(-math.inf))


def _top_k_scatter(logits, k):
    best = logits.topk(k)
    out = torch.full_like(logits, -math.inf)
    return out.scatter(-1, best.indices, best.values)


def _kth(logits, k):
    return logits.topk(k).values[:, -1:]


TOP_K = Exercise(
    name="top_k",
    signature="top_k(logits, k)",
    reference=top_k,
    cases=lambda: [
        Case(_logits(), 3, note="k = 3"),
        Case(_logits(3, 5), 1, note="k = 1"),
        Case(_logits(1, 4), 4, note="k = all of them"),
    ],
    right=(_top_k_sorted, _top_k_scatter),
    mistakes=(
        Mistake(
            "dropped to 0",
            "Dropped tokens got the logit 0, and e⁰ = 1 is a chance like any other. "
            "Which logit becomes the probability 0?",
            lambda z, k: z.masked_fill(z < _kth(z, k), 0.0),
        ),
        Mistake(
            "one too few",
            "One token too few is kept: the k-th one belongs to the top k.",
            lambda z, k: _drop(z, z <= _kth(z, k)),
        ),
        Mistake(
            "the bottom",
            "The k *least* likely tokens are kept.",
            lambda z, k: _drop(z, z > (-_kth(-z, k))),
        ),
        Mistake(
            "over the batch",
            "The k best of the whole batch are kept, so one row may lose all its "
            "tokens. Each row is a text of its own: take the k best of each.",
            lambda z, k: _drop(z, z < z.flatten().topk(k).values[-1]),
        ),
    ),
)

# --- top-p ---------------------------------------------------------------------------


def _nucleus(logits, p, inside):
    """Keep, from the most likely on, what `inside(probabilities, sums)` says."""
    probs, order = logits.softmax(-1).sort(dim=-1, descending=True)
    keep = inside(probs, probs.cumsum(-1))
    return _drop(logits, ~torch.empty_like(keep).scatter(-1, order, keep))


def _top_p_before(logits, p):
    return _nucleus(logits, p, lambda q, total: (total - q < p) | (total == q))


def _top_p_loop(logits, p):
    out = torch.full_like(logits, -math.inf)
    for row, z in enumerate(logits):
        total = 0.0
        for i in z.argsort(descending=True).tolist():
            out[row, i] = z[i]
            total += float(z.softmax(-1)[i])
            if total >= p:
                break
    return out


TOP_P = Exercise(
    name="top_p",
    signature="top_p(logits, p)",
    reference=top_p,
    cases=lambda: [
        Case(_logits(), 0.8, note="p = 0.8"),
        Case(torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log(), 0.6, note="by hand, 0.6"),
        Case(torch.tensor([[0.9, 0.06, 0.04]]).log(), 0.5, note="one token is enough"),
        Case(torch.tensor([[0.1, 0.2, 0.7]]).log(), 0.85, note="not in order"),
    ],
    right=(_top_p_before, _top_p_loop),
    mistakes=(
        Mistake(
            "stops short",
            "The nucleus stops just before it reaches p, and where the first token "
            "alone exceeds p nothing is left. The token that crosses the line belongs "
            "to it.",
            lambda z, p: _nucleus(z, p, lambda q, total: total <= p),
        ),
        Mistake(
            "not sorted",
            "The sums run in the order of the vocabulary. Sort by probability first, "
            "and bring the answer back into the old order.",
            lambda z, p: _drop(z, z.softmax(-1).cumsum(-1) - z.softmax(-1) >= p),
        ),
        Mistake(
            "threshold",
            "Tokens with a probability below 1 - p are dropped one by one. The nucleus "
            "is about their *sum*.",
            lambda z, p: _drop(z, z.softmax(-1) < 1 - p),
        ),
        Mistake(
            "order not undone",
            "The right number of tokens, but the wrong ones: the answer is still in "
            "sorted order. `scatter` brings it back.",
            lambda z, p: _drop(z, ~_sorted_keep(z, p)),
        ),
        Mistake(
            "probabilities",
            "Probabilities came back instead of logits. Drop with -inf and return the "
            "logits, so that filters can follow one another.",
            lambda z, p: top_p(z, p).softmax(-1),
        ),
    ),
)


def _sorted_keep(logits, p):
    probs = logits.softmax(-1).sort(dim=-1, descending=True).values
    return probs.cumsum(-1) - probs < p


# --- min-p ---------------------------------------------------------------------------

MIN_P = Exercise(
    name="min_p",
    signature="min_p(logits, p)",
    reference=min_p,
    cases=lambda: [
        Case(_logits(), 0.1, note="p = 0.1"),
        Case(torch.tensor([[0.6, 0.25, 0.1, 0.05]]).log(), 0.3, note="by hand, 0.3"),
        Case(torch.tensor([[0.3, 0.4, 0.25, 0.05]]).log(), 0.35, note="a flat one"),
    ],
    right=(
        lambda z, p: _drop(z, z < z.max(-1, keepdim=True).values + math.log(p)),
        lambda z, p: torch.where(
            z.softmax(-1) / z.softmax(-1).max(-1, keepdim=True).values >= p,
            z,
            torch.tensor(-math.inf),
        ),
    ),
    mistakes=(
        Mistake(
            "absolute",
            "Tokens below the probability p itself are dropped. Min-p is *relative*: p "
            "times the probability of the most likely token.",
            lambda z, p: _drop(z, z.softmax(-1) < p),
        ),
        Mistake(
            "logits compared",
            "The logits were compared with p times the largest *logit*. Shares are "
            "shares of probability: softmax first.",
            lambda z, p: _drop(z, z < p * z.max(-1, keepdim=True).values),
        ),
        Mistake(
            "inverted",
            "The likely tokens are dropped and the unlikely ones kept.",
            lambda z, p: _drop(
                z, z.softmax(-1) >= p * z.softmax(-1).max(-1, keepdim=True).values
            ),
        ),
    ),
)

# --- repetition penalty --------------------------------------------------------------


def _penalty_cases():
    logits = torch.tensor([[2.0, -1.0, 0.5, -3.0, 4.0]])
    return [
        Case(logits, torch.tensor([[0, 1, 0]]), 2.0, note="a token that comes twice"),
        Case(_logits(2, 6), torch.tensor([[5, 1], [0, 3]]), 1.5, note="two texts"),
    ]


def _penalty_gather(logits, ids, penalty):
    score = logits.gather(1, ids)
    score = torch.where(score < 0, score * penalty, score / penalty)
    return logits.scatter(1, ids, score)


def _penalty_loop(logits, ids, penalty):
    out = logits.clone()
    for row, text in enumerate(ids.tolist()):
        for i in set(text):
            z = out[row, i]
            out[row, i] = z / penalty if z > 0 else z * penalty
    return out


def _penalty_count(logits, ids, penalty):
    out = logits.clone()
    for row, text in enumerate(ids.tolist()):
        for i in text:
            z = out[row, i]
            out[row, i] = z / penalty if z > 0 else z * penalty
    return out


REPETITION_PENALTY = Exercise(
    name="repetition_penalty",
    signature="repetition_penalty(logits, ids, penalty)",
    reference=repetition_penalty,
    cases=_penalty_cases,
    right=(_penalty_gather, _penalty_loop),
    mistakes=(
        Mistake(
            "negative logits",
            "A negative logit was divided by the penalty too, which moves it *up*, "
            "towards 0: the token becomes more likely. What lowers a negative number?",
            lambda z, ids, c: z.scatter(1, ids, z.gather(1, ids) / c),
        ),
        Mistake(
            "once for each time",
            "A token that occurs twice was penalised twice. This penalty asks only "
            "whether a token has occurred.",
            _penalty_count,
        ),
        Mistake(
            "everything",
            "Every token was penalised, also those that have not occurred yet.",
            lambda z, ids, c: torch.where(z < 0, z * c, z / c),
        ),
        Mistake(
            "subtracted",
            "The penalty was subtracted. That is another method, the presence penalty; "
            "this one divides.",
            lambda z, ids, c: z.scatter(1, ids, z.gather(1, ids) - c),
        ),
    ),
)

EXERCISES = [TOP_K, TOP_P, MIN_P, REPETITION_PENALTY]
