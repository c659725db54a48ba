"""Exercises of 05_transformer_block: the wiring of a block, and its bill."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from llmkit.course.exercise import Case, Exercise, Mistake


def _generator():
    return torch.Generator().manual_seed(0)


# --- the residual stream -------------------------------------------------------------


def pre_norm_block(x: Tensor, attend, think, norm1, norm2) -> Tensor:
    """Read from the stream through a norm, add what was written to the stream.

    Args:
        x: (T, D).
        attend: attention, a function from (T, D) to (T, D).
        think: the MLP, the same.
        norm1: attention's norm, the same.
        norm2: the MLP's norm, the same.

    Returns:
        (T, D).
    """
    x = x + attend(norm1(x))
    return x + think(norm2(x))


def _block_named(x, attend, think, norm1, norm2):
    after_attention = torch.add(x, attend(norm1(x)))
    return torch.add(after_attention, think(norm2(after_attention)))


def _block_loop(x, attend, think, norm1, norm2):
    for part, norm in ((attend, norm1), (think, norm2)):
        x = part(norm(x)) + x
    return x


def _wrong_block(kind):
    def block(x, attend, think, norm1, norm2):
        if kind == "own parts":
            return x + attend(norm1(x)) + think(norm2(x))
        if kind == "second from norm":
            x = x + attend(norm1(x))
            y = norm2(x)
            return y + think(y)
        if kind == "first norm twice":
            x = x + attend(norm1(x))
            return x + think(norm1(x))
        for part, norm in ((attend, norm1), (think, norm2)):
            x = {
                "norm on the branch": lambda x, p=part, n=norm: n(x) + p(n(x)),
                "post": lambda x, p=part, n=norm: n(x + p(x)),
                "norm of the output": lambda x, p=part, n=norm: x + n(p(x)),
                "no residual": lambda x, p=part, n=norm: p(n(x)),
                "no norm": lambda x, p=part, n=norm: x + p(x),
            }[kind](x)
        return x

    return block


def _order_swapped(x, attend, think, norm1, norm2):
    return pre_norm_block(x, think, attend, norm2, norm1)


def _no_second_residual(x, attend, think, norm1, norm2):
    return think(norm2(x + attend(norm1(x))))


def _no_first_residual(x, attend, think, norm1, norm2):
    x = attend(norm1(x))
    return x + think(norm2(x))


def _block_cases():
    g = _generator()
    x = 3 * torch.randn(3, 4, generator=g) + 1
    mix, turn = torch.rand(3, 3, generator=g), torch.randn(2, 4, 4, generator=g)
    size = torch.rand(2, 4, generator=g) + 0.5

    def attend(y):
        return mix[: len(y), : len(y)] @ y @ turn[0]

    def think(y):
        return F.relu(y @ turn[1])

    norms = [lambda y, s=s: F.layer_norm(y, (4,), s) for s in size]
    return [
        Case(x, attend, think, *norms, note="three tokens"),
        Case(x[:1], attend, think, *norms, note="one token"),
        Case(x, attend, lambda y: 0 * y, *norms, note="an MLP that writes nothing"),
    ]


PRE_NORM_BLOCK = Exercise(
    name="pre_norm_block",
    signature="pre_norm_block(x, attend, think, norm1, norm2)",
    reference=pre_norm_block,
    cases=_block_cases,
    right=(_block_named, _block_loop),
    mistakes=(
        Mistake(
            "norm on the branch",
            "The normalised x is what you add to. The norm belongs on the way *into* "
            "the part; the stream itself passes by untouched.",
            (_wrong_block("norm on the branch"), _wrong_block("second from norm")),
        ),
        Mistake(
            "post-norm",
            "The norm comes after the sum: that is the post-norm block of 2017. "
            "Here it comes before each part.",
            _wrong_block("post"),
        ),
        Mistake(
            "norm of the output",
            "The norm is applied to what the part wrote. It belongs to what the part "
            "reads.",
            _wrong_block("norm of the output"),
        ),
        Mistake(
            "no residual",
            "Something is not added to the stream but replaces it: `x = part(…)` "
            "forgets all that was there. Both parts write `x = x + part(…)`.",
            (_wrong_block("no residual"), _no_second_residual, _no_first_residual),
        ),
        Mistake(
            "side by side",
            "The MLP reads the x from before the attention. It should read the "
            "stream to which attention has already added.",
            _wrong_block("own parts"),
        ),
        Mistake(
            "no norm",
            "The norms are not used.",
            _wrong_block("no norm"),
        ),
        Mistake(
            "one norm twice",
            "Both parts read through `norm1`; the MLP has a norm of its own.",
            _wrong_block("first norm twice"),
        ),
        Mistake(
            "order",
            "The MLP comes before the attention. First look around, then think.",
            _order_swapped,
        ),
    ),
)

# --- the bill ------------------------------------------------------------------------


def block_weights(d_model: int, d_ff: int, n_heads: int) -> int:
    """Count the weights of a GPT-2 block: LayerNorm, attention, MLP, with biases.

    Args:
        d_model: D.
        d_ff: F.
        n_heads: H.

    Returns:
        A whole number.
    """
    attention = 4 * (d_model * d_model + d_model)
    mlp = (d_model * d_ff + d_ff) + (d_ff * d_model + d_model)
    norms = 2 * 2 * d_model
    return attention + mlp + norms


def _weights_real(d_model, d_ff, n_heads):
    from llmkit.nn import MLP, Block, LayerNorm, MultiHeadAttention

    block = Block(
        MultiHeadAttention(d_model, n_heads),
        MLP(d_model, d_ff),
        LayerNorm(d_model),
        LayerNorm(d_model),
    )
    return sum(p.numel() for p in block.parameters())


def _weights_cases():
    return [
        Case(768, 3072, 12, note="GPT-2's sizes"),
        Case(8, 20, 2, note="a tiny block"),
        Case(8, 20, 4, note="the same with more heads"),
    ]


BLOCK_WEIGHTS = Exercise(
    name="block_weights",
    signature="block_weights(d_model, d_ff, n_heads)",
    reference=block_weights,
    cases=_weights_cases,
    right=(
        _weights_real,
        lambda d, f, h: 4 * d * d + 2 * d * f + 9 * d + f,
    ),
    tolerance=0.0,
    mistakes=(
        Mistake(
            "times heads",
            "The number of heads should not change the count: each of the H heads is "
            "only D / H wide, so together they have D columns.",
            (
                lambda d, f, h: h * 4 * (d * d + d) + 2 * d * f + f + d + 4 * d,
                lambda d, f, h: (
                    3 * h * (d * d + d) + d * d + d + 2 * d * f + f + d + 4 * d
                ),
            ),
        ),
        Mistake(
            "no biases",
            "The biases are missing: each of GPT-2's six linear layers has one, as "
            "wide as its output.",
            (
                lambda d, f, h: 4 * d * d + 2 * d * f + 4 * d,
                lambda d, f, h: 4 * d * d + 2 * d * f,
            ),
        ),
        Mistake(
            "no norms",
            "The two norms are missing: each LayerNorm has a weight and a bias.",
            lambda d, f, h: block_weights(d, f, h) - 4 * d,
        ),
        Mistake(
            "half the norms",
            "The norms are counted by half: there are two of them, each with a weight "
            "*and* a bias of width D.",
            lambda d, f, h: block_weights(d, f, h) - 2 * d,
        ),
        Mistake(
            "no output projection",
            "Attention has four matrices, not three: after q, k and v comes the "
            "output projection that mixes the heads.",
            lambda d, f, h: block_weights(d, f, h) - d * d - d,
        ),
        Mistake(
            "half the MLP",
            "The MLP has two layers: one widens from D to F, one narrows back.",
            (
                lambda d, f, h: block_weights(d, f, h) - d * f - d,
                lambda d, f, h: block_weights(d, f, h) - d * f - f,
            ),
        ),
        Mistake(
            "bias of the wrong width",
            "A bias is as wide as the *output* of its layer: the first MLP layer has "
            "F of them, the second D.",
            (
                lambda d, f, h: block_weights(d, f, h) + d - f,
                lambda d, f, h: block_weights(d, f, h) + f - d,
            ),
        ),
    ),
)

EXERCISES = [PRE_NORM_BLOCK, BLOCK_WEIGHTS]
