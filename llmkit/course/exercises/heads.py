"""Exercises of 04_multi_head_attention: cut, merge, share, and name a head."""

from __future__ import annotations

import torch

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.metrics.heads import previous_token_score
from llmkit.nn import merge_heads, repeat_kv, split_heads


def _numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- splitting ---------------------------------------------------------------------


def _split_by_chunks(x, n_heads):
    return torch.stack(x.chunk(n_heads, dim=-1), dim=1)


def _split_by_view(x, n_heads):
    return x.reshape(*x.shape[:2], n_heads, -1).permute(0, 2, 1, 3)


def _split_no_transpose(x, n_heads):
    return x.reshape(x.shape[0], n_heads, x.shape[1], -1)


def _split_heads_third(x, n_heads):
    return x.reshape(*x.shape[:2], n_heads, -1)


def _split_interleaved(x, n_heads):
    return x.reshape(*x.shape[:2], -1, n_heads).permute(0, 3, 1, 2)


def _split_transposed(x, n_heads):
    return split_heads(x, n_heads).transpose(-2, -1)


SPLIT = Exercise(
    name="split_heads",
    signature="split_heads(x, n_heads)",
    reference=split_heads,
    cases=lambda: [
        (_numbers(2, 3, 20), 4),
        Case(_numbers(1, 5, 6, seed=1), 2, note="a single sequence"),
        Case(_numbers(3, 1, 6, seed=2), 3, note="a single token"),
    ],
    right=(_split_by_chunks, _split_by_view),
    mistakes=(
        Mistake(
            "reshaped at once",
            "The shape is right, but the numbers are mixed up: a reshape straight to "
            "(B, H, T, Dh) cuts across tokens. First cut the width, (B, T, H, Dh), "
            "then swap two axes.",
            _split_no_transpose,
        ),
        Mistake(
            "heads behind tokens",
            "Your axes are (B, T, H, Dh). The head axis belongs in front of the "
            "tokens, so that each head multiplies its own (T, Dh) matrix.",
            _split_heads_third,
        ),
        Mistake(
            "every H-th feature",
            "Head 0 must get the *first* Dh features in a row; yours gets every H-th "
            "feature. Which of the two new axes comes first in the cut?",
            _split_interleaved,
        ),
        Mistake(
            "tokens and features swapped",
            "The last two axes are swapped: (B, H, Dh, T). Tokens come first.",
            _split_transposed,
        ),
    ),
)


# --- merging -----------------------------------------------------------------------


def _merge_by_cat(x):
    return torch.cat(list(x.unbind(1)), dim=-1)


def _merge_by_permute(x):
    batch, heads, length, width = x.shape
    return x.permute(0, 2, 1, 3).reshape(batch, length, heads * width)


def _merge_no_transpose(x):
    batch, heads, length, width = x.shape
    return x.reshape(batch, length, heads * width)


def _merge_interleaved(x):
    return x.permute(0, 2, 3, 1).flatten(-2)


MERGE = Exercise(
    name="merge_heads",
    signature="merge_heads(x)",
    reference=merge_heads,
    cases=lambda: [
        (_numbers(2, 4, 3, 5),),
        Case(_numbers(1, 2, 5, 3, seed=1), note="a single sequence"),
    ],
    right=(_merge_by_cat, _merge_by_permute),
    mistakes=(
        Mistake(
            "no transpose",
            "The heads are merged without a transpose: a row now holds several tokens "
            "of one head. Bring the axes into the order (B, T, H, Dh) first.",
            _merge_no_transpose,
        ),
        Mistake(
            "heads interleaved",
            "The features of the heads alternate. They must lie side by side: all of "
            "head 0, then all of head 1, as `split_heads` found them.",
            _merge_interleaved,
        ),
        Mistake(
            "heads averaged",
            "The heads are added or averaged into one. Nothing may get lost: the "
            "result is H * Dh wide.",
            (lambda x: x.mean(1), lambda x: x.sum(1)),
        ),
    ),
)


# --- grouped queries ---------------------------------------------------------------


def _repeat_by_index(x, n_heads):
    group = n_heads // x.shape[1]
    return x[:, [h // group for h in range(n_heads)]]


def _repeat_by_expand(x, n_heads):
    batch, kv, length, width = x.shape
    wide = x[:, :, None].expand(batch, kv, n_heads // kv, length, width)
    return wide.reshape(batch, n_heads, length, width)


REPEAT = Exercise(
    name="repeat_kv",
    signature="repeat_kv(x, n_heads)",
    reference=repeat_kv,
    cases=lambda: [
        (_numbers(2, 2, 3, 5), 6),
        Case(_numbers(1, 3, 2, 4, seed=1), 3, note="as many as queries"),
        Case(_numbers(1, 1, 4, 3, seed=2), 4, note="one for all"),
    ],
    right=(_repeat_by_index, _repeat_by_expand),
    mistakes=(
        Mistake(
            "tiled",
            "The order is 0, 1, 0, 1, …: the whole set is repeated. Neighbours share "
            "a key head, so the order is 0, 0, 0, 1, 1, 1.",
            lambda x, n_heads: x.repeat(1, n_heads // x.shape[1], 1, 1),
        ),
        Mistake(
            "tokens repeated",
            "The tokens are repeated, not the heads. The head axis is axis 1.",
            lambda x, n_heads: x.repeat_interleave(n_heads // x.shape[1], dim=2),
        ),
        Mistake(
            "first head for all",
            "Every query head gets the first key head. Only the heads of one group "
            "share.",
            lambda x, n_heads: x[:, :1].expand(-1, n_heads, -1, -1),
        ),
    ),
)


# --- a score -----------------------------------------------------------------------


def _score_cases():
    def weights(*shape, seed):
        return _numbers(*shape, seed=seed).softmax(-1).numpy()

    return [
        (weights(4, 4, seed=0),),
        Case(weights(7, 7, seed=1), note="seven tokens"),
        Case(weights(2, 2, seed=2), note="two tokens"),
    ]


def _score_loop(weights):
    values = [weights[i, i - 1] for i in range(1, len(weights))]
    return sum(values) / len(values)


def _score_trace(weights):
    return weights.trace(offset=-1) / (len(weights) - 1)


PREVIOUS = Exercise(
    name="previous_token_score",
    signature="previous_token_score(weights)",
    reference=previous_token_score,
    cases=_score_cases,
    right=(_score_loop, _score_trace),
    mistakes=(
        Mistake(
            "next token",
            "That is the next token's share: rows and columns are swapped. The row is "
            "who looks (i), the column who is looked at (i - 1).",
            lambda w: w.diagonal(1).mean(),
        ),
        Mistake(
            "itself",
            "That is the diagonal, the attention of each token to itself.",
            lambda w: w.diagonal().mean(),
        ),
        Mistake(
            "divided by T",
            "You divide by the number of tokens. The first token has no one before "
            "it, so there are only T - 1 looks to average.",
            lambda w: w.trace(offset=-1) / len(w),
        ),
        Mistake(
            "wrapped around",
            "At i = 0, index i - 1 is -1, which Python reads as the *last* token. "
            "Start with the second token.",
            lambda w: sum(w[i, i - 1] for i in range(len(w))) / len(w),
        ),
        Mistake(
            "summed",
            "The shares are added up, so the score grows with the text. Take their "
            "mean.",
            lambda w: w.trace(offset=-1),
        ),
    ),
)


EXERCISES = [SPLIT, MERGE, REPEAT, PREVIOUS]
