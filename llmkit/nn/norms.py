"""Bring each position's vector to a standard size.

Ba et al. 2016, "Layer Normalization", section 3; Zhang and Sennrich 2019, "Root Mean
Square Layer Normalization", section 4. Home notebook: 05_transformer_block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmkit.checks import check_positive, check_shape


class LayerNorm(nn.Module):
    """Shift each vector to mean 0, scale it to variance 1, then learn a new size.

    Args:
        d_model: D, the width of the vectors.
        eps: added to the variance, so that a constant vector does not divide by 0.
    """

    def __init__(self, d_model: int, eps: float = 1e-5):
        super().__init__()
        check_positive("d_model", d_model)
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis.

        Args:
            x: (..., D).

        Returns:
            The same shape.
        """
        check_shape("x", x, "... D", D=self.weight.shape[0])
        weight, bias = self.weight, self.bias
        if x.element_size() < 4:
            # in 16 bits the square of 256 is infinite already: compute in 32
            return self.forward(x.float()).to(torch.result_type(x, weight))
        # PyTorch's own makes one pass of what is written out in `in_the_open`
        return F.layer_norm(x, weight.shape, weight.to(x), bias.to(x), self.eps)

    def in_the_open(self, x: Tensor) -> Tensor:
        """Compute the same, line by line.

        Args:
            x: (..., D).

        Returns:
            The same shape.
        """
        mean = x.mean(dim=-1, keepdim=True)
        # the biased variance: divided by D, not by D - 1
        variance = (x - mean).square().mean(dim=-1, keepdim=True)
        return (x - mean) / torch.sqrt(variance + self.eps) * self.weight + self.bias


class RMSNorm(nn.Module):
    """Scale each vector to root mean square 1: LayerNorm without mean and bias.

    Args:
        d_model: D, the width of the vectors.
        eps: added to the mean square.
    """

    def __init__(self, d_model: int, eps: float = 1e-6):
        super().__init__()
        check_positive("d_model", d_model)
        self.weight = nn.Parameter(torch.ones(d_model))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis.

        Args:
            x: (..., D).

        Returns:
            The same shape.
        """
        check_shape("x", x, "... D", D=self.weight.shape[0])
        if x.element_size() < 4:
            # in 16 bits the square of 256 is infinite already: compute in 32
            return self.forward(x.float()).to(torch.result_type(x, self.weight))
        mean_square = x.square().mean(dim=-1, keepdim=True)
        return x * torch.rsqrt(mean_square + self.eps) * self.weight
