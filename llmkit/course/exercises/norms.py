"""Exercise of 05_transformer_block: LayerNorm."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from llmkit.course.exercise import Case, Exercise, Mistake


def _generator():
    return torch.Generator().manual_seed(0)


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

EXERCISES = [LAYER_NORM]
