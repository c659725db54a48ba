"""Exercises of 05_transformer_block: norms, activations, the residual, the bill."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.nn import gelu


def _generator():
    return torch.Generator().manual_seed(0)


# --- layer norm ----------------------------------------------------------------------


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Bring each vector to mean 0 and variance 1, then to a learned size.

    Args:
        x: (B, T, D).
        weight: (D,).
        bias: (D,).
        eps: added to the variance.

    Returns:
        (B, T, D).
    """
    mean = x.mean(dim=-1, keepdim=True)
    variance = (x - mean).square().mean(dim=-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + eps) * weight + bias


def _norm_var(x, weight, bias, eps):
    centred = x - x.mean(-1, keepdim=True)
    scale = torch.rsqrt(x.var(-1, keepdim=True, correction=0) + eps)
    return weight * centred * scale + bias


def _norm_moments(x, weight, bias, eps):
    mean = x.sum(-1, keepdim=True) / x.shape[-1]
    variance = (x**2).mean(-1, keepdim=True) - mean**2
    return bias + (x - mean) * (variance + eps) ** -0.5 * weight


def _norm_over(axes):
    def norm(x, weight, bias, eps):
        mean = x.mean(axes, keepdim=True)
        variance = x.var(axes, keepdim=True, correction=0)
        return (x - mean) / torch.sqrt(variance + eps) * weight + bias

    return norm


def _norm_with(scale, centre=True):
    def norm(x, weight, bias, eps):
        mean = x.mean(-1, keepdim=True)
        variance = x.var(-1, keepdim=True, correction=0)
        unbiased = x.var(-1, keepdim=True)
        top = x - mean if centre else x
        return top / scale(variance, unbiased, eps) * weight + bias

    return norm


def _norm_cases():
    g = _generator()
    x = 2 * torch.randn(2, 3, 4, generator=g) + 1
    weight, bias = torch.randn(2, 4, generator=g)
    return [
        Case(x, weight, bias, 1e-5, note="two sequences of three tokens, D = 4"),
        Case(x[:1] / 10, weight, bias, 0.1, note="a large eps"),
        Case(torch.full((1, 2, 4), 3.0), weight, bias, 1e-5, note="constant vectors"),
        Case(x[:, :1, :2], weight[:2], bias[:2], 1e-5, note="one token each, D = 2"),
    ]


LAYER_NORM = Exercise(
    name="layer_norm",
    signature="layer_norm(x, weight, bias, eps)",
    reference=layer_norm,
    cases=_norm_cases,
    right=(
        _norm_var,
        _norm_moments,
        lambda x, w, b, e: F.layer_norm(x, w.shape, w, b, e),
    ),
    mistakes=(
        Mistake(
            "unbiased variance",
            "The variance is divided by D − 1: that is what `var()` and `std()` do "
            "unless told otherwise. Here the D features are not a sample of more; "
            "divide by D (`correction=0`).",
            (
                _norm_with(lambda v, u, e: torch.sqrt(u + e)),
                _norm_with(lambda v, u, e: u.sqrt() + e),
            ),
        ),
        Mistake(
            "over the positions",
            "The mean runs over the positions, so a token's result depends on its "
            "neighbours. Each token's own D features, the last axis, are normalised.",
            _norm_over(1),
        ),
        Mistake(
            "over the batch",
            "The mean runs over the batch: that is batch norm. Each token's own D "
            "features, the last axis, are normalised.",
            (_norm_over(0), _norm_over((0, 1))),
        ),
        Mistake(
            "over everything",
            "One mean and one variance were taken for several tokens together. Each "
            "token is normalised by itself, over the last axis alone.",
            (_norm_over((0, 1, 2)), _norm_over((1, 2))),
        ),
        Mistake(
            "eps outside the root",
            "The eps comes after the square root. It belongs inside, to the variance; "
            "with a large eps the difference shows.",
            _norm_with(lambda v, u, e: v.sqrt() + e),
        ),
        Mistake(
            "no eps",
            "The eps is not used: a vector whose features are all equal has variance 0 "
            "and would be divided by 0.",
            _norm_with(lambda v, u, e: v.sqrt()),
        ),
        Mistake(
            "no root",
            "The vector is divided by its variance. Divide by the *root* of the "
            "variance: what has doubled has four times the variance.",
            _norm_with(lambda v, u, e: v + e),
        ),
        Mistake(
            "not centred",
            "The mean is not taken off before the division, only in the variance.",
            _norm_with(lambda v, u, e: torch.sqrt(v + e), centre=False),
        ),
        Mistake(
            "RMS",
            "This is RMSNorm: without a mean, and divided by the root of the mean "
            "square. LayerNorm takes the mean off first.",
            lambda x, w, b, e: (
                x * torch.rsqrt(x.square().mean(-1, keepdim=True) + e) * w + b
            ),
        ),
        Mistake(
            "no weight and bias",
            "The result is standard, but the learned `weight` and `bias` are not "
            "both applied.",
            (
                lambda x, w, b, e: F.layer_norm(x, w.shape, None, None, e),
                lambda x, w, b, e: F.layer_norm(x, w.shape, w, None, e),
                lambda x, w, b, e: F.layer_norm(x, w.shape, None, b, e),
            ),
        ),
    ),
)

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

EXERCISES = [LAYER_NORM, GELU, SWIGLU, PRE_NORM_BLOCK, BLOCK_WEIGHTS]
