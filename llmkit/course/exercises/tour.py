"""Exercises of 00_tour: scores to probabilities, the best token, the loop."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from llmkit.course.exercise import Case, Exercise, Mistake

# --- probabilities -------------------------------------------------------------------


def probabilities(scores: Tensor, temperature: float) -> Tensor:
    """Turn scores into probabilities at a temperature.

    Args:
        scores: (V,).
        temperature: above 0.

    Returns:
        (V,), summing to 1.
    """
    return (scores / temperature).softmax(dim=-1)


def _by_hand(scores, temperature):
    e = torch.exp(scores / temperature - (scores / temperature).max())
    return e / e.sum()


def _by_powers(scores, temperature):
    p = scores.softmax(-1) ** (1 / temperature)
    return p / p.sum()


PROBABILITIES = Exercise(
    name="probabilities",
    signature="probabilities(scores, temperature)",
    reference=probabilities,
    cases=lambda: [
        Case(torch.tensor([2.0, 1.0, 0.5]), 1.0, note="temperature 1"),
        Case(torch.tensor([2.0, 1.0, -1.5, 0.25]), 0.5, note="temperature 0.5"),
        Case(torch.tensor([-3.0, 1.0, 4.0]), 2.0, note="temperature 2"),
    ],
    right=(_by_hand, _by_powers),
    mistakes=(
        Mistake(
            "multiplied",
            "The scores are multiplied by the temperature, so a high temperature makes "
            "the model more certain. Heat should melt the differences: divide.",
            lambda s, t: (s * t).softmax(-1),
        ),
        Mistake(
            "ignored",
            "The temperature is not used: the result is the same at every one.",
            lambda s, t: s.softmax(-1),
        ),
        Mistake(
            "after the softmax",
            "The temperature comes after the softmax, so the numbers no longer sum to "
            "1. It belongs on the scores, before the exponential.",
            lambda s, t: s.softmax(-1) / t,
        ),
        Mistake(
            "normalised again",
            "Dividing the probabilities and normalising again changes nothing: every "
            "one was divided alike. The temperature belongs on the scores.",
            lambda s, t: (s.softmax(-1) / t + 1e-3) / (s.softmax(-1) / t + 1e-3).sum(),
        ),
        Mistake(
            "no exponential",
            "The scores were divided by their sum. Some are negative, so that gives "
            "negative “probabilities”. What makes any number positive?",
            lambda s, t: (s / t) / (s / t).sum(),
        ),
        Mistake(
            "not normalised",
            "All positive, but they do not sum to 1: what is each one a share of?",
            lambda s, t: (s / t).exp(),
        ),
    ),
)

# --- the most likely token -----------------------------------------------------------


def most_likely(scores: Tensor) -> int:
    """Return the id of the token with the highest score.

    Args:
        scores: (V,).

    Returns:
        A whole number from 0 to V - 1.
    """
    return int(scores.argmax())


MOST_LIKELY = Exercise(
    name="most_likely",
    signature="most_likely(scores)",
    reference=most_likely,
    cases=lambda: [
        Case(torch.tensor([0.1, 3.0, -2.0]), note="three tokens"),
        Case(torch.tensor([-9.0, -1.0, -4.0, -0.5]), note="negative scores only"),
        Case(torch.tensor([7.0, -8.0, 2.0]), note="a large negative score"),
        Case(torch.tensor([1.5]), note="one token"),
    ],
    right=(
        lambda scores: scores.tolist().index(max(scores.tolist())),
        lambda scores: int(scores.topk(1).indices[0]),
        lambda scores: int(scores.softmax(-1).argmax()),
    ),
    mistakes=(
        Mistake(
            "the score itself",
            "This is the highest score. The model needs to know *which* token has it: "
            "its place in the row.",
            (lambda scores: float(scores.max()), lambda scores: scores.max()),
        ),
        Mistake(
            "least likely",
            "This is the token with the lowest score.",
            lambda scores: int(scores.argmin()),
        ),
        Mistake(
            "largest size",
            "A large *negative* score is a very unlikely token. Compare the scores as "
            "they are, without their absolute value.",
            lambda scores: int(scores.abs().argmax()),
        ),
    ),
)

# --- the loop ------------------------------------------------------------------------


def write(score: Callable[[list[int]], Tensor], ids: list[int], n: int) -> list[int]:
    """Write n tokens, always the most likely one.

    Args:
        score: takes the ids so far and returns a score for every token, (V,).
        ids: the prompt.
        n: how many tokens to write.

    Returns:
        The prompt and the n new tokens.
    """
    for _ in range(n):
        ids = [*ids, int(score(ids).argmax())]
    return ids


def _recursively(score, ids, n):
    return (
        ids if n == 0 else _recursively(score, [*ids, int(score(ids).argmax())], n - 1)
    )


def _on_a_copy(score, ids, n):
    out = list(ids)
    while len(out) < len(ids) + n:
        out.append(max(range(7), key=lambda i: float(score(out)[i])))
    return out


def _score(ids: list[int]) -> Tensor:
    """A stand-in for a model over 7 tokens, in which the whole text matters."""
    mixed = (sum((place + 1) * i for place, i in enumerate(ids)) + len(ids)) % 7
    return -(torch.arange(7.0) - mixed).abs()


def _repeated(score, ids, n):
    return [*ids, *[int(score(ids).argmax())] * n]


def _last_only(score, ids, n):
    out = list(ids)
    for _ in range(n):
        out.append(int(score(out[-1:]).argmax()))
    return out


WRITE = Exercise(
    name="write",
    signature="write(score, ids, n)",
    reference=write,
    cases=lambda: [
        Case(_score, [3, 1], 4, note="four more tokens"),
        Case(_score, [5], 1, note="one more token"),
        Case(_score, [2, 2, 6], 6, note="six more tokens"),
        Case(_score, [4, 0], 0, note="no more tokens"),
    ],
    right=(_recursively, _on_a_copy),
    mistakes=(
        Mistake(
            "asked once",
            "The model was asked once and its answer repeated. After each new token "
            "the text is a different one: ask again.",
            _repeated,
        ),
        Mistake(
            "last token only",
            "The model gets the last token only, and has forgotten the rest. Give it "
            "the whole text so far.",
            _last_only,
        ),
        Mistake(
            "without the prompt",
            "These are the new tokens only. Return the prompt and what follows it.",
            lambda score, ids, n: write(score, ids, n)[len(ids) :],
        ),
        Mistake(
            "in front",
            "The new token was put in front of the text. Text grows at its end.",
            lambda score, ids, n: _in_front(score, ids, n),
        ),
    ),
)


def _in_front(score, ids, n):
    for _ in range(n):
        ids = [int(score(ids).argmax()), *ids]
    return ids


EXERCISES = [PROBABILITIES, MOST_LIKELY, WRITE]
