"""What each position thinks by itself: two linear layers with a bend between them.

Vaswani et al. 2017, section 3.3; GELU: Hendrycks and Gimpel 2016, section 2; SwiGLU:
Shazeer 2020, "GLU Variants Improve Transformer", section 2; squared ReLU: So et al.
2021, "Primer", section 4. Home notebook: 05_transformer_block.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmkit.checks import check_choice, check_positive


def relu(x: Tensor) -> Tensor:
    """Keep what is positive, elementwise, any shape."""
    # the same as x.clamp(min=0), whose way back takes four times as long
    return torch.relu(x)


def relu_squared(x: Tensor) -> Tensor:
    """Square what is positive, elementwise, any shape."""
    return torch.relu(x).square()


def silu(x: Tensor) -> Tensor:
    """Return x times its own sigmoid, elementwise, any shape (also called swish)."""
    return x * torch.sigmoid(x)


def gelu(x: Tensor) -> Tensor:
    """Return x times the share of a normal distribution that lies below x.

    Args:
        x: any shape.

    Returns:
        The same shape.
    """
    return x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))


def gelu_tanh(x: Tensor) -> Tensor:
    """Approximate `gelu` by a tanh, as GPT-2 does; off by at most 0.0005.

    Args:
        x: any shape.

    Returns:
        The same shape.
    """
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1.0 + torch.tanh(inner))


ACTIVATIONS = {
    "relu": relu,
    "relu_squared": relu_squared,
    "silu": silu,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
}


# PyTorch's own computes the same in one pass through memory
IN_ONE_PASS = {
    gelu: F.gelu,
    gelu_tanh: partial(F.gelu, approximate="tanh"),
    silu: F.silu,
}


class MLP(nn.Module):
    """Widen, bend, narrow.

    Args:
        d_model: D.
        d_ff: F, the hidden width; 4 * D in most models.
        activation: a name in `ACTIVATIONS`.
        bias: whether the two layers have a bias.
    """

    def __init__(
        self, d_model: int, d_ff: int, activation: str = "gelu", bias: bool = True
    ):
        super().__init__()
        check_positive("d_ff", d_ff)
        check_choice("activation", activation, ACTIVATIONS)
        self.up_proj = nn.Linear(d_model, d_ff, bias=bias)
        self.down_proj = nn.Linear(d_ff, d_model, bias=bias)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position by itself.

        Args:
            x: (..., D).

        Returns:
            (..., D).
        """
        bend = IN_ONE_PASS.get(self.activation, self.activation)
        return self.down_proj(bend(self.up_proj(x)))


class SwiGLU(nn.Module):
    """Two views of the input, one opening and closing the other, then narrow.

    Args:
        d_model: D.
        d_ff: F, the hidden width; 8/3 * D has the weights of an `MLP` with 4 * D.
        bias: whether the three layers have a bias.
    """

    def __init__(self, d_model: int, d_ff: int, bias: bool = False):
        super().__init__()
        check_positive("d_ff", d_ff)
        self.gate_proj = nn.Linear(d_model, d_ff, bias=bias)
        self.up_proj = nn.Linear(d_model, d_ff, bias=bias)
        self.down_proj = nn.Linear(d_ff, d_model, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position by itself.

        Args:
            x: (..., D).

        Returns:
            (..., D).
        """
        return self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))
