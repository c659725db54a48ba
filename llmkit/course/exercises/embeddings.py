"""Exercises of 02_embeddings_and_positions: from ids to vectors, and neighbours."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from llmkit.course.exercise import Case, Exercise, Mistake

# --- one-hot -----------------------------------------------------------------------


def one_hot(ids: Tensor, vocab_size: int) -> Tensor:
    """Write each id as a row of zeros with a single 1.

    Args:
        ids: int64, (T,).
        vocab_size: V.

    Returns:
        float32, (T, V).
    """
    return torch.eye(vocab_size)[ids]


def _one_hot_scatter(ids, vocab_size):
    rows = torch.zeros(len(ids), vocab_size)
    rows[torch.arange(len(ids)), ids] = 1
    return rows


def _one_hot_compare(ids, vocab_size):
    return (ids[:, None] == torch.arange(vocab_size)[None, :]).float()


def _one_hot_cases():
    return [
        (torch.tensor([2, 0, 3]), 5),
        Case(torch.tensor([1, 1, 0, 6]), 7, note="a repeated id"),
        Case(torch.tensor([3]), 4, note="the last id of the vocabulary"),
    ]


ONE_HOT = Exercise(
    name="one_hot",
    signature="one_hot(ids, vocab_size)",
    reference=one_hot,
    cases=_one_hot_cases,
    right=(_one_hot_scatter, _one_hot_compare, lambda i, v: F.one_hot(i, v).float()),
    mistakes=(
        Mistake(
            "axis",
            "Tokens and vocabulary are swapped: one *row* for each token, one *column* "
            "for each word of the vocabulary, so the shape is (T, V).",
            lambda i, v: one_hot(i, v).T,
        ),
        Mistake(
            "counted from 1",
            "The 1 stands one column too far to the left: ids count from 0, so id 0 "
            "is the first column.",
            lambda i, v: one_hot((i - 1) % v, v),
        ),
        Mistake(
            "shifted right",
            "The 1 stands one column too far to the right: id 2 belongs to column 2, "
            "where the first column is column 0.",
            lambda i, v: one_hot((i + 1) % v, v),
        ),
        Mistake(
            "bag of words",
            "All tokens ended up in one row. That counts words and loses their "
            "order; each token needs a row of its own.",
            (
                lambda i, v: one_hot(i, v).sum(0),
                lambda i, v: one_hot(i, v).sum(0).clamp(max=1),
            ),
        ),
        Mistake(
            "whole numbers",
            "The ones and zeros are whole numbers, but they will be multiplied with "
            "a table of decimal numbers: make them float32.",
            (lambda i, v: F.one_hot(i, v), lambda i, v: one_hot(i, v).bool()),
        ),
    ),
)

# --- looking up --------------------------------------------------------------------


def embed(ids: Tensor, table: Tensor) -> Tensor:
    """Look each id up in the table.

    Args:
        ids: int64, (B, T).
        table: (V, D).

    Returns:
        (B, T, D).
    """
    return table[ids]


def _embed_matmul(ids, table):
    return F.one_hot(ids, len(table)).to(table) @ table


def _embed_loop(ids, table):
    return torch.stack([torch.stack([table[i] for i in row]) for row in ids])


def _embed_cases():
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.tensor([[2, 0, 3]]), torch.randn(5, 4, generator=generator)),
        (torch.tensor([[1, 1], [0, 2]]), torch.randn(6, 3, generator=generator)),
        Case(
            torch.tensor([[0, 1, 2, 2]]),
            torch.randn(4, 4, generator=generator),
            note="a square table",
        ),
    ]


def _columns(ids, table):
    return table.T[ids]


def _to_unit(ids, table):
    return F.normalize(table[ids], dim=-1)


EMBED = Exercise(
    name="embed",
    signature="embed(ids, table)",
    reference=embed,
    cases=_embed_cases,
    right=(_embed_matmul, _embed_loop, lambda i, t: F.embedding(i, t)),
    mistakes=(
        Mistake(
            "columns",
            "Columns are taken instead of rows. Each word of the vocabulary owns one "
            "*row* of the table, (V, D).",
            _columns,
        ),
        Mistake(
            "counted from 1",
            "Every token gets the row of its neighbour: ids count from 0, as the rows "
            "of the table do.",
            (
                lambda i, t: t[(i - 1) % len(t)],
                lambda i, t: t[(i + 1) % len(t)],
            ),
        ),
        Mistake(
            "normalised",
            "The vectors come out with length 1. Looking up changes nothing: the row "
            "is handed on as it is.",
            _to_unit,
        ),
        Mistake(
            "summed",
            "The vectors of the sentence were added or averaged into one. Each token "
            "keeps a vector of its own: (B, T, D).",
            (lambda i, t: t[i].sum(1), lambda i, t: t[i].mean(1)),
        ),
    ),
)

# --- neighbours --------------------------------------------------------------------


def neighbours(table: Tensor, token: int, k: int) -> list[int]:
    """Find the k rows whose direction is most like that of one row.

    Args:
        table: (V, D).
        token: the row that asks.
        k: how many others are wanted.

    Returns:
        k row numbers, nearest first, without `token` itself.
    """
    unit = F.normalize(table, dim=-1)
    similarity = unit @ unit[token]  # (V,)
    similarity[token] = -torch.inf
    return similarity.topk(k).indices.tolist()


def _neighbours_sorted(table, token, k):
    cosine = F.cosine_similarity(table, table[token][None], dim=-1)
    order = cosine.argsort(descending=True).tolist()
    return [row for row in order if row != token][:k]


def _neighbours_plain(table, token, k):
    def cosine(row):
        return float(table[row] @ table[token] / table[row].norm())

    others = [row for row in range(len(table)) if row != token]
    return sorted(others, key=cosine, reverse=True)[:k]


def _nearest_by(score, table, token, k, keep_self=False):
    score = score.clone()
    if not keep_self:
        score[token] = -torch.inf
    return score.topk(k).indices.tolist()


def _cosine(table, token):
    return F.cosine_similarity(table, table[token][None], dim=-1)


def _neighbours_cases():
    generator = torch.Generator().manual_seed(1)
    # rows of very different length, so that a dot product is fooled by long ones
    stretch = torch.logspace(-1, 1, 12)[torch.randperm(12, generator=generator)]
    table = torch.randn(12, 3, generator=generator) * stretch[:, None]
    return [Case(table, token, 3, note=f"token {token}") for token in (0, 5, 7, 11)]


NEIGHBOURS = Exercise(
    name="neighbours",
    signature="neighbours(table, token, k)",
    reference=neighbours,
    cases=_neighbours_cases,
    right=(_neighbours_sorted, _neighbours_plain),
    mistakes=(
        Mistake(
            "itself",
            "The word is its own nearest neighbour in your list. Leave it out, and "
            "fill up to k others.",
            (
                lambda t, i, k: _nearest_by(_cosine(t, i), t, i, k, keep_self=True),
                lambda t, i, k: neighbours(t, i, k - 1),
            ),
        ),
        Mistake(
            "not normalised",
            "Long vectors win whatever their direction: this is a plain dot product. "
            "Divide by the lengths; the cosine compares directions only.",
            (
                lambda t, i, k: _nearest_by(t @ t[i], t, i, k),
                lambda t, i, k: _nearest_by(t @ t[i], t, i, k, keep_self=True),
            ),
        ),
        Mistake(
            "Euclidean",
            "These are the nearest by distance between the tips of the arrows. The "
            "exercise asks for the nearest by angle (cosine).",
            lambda t, i, k: _nearest_by(-(t - t[i]).norm(dim=-1), t, i, k),
        ),
        Mistake(
            "farthest",
            "These are the words *least* alike: the order is upside down. A cosine of "
            "1 is the closest, -1 the opposite.",
            (
                lambda t, i, k: _nearest_by(-_cosine(t, i), t, i, k),
                lambda t, i, k: _cosine(t, i).argsort()[:k].tolist(),
            ),
        ),
        Mistake(
            "without the sign",
            "Vectors that point the opposite way are counted as near: the sign of the "
            "cosine was lost (abs or a square).",
            lambda t, i, k: _nearest_by(_cosine(t, i).abs(), t, i, k),
        ),
    ),
)

EXERCISES = [ONE_HOT, EMBED, NEIGHBOURS]
