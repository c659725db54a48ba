"""Products in 32 bits by oneDNN, on the processors where that is the faster library.

PyTorch gives 32-bit products to the maths library that it was built with, often Intel's
MKL, and keeps oneDNN for 16 bits. On AMD processors oneDNN is about twice as fast in 32
bits too: the same products, rounded in another order. Home notebook:
07_pretraining_gpt.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from llmkit.runtime import has_onednn

# below so many products the call costs more than it gains
_WORTH = 1 << 20


class OneDNN(TorchFunctionMode):
    """While this is on, large linear layers in float32 on the CPU are oneDNN's.

    `with OneDNN(): logits = model(ids).logits` is enough: the way back from there is
    oneDNN's too. Everything else, and everything where oneDNN is missing, goes its
    usual way.
    """

    def __init__(self):
        super().__init__()
        self.here = has_onednn()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Stand in for `F.linear` where it is worth it; pass on all other calls."""
        if func is F.linear and self.here and not kwargs:
            x, weight, *bias = args
            if _fits(x, weight):
                return _Linear.apply(x, weight, bias[0] if bias else None)
        return func(*args, **(kwargs or {}))


class _Linear(torch.autograd.Function):
    """A linear layer and its way back, product by product."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, weight = ctx.saved_tensors
        rows = grad.reshape(-1, grad.shape[-1])  # (rows, out)
        to_x = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            to_x = _product(rows, weight.t()).view(x.shape)
        if ctx.needs_input_grad[1]:
            to_weight = _product(rows.t(), x.reshape(len(rows), -1).t())
        if ctx.biased and ctx.needs_input_grad[2]:
            to_bias = rows.sum(0)
        return to_x, to_weight, to_bias


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply rows with a matrix, (..., in) and (out, in) to (..., out)."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _fits(x: Tensor, weight: Tensor) -> bool:
    """Tell whether a layer is in 32 bits, on the CPU, and large."""
    if x.dtype != torch.float32 or weight.dtype != torch.float32:
        return False
    large = x.numel() * len(weight) >= _WORTH
    return large and x.device.type == weight.device.type == "cpu"
