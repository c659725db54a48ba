"""Exercises of 09_decoding: texts of unequal length, and 8-bit weights."""

from __future__ import annotations

import torch

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.decoding import left_pad, quantize_rows

# --- prompts of unequal length -------------------------------------------------------


def _pad_rows(prompts, pad_id, side):
    longest = max(len(p) for p in prompts)
    ids, mask = [], []
    for prompt in prompts:
        fill = longest - len(prompt)
        left, right = (fill, 0) if side == "left" else (0, fill)
        ids.append([pad_id] * left + list(prompt) + [pad_id] * right)
        mask.append([False] * left + [True] * len(prompt) + [False] * right)
    return torch.tensor(ids), torch.tensor(mask)


def _pad_flip(prompts, pad_id):
    rows = [torch.tensor(p).flip(0) for p in prompts]
    ids = torch.nn.utils.rnn.pad_sequence(rows, True, pad_id).flip(1)
    ones = [torch.ones(len(p), dtype=torch.bool) for p in prompts]
    return ids, torch.nn.utils.rnn.pad_sequence(ones, True, False).flip(1)


LEFT_PAD = Exercise(
    name="left_pad",
    signature="left_pad(prompts, pad_id)",
    reference=left_pad,
    cases=lambda: [
        Case([[5], [3, 5, 5, 9], [8, 0]], 0, note="a prompt that holds the pad id"),
        Case([[1, 2, 3], [4]], 7, note="two prompts"),
    ],
    right=(lambda p, i: _pad_rows(p, i, "left"), _pad_flip),
    mistakes=(
        Mistake(
            "on the right",
            "The padding stands on the right, between the prompt and what the model "
            "writes. The next token is written behind the last column: every text must "
            "end there.",
            lambda p, i: _pad_rows(p, i, "right"),
        ),
        Mistake(
            "the mask read off the ids",
            "The mask hides every token with the padding's id, also one that belongs "
            "to a prompt. Take it from the lengths.",
            lambda p, i: (
                _pad_rows(p, i, "left")[0],
                _pad_rows(p, i, "left")[0] != i,
            ),
        ),
        Mistake(
            "the mask inverted",
            "The mask is True on the padding. In this kit True means: this may be "
            "looked at.",
            lambda p, i: (
                _pad_rows(p, i, "left")[0],
                ~_pad_rows(p, i, "left")[1],
            ),
        ),
    ),
)


# --- 8-bit weights -------------------------------------------------------------------


def _quantize(weight, largest, cut=False):
    scale = largest / 127
    scaled = weight / scale
    whole = scaled.trunc() if cut else scaled.round()
    return whole.to(torch.int8), scale


QUANTIZE = Exercise(
    name="quantize_rows",
    signature="quantize_rows(weight)",
    reference=quantize_rows,
    cases=lambda: [
        Case(torch.tensor([[1.27, -0.5, 0.256], [0.01, 0.02, -0.04]]), note="by hand"),
        Case(
            torch.randn(3, 8, generator=torch.Generator().manual_seed(0)),
            note="three rows",
        ),
    ],
    right=(
        lambda w: _quantize(w, w.abs().max(dim=1, keepdim=True).values),
        lambda w: _quantize(w, torch.maximum(w, -w).amax(1).unsqueeze(1)),
    ),
    mistakes=(
        Mistake(
            "one scale for all",
            "One scale for the whole matrix: a row of small weights is then rounded to "
            "a few numbers, or to nothing. Give each row its own.",
            lambda w: _quantize(w, w.abs().max().expand(len(w), 1)),
        ),
        Mistake(
            "the largest, not the largest size",
            "The scale was taken from the largest weight. Where the smallest lies "
            "further from 0, its quotient passes −128 and the byte wraps round. Take "
            "the largest *absolute* value.",
            lambda w: _quantize(w, w.amax(dim=1, keepdim=True)),
        ),
        Mistake(
            "cut off",
            "The fractions were cut off. Rounding to the nearest halves the largest "
            "error, and does not pull everything towards 0.",
            lambda w: _quantize(w, w.abs().amax(dim=1, keepdim=True), cut=True),
        ),
    ),
)


EXERCISES = [LEFT_PAD, QUANTIZE]
