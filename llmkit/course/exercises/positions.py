"""Exercises of 02_embeddings_and_positions: vectors and slopes for places."""

from __future__ import annotations

import math

import torch

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.nn import alibi_bias, sinusoidal_positions

# --- sinusoidal --------------------------------------------------------------------


def _waves(length, d_model, base=10000.0, start=0, step=2.0):
    """Return the angles, (T, D/2), with the usual places for a slip left open."""
    t = torch.arange(start, start + length)[:, None].double()
    i = torch.arange(d_model // 2)[None, :].double()
    return t / base ** (step * i / d_model)


def _interleave(first, second):
    return torch.stack([first, second], dim=-1).flatten(1).float()


def _sinusoidal_slices(length, d_model, base=10000.0):
    table = torch.zeros(length, d_model)
    t = torch.arange(length).float()[:, None]
    rate = torch.exp(-math.log(base) * torch.arange(0, d_model, 2).float() / d_model)
    table[:, 0::2] = torch.sin(t * rate)
    table[:, 1::2] = torch.cos(t * rate)
    return table


def _sinusoidal_loop(length, d_model, base=10000.0):
    def number(t, column):
        angle = t / base ** ((column - column % 2) / d_model)
        return math.cos(angle) if column % 2 else math.sin(angle)

    return torch.tensor([[number(t, c) for c in range(d_model)] for t in range(length)])


def _sinusoidal_halves(length, d_model, base=10000.0):
    angles = _waves(length, d_model, base)
    return torch.cat([angles.sin(), angles.cos()], dim=-1).float()


def _sinusoidal_swapped(length, d_model, base=10000.0):
    angles = _waves(length, d_model, base)
    return _interleave(angles.cos(), angles.sin())


def _sinusoidal_from_1(length, d_model, base=10000.0):
    angles = _waves(length, d_model, base, start=1)
    return _interleave(angles.sin(), angles.cos())


def _sinusoidal_slow(length, d_model, base=10000.0):
    angles = _waves(length, d_model, base, step=1.0)
    return _interleave(angles.sin(), angles.cos())


def _sinusoidal_each_column(length, d_model, base=10000.0):
    t = torch.arange(length)[:, None].double()
    angles = t / base ** (torch.arange(d_model).double() / d_model)
    table = angles.sin()
    table[:, 1::2] = angles[:, 1::2].cos()
    return table.float()


def _sinusoidal_doubled(length, d_model, base=10000.0):
    angles = _waves(length, d_model, base, step=4.0)
    return _interleave(angles.sin(), angles.cos())


def _sinusoidal_fixed_base(length, d_model, base=10000.0):
    return sinusoidal_positions(length, d_model, 10000.0)


def _sinusoidal_times(length, d_model, base=10000.0):
    angles = _waves(length, d_model, 1 / base)
    return _interleave(angles.sin(), angles.cos())


def _sinusoidal_cases():
    return [
        (4, 6),
        Case(5, 8, base=100.0, note="another base"),
        Case(3, 2, note="a single clock"),
        Case(1, 4, note="a single position"),
    ]


SINUSOIDAL = Exercise(
    name="sinusoidal_positions",
    signature="sinusoidal_positions(length, d_model, base=10000.0)",
    reference=sinusoidal_positions,
    cases=_sinusoidal_cases,
    right=(_sinusoidal_slices, _sinusoidal_loop),
    mistakes=(
        Mistake(
            "halves",
            "All sines stand on the left and all cosines on the right. In this table "
            "they alternate: column 0 sine, column 1 cosine of the same clock.",
            _sinusoidal_halves,
        ),
        Mistake(
            "swapped",
            "Sine and cosine are swapped: the even columns (0, 2, …) hold the sine, "
            "the odd ones the cosine. At position 0 a row reads 0, 1, 0, 1, …",
            _sinusoidal_swapped,
        ),
        Mistake(
            "counted from 1",
            "Your first row belongs to position 1. Positions count from 0, where every "
            "sine is 0 and every cosine is 1.",
            _sinusoidal_from_1,
        ),
        Mistake(
            "exponent too small",
            "The clocks slow down too little from pair to pair: the exponent of pair i "
            "is 2i/D. Is the 2 missing?",
            _sinusoidal_slow,
        ),
        Mistake(
            "exponent too large",
            "The clocks slow down too fast: the exponent of pair i is 2i/D. Was a "
            "range with step 2 multiplied by 2 once more?",
            _sinusoidal_doubled,
        ),
        Mistake(
            "a clock for each column",
            "Each column has a speed of its own. A sine and the cosine beside it must "
            "share one, or they are not the two hands of one clock.",
            _sinusoidal_each_column,
        ),
        Mistake(
            "base ignored",
            "The argument base is not used: 10000 is written into the function. It "
            "works until someone asks for another base.",
            _sinusoidal_fixed_base,
        ),
        Mistake(
            "multiplied",
            "The position is multiplied by base**(2i/D) instead of divided by it, so "
            "the clocks get faster and not slower.",
            _sinusoidal_times,
        ),
    ),
)


# --- ALiBi -------------------------------------------------------------------------


def _alibi_loop(n_heads, length):
    rows = [
        [
            [-(2 ** (-8 * (h + 1) / n_heads)) * abs(q - k) for k in range(length)]
            for q in range(length)
        ]
        for h in range(n_heads)
    ]
    return torch.tensor(rows)


def _alibi_broadcast(n_heads, length):
    slopes = (0.5 ** (8 / n_heads)) ** torch.arange(1, n_heads + 1)
    places = torch.arange(length)
    return -slopes.view(-1, 1, 1) * (places.view(1, -1, 1) - places).abs()


def _alibi_with(slopes, length, distance=None):
    places = torch.arange(length)
    gap = places[:, None] - places[None, :]
    gap = gap.abs() if distance is None else distance(gap)
    return -torch.as_tensor(slopes).float()[:, None, None] * gap


def _alibi_slopes(n_heads, first=1):
    return [2 ** (-8 * (h + first) / n_heads) for h in range(n_heads)]


def _alibi_cases():
    return [Case(8, 5), Case(4, 3, note="four heads"), Case(2, 6, note="two heads")]


ALIBI = Exercise(
    name="alibi_bias",
    signature="alibi_bias(n_heads, length)",
    reference=alibi_bias,
    cases=_alibi_cases,
    right=(_alibi_loop, _alibi_broadcast),
    mistakes=(
        Mistake(
            "rewards distance",
            "The sign is wrong: far keys gain points. They must lose some, so every "
            "number is 0 or below.",
            lambda h, t: -alibi_bias(h, t),
        ),
        Mistake(
            "signed distance",
            "Keys on one side lose points and those on the other side gain them. Take "
            "the distance without its sign.",
            (
                lambda h, t: _alibi_with(_alibi_slopes(h), t, lambda gap: gap),
                lambda h, t: _alibi_with(_alibi_slopes(h), t, lambda gap: -gap),
            ),
        ),
        Mistake(
            "one slope for all",
            "All heads have the same slope. Each needs its own, so that some look "
            "close by and some look far.",
            (
                lambda h, t: _alibi_with([_alibi_slopes(h)[0]] * h, t),
                lambda h, t: _alibi_with([0.5] * h, t),
                lambda h, t: _alibi_with([1.0] * h, t),
            ),
        ),
        Mistake(
            "heads counted from 0",
            "The first slope is 1: heads were counted from 0. Head number h, counted "
            "from 1, has the slope 2**(-8h/H).",
            lambda h, t: _alibi_with(_alibi_slopes(h, first=0), t),
        ),
        Mistake(
            "number of heads ignored",
            "The slopes 1/2, 1/4, 1/8, … are those of eight heads. With H heads the "
            "exponent is -8h/H, so that the last one always is 1/256.",
            lambda h, t: _alibi_with([2.0 ** -(i + 1) for i in range(h)], t),
        ),
        Mistake(
            "straight line of slopes",
            "The slopes fall in equal steps. They should fall by an equal *factor*: "
            "a power of 2 for each head.",
            (
                lambda h, t: _alibi_with([1 - i / h for i in range(h)], t),
                lambda h, t: _alibi_with([(i + 1) / h for i in range(h)], t),
            ),
        ),
    ),
)


EXERCISES = [SINUSOIDAL, ALIBI]
