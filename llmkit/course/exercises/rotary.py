"""Exercises of 02_embeddings_and_positions: turn queries and keys by their place."""

from __future__ import annotations

import torch

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.nn import apply_rotary, rotary_angles

# --- rotary ------------------------------------------------------------------------


def _rotary_complex(x, cos, sin):
    half = x.shape[-1] // 2
    turned = torch.complex(x[..., :half], x[..., half:]) * torch.complex(
        cos[..., :half], sin[..., :half]
    )
    return torch.cat([turned.real, turned.imag], dim=-1)


def _rotary_pairs(x, cos, sin):
    half = x.shape[-1] // 2
    out = torch.empty_like(x)
    for i in range(half):
        a, b = x[..., i], x[..., i + half]
        out[..., i] = a * cos[:, i] - b * sin[:, i]
        out[..., i + half] = b * cos[:, i] + a * sin[:, i]
    return out


def _rotary_swap(x, sign_first=-1.0, sign_second=1.0):
    first, second = x.chunk(2, dim=-1)
    return torch.cat([sign_first * second, sign_second * first], dim=-1)


def _rotary_backwards(x, cos, sin):
    return x * cos + _rotary_swap(x, 1.0, -1.0) * sin


def _rotary_no_minus(x, cos, sin):
    return x * cos + _rotary_swap(x, 1.0, 1.0) * sin


def _rotary_no_swap(x, cos, sin):
    return x * cos + x * sin


def _rotary_halves_swapped(x, cos, sin):
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-first, second], dim=-1) * sin


def _rotary_neighbours(x, cos, sin):
    turned = torch.stack([-x[..., 1::2], x[..., 0::2]], dim=-1).flatten(-2)
    return x * cos + turned * sin


def _rotary_neighbours_own(x, cos, sin):
    half = x.shape[-1] // 2
    c, s = cos[..., :half], sin[..., :half]
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * c - b * s, b * c + a * s], dim=-1).flatten(-2)


def _rotary_cos_only(x, cos, sin):
    return x * cos


def _rotary_cases():
    generator = torch.Generator().manual_seed(2)

    def case(shape, base, note=""):
        x = torch.randn(*shape, generator=generator)
        return Case(x, *rotary_angles(shape[2], shape[3], base), note=note)

    return [
        case((1, 1, 3, 4), 10000.0),
        case((2, 3, 5, 6), 100.0, "several heads"),
        case((1, 2, 2, 8), 10.0, "a small base"),
    ]


ROTARY = Exercise(
    name="apply_rotary",
    signature="apply_rotary(x, cos, sin)",
    reference=apply_rotary,
    cases=_rotary_cases,
    right=(_rotary_complex, _rotary_pairs),
    mistakes=(
        Mistake(
            "wrong way round",
            "The pairs are turned backwards: the sign of the sine is wrong. (a, b) "
            "turned by t is (a cos t - b sin t, b cos t + a sin t).",
            (_rotary_backwards, lambda x, c, s: apply_rotary(x, c, -s)),
        ),
        Mistake(
            "no minus",
            "Both signs are plus, and that is no rotation: vectors change their "
            "length. One of the two sines needs a minus.",
            _rotary_no_minus,
        ),
        Mistake(
            "no swap",
            "Each feature is mixed with itself only. A rotation mixes the *two* "
            "features of a pair: where does b come into the new a?",
            (_rotary_no_swap, _rotary_halves_swapped),
        ),
        Mistake(
            "neighbours paired",
            "Neighbours (0, 1), (2, 3), … are paired. That is the layout of the "
            "paper; here, as in Llama, feature i is paired with feature i + Dh/2.",
            (_rotary_neighbours, _rotary_neighbours_own),
        ),
        Mistake(
            "no sine",
            "Only the cosine part is there: features shrink instead of turning. Add "
            "the part that is multiplied with the sine.",
            _rotary_cos_only,
        ),
        Mistake(
            "sine and cosine swapped",
            "Sine and cosine have changed places. Position 0 must not be turned at "
            "all: there the cosine is 1 and the sine 0.",
            lambda x, c, s: apply_rotary(x, s, c),
        ),
    ),
)


EXERCISES = [ROTARY]
