"""Exercises of 05_transformer_block: the bend of the MLP, and its gate."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.nn import gelu


def _generator():
    return torch.Generator().manual_seed(0)


# --- GELU ----------------------------------------------------------------------------


def _gelu_normal(x):
    return x * torch.distributions.Normal(0.0, 1.0).cdf(x)


def _gelu_cases():
    x = torch.linspace(-4, 4, 33)
    return [Case(x, note="from −4 to 4"), Case(x.view(3, 11), note="a matrix")]


GELU = Exercise(
    name="gelu",
    signature="gelu(x)",
    reference=gelu,
    cases=_gelu_cases,
    right=(
        _gelu_normal,
        lambda x: F.gelu(x),
        lambda x: x / 2 * torch.erfc(-x / math.sqrt(2)),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            "tanh",
            "This is the tanh formula, which is near (within 0.0005) but not the "
            "same. The exact one uses `torch.erf`; GPT-2 uses the approximation, "
            "BERT the exact one, and mixing them up costs parity.",
            lambda x: F.gelu(x, approximate="tanh"),
        ),
        Mistake(
            "sigmoid",
            "This is x · sigmoid(1.702 x), off by up to 0.02 from GELU. "
            "The exact one uses `torch.erf`.",
            lambda x: x * torch.sigmoid(1.702 * x),
        ),
        Mistake(
            "SiLU",
            "This is SiLU, x · sigmoid(x). GELU multiplies x by the share of a "
            "*normal* distribution below x.",
            F.silu,
        ),
        Mistake(
            "no √2",
            "Inside erf the x must be divided by √2: erf belongs to a bell with "
            "variance 1/2, the normal distribution has variance 1.",
            (
                lambda x: 0.5 * x * (1 + torch.erf(x)),
                lambda x: 0.5 * x * (1 + torch.erf(x / 2)),
            ),
        ),
        Mistake(
            "no half",
            "The factor 1/2 is missing: 1 + erf runs from 0 to 2, a share of a "
            "distribution from 0 to 1.",
            lambda x: x * (1 + torch.erf(x / math.sqrt(2))),
        ),
        Mistake(
            "share only",
            "That is the share of the normal distribution below x. GELU multiplies x "
            "by it.",
            lambda x: 0.5 * (1 + torch.erf(x / math.sqrt(2))),
        ),
        Mistake(
            "ReLU",
            "This is ReLU: it cuts off sharply at 0. GELU is smooth and lets a little "
            "of the negative side through.",
            F.relu,
        ),
    ),
)

# --- SwiGLU --------------------------------------------------------------------------


def swiglu(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """Let one view of the input open and close another, then narrow.

    Args:
        x: (T, D).
        gate: (D, F).
        up: (D, F).
        down: (F, D).

    Returns:
        (T, D).
    """
    return (F.silu(x @ gate) * (x @ up)) @ down


def _swiglu_written_out(x, gate, up, down):
    opened = x @ gate
    opened = opened / (1 + torch.exp(-opened))
    return torch.einsum("tf,tf,fd->td", opened, x @ up, down)


def _swiglu_joined(x, gate, up, down):
    both = x @ torch.cat([gate, up], dim=1)
    a, b = both.chunk(2, dim=-1)
    return a * a.sigmoid() * b @ down


def _swiglu_cases():
    g = _generator()
    x, down = torch.randn(3, 4, generator=g), torch.randn(6, 4, generator=g)
    gate, up = torch.randn(2, 4, 6, generator=g)
    return [
        Case(x, gate, up, down, note="three tokens, D = 4, F = 6"),
        Case(x[:1], gate, up, down, note="one token"),
        Case(x, gate[:, :5], up[:, :5], down[:5], note="F = 5"),
    ]


SWIGLU = Exercise(
    name="swiglu",
    signature="swiglu(x, gate, up, down)",
    reference=swiglu,
    cases=_swiglu_cases,
    right=(_swiglu_written_out, _swiglu_joined),
    mistakes=(
        Mistake(
            "wrong arm",
            "The SiLU sits on the wrong arm: it bends `x @ gate`, and `x @ up` goes "
            "through straight.",
            lambda x, g, u, d: ((x @ g) * F.silu(x @ u)) @ d,
        ),
        Mistake(
            "both arms",
            "Both arms are bent. Only the gate goes through SiLU; a straight arm "
            "keeps the gradient alive.",
            lambda x, g, u, d: (F.silu(x @ g) * F.silu(x @ u)) @ d,
        ),
        Mistake(
            "bent together",
            "The SiLU bends the product of both arms. It belongs to the gate alone, "
            "before the product.",
            lambda x, g, u, d: F.silu((x @ g) * (x @ u)) @ d,
        ),
        Mistake(
            "sigmoid",
            "The gate is a plain sigmoid: that is the original GLU. SwiGLU's gate is "
            "SiLU, x · sigmoid(x).",
            lambda x, g, u, d: (torch.sigmoid(x @ g) * (x @ u)) @ d,
        ),
        Mistake(
            "GELU",
            "The gate goes through GELU: that is GEGLU. SwiGLU uses SiLU, which is "
            "also called swish.",
            lambda x, g, u, d: (F.gelu(x @ g) * (x @ u)) @ d,
        ),
        Mistake(
            "added",
            "The two arms are added. A gate multiplies: near 0 it shuts a feature.",
            lambda x, g, u, d: (F.silu(x @ g) + x @ u) @ d,
        ),
        Mistake(
            "no gate",
            "One of the two arms is missing: this is an ordinary MLP.",
            (
                lambda x, g, u, d: F.silu(x @ u) @ d,
                lambda x, g, u, d: F.silu(x @ g) @ d,
            ),
        ),
    ),
)

EXERCISES = [GELU, SWIGLU]
