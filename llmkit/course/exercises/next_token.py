"""Exercises of 06_loss_and_optimization: what is to be said next."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.losses import next_token_loss as kit_next_token_loss


def _generator():
    return torch.Generator().manual_seed(0)


# --- the next token ------------------------------------------------------------------


def next_token_loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Score each position by how well it foresaw the token after it.

    Args:
        logits: (B, T, V), from a model that read `ids`.
        ids: int64, (B, T).

    Returns:
        The mean over the T − 1 positions that have a next token.
    """
    return kit_next_token_loss(logits, ids)


def _pair(rows, wanted):
    """Score some positions of the logits with some of the ids."""

    def loss(logits, ids):
        x, t = logits[:, rows], ids[:, wanted]
        return F.cross_entropy(x.flatten(0, 1), t.flatten())

    return loss


def _with_ignore(logits, ids):
    targets = ids.roll(-1, 1)
    targets[:, -1] = -100
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def _position_by_position(logits, ids):
    losses = [
        F.cross_entropy(logits[:, t], ids[:, t + 1]) for t in range(ids.shape[1] - 1)
    ]
    return sum(losses) / len(losses)


def _next_cases():
    g = _generator()
    logits = 2 * torch.randn(2, 5, 7, generator=g)
    ids = torch.randint(7, (2, 5), generator=g)
    return [
        Case(logits, ids, note="two sequences of five tokens"),
        Case(logits[:1], ids[:1], note="one sequence"),
        Case(logits[:, :3], ids[:, :3], note="three tokens"),
    ]


NEXT_TOKEN_LOSS = Exercise(
    name="next_token_loss",
    signature="next_token_loss(logits, ids)",
    reference=next_token_loss,
    cases=_next_cases,
    right=(
        _pair(slice(None, -1), slice(1, None)),
        _with_ignore,
        _position_by_position,
    ),
    mistakes=(
        Mistake(
            "targets not shifted",
            "Each position is scored by its own token, which the model has just read. "
            "It would learn to copy; the target is the token *after* it.",
            (
                _pair(slice(None), slice(None)),
                _pair(slice(None, -1), slice(None, -1)),
            ),
        ),
        Mistake(
            "shifted backwards",
            "Each position is scored by the token before it: a model would learn to "
            "remember, not to foresee.",
            _pair(slice(1, None), slice(None, -1)),
        ),
        Mistake(
            "shifted twice",
            "A token is skipped: each position is scored by the token after the next.",
            _pair(slice(None, -2), slice(2, None)),
        ),
        Mistake(
            "last position wraps round",
            "The last position is scored by the *first* token of its row: that is "
            "what roll does. It has no next token and must be left out.",
            lambda x, i: F.cross_entropy(x.flatten(0, 1), i.roll(-1, 1).flatten()),
        ),
        Mistake(
            "rows run together",
            "Rows were joined before the shift, so the end of one is scored by the "
            "beginning of the next.",
            lambda x, i: F.cross_entropy(x.flatten(0, 1)[:-1], i.flatten()[1:]),
        ),
        Mistake(
            "sum",
            "The surprises are added up and not averaged.",
            lambda x, i: F.cross_entropy(
                x[:, :-1].flatten(0, 1), i[:, 1:].flatten(), reduction="sum"
            ),
        ),
    ),
)


EXERCISES = [NEXT_TOKEN_LOSS]
