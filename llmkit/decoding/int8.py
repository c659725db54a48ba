"""Weights of one byte: a quarter of the memory to read, at a small loss.

Each row of a weight matrix is divided by a scale of its own, so that its largest entry
becomes 127, and rounded: Dettmers et al. 2022, "LLM.int8()", section 2.1 (vector-wise).
The products run in PyTorch's own 8-bit kernel, which rounds each input to 8 bits too.
Home notebook: 09_decoding.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmkit.checks import check_shape
from llmkit.decoding.swift import swift


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round each row to whole numbers from -127 to 127.

    Args:
        weight: (out, in).

    Returns:
        int8, (out, in), and the scales, float32, (out, 1): their product is the weight
        up to half a scale.
    """
    check_shape("weight", weight, "out in")
    largest = weight.detach().float().abs().amax(dim=1, keepdim=True)  # (out, 1)
    # a row of zeros has no scale: any will do
    scale = largest.clamp(min=torch.finfo(torch.float32).tiny) / 127
    return (weight.detach() / scale).round().to(torch.int8), scale


def dequantize_rows(quantized: Tensor, scale: Tensor) -> Tensor:
    """Return the weights that the small numbers stand for.

    Args:
        quantized: int8, (out, in).
        scale: one for each row, (out, 1).

    Returns:
        float32, (out, in).
    """
    return quantized.float() * scale


def to_int8(model: nn.Module) -> nn.Module:
    """Copy a decoder into one with 8-bit weights in all its linear layers.

    Norms, biases and positions keep their 32 bits, and so do the keys and values. A
    token table that is also the output layer is kept once, in 8 bits. One scale serves
    all inputs that are read together, so a text read at once and the same text read
    token by token differ by that rounding.

    Args:
        model: a decoder of the kit; it is left alone.

    Returns:
        A module that is called as the model is, for writing only.
    """
    twin = swift(model, Int8Linear)
    head, table = getattr(model, "lm_head", None), model.token_embedding
    if head is not None and head.weight is table.weight:
        twin.token_embedding = Int8Embedding(twin.lm_head)
    return twin


class Int8Linear(nn.Module):
    """A linear layer with 8-bit weights.

    Args:
        weight: (out, in).
        bias: (out,), or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        quantized, scale = quantize_rows(weight)
        self.register_buffer("quantized", quantized)
        self.register_buffer("scale", scale)
        self.bias = bias
        # a plain attribute: `nn.Module` looks its buffers up slowly
        packed = _pack(quantized, scale, bias)
        self.__dict__["parts"] = (packed, not _wide_sums())

    def forward(self, x: Tensor) -> Tensor:
        """Multiply, (..., in) to (..., out)."""
        packed, careful = self.parts
        if packed is None:
            return F.linear(x, dequantize_rows(self.quantized, self.scale), self.bias)
        return torch.ops.quantized.linear_dynamic(x, packed, careful)


class Int8Embedding(nn.Module):
    """The token table, read off the 8-bit weights of the output layer.

    Args:
        head: that layer.
    """

    def __init__(self, head: Int8Linear):
        super().__init__()
        self.head = head

    def forward(self, ids: Tensor) -> Tensor:
        """Look tokens up, (B, T) to (B, T, D)."""
        return dequantize_rows(self.head.quantized[ids], self.head.scale[ids])


def n_bytes(model: nn.Module) -> int:
    """Return how many bytes the weights of a model take, shared ones counted once.

    Args:
        model: any module; of an 8-bit layer, the 8-bit weights and their scales.
    """
    tensors = [*model.parameters(), *model.buffers()]
    sizes = {t.data_ptr(): t.numel() * t.element_size() for t in tensors}
    return sum(sizes.values())


def _pack(quantized: Tensor, scale: Tensor, bias: Tensor | None):
    """Lay the weights out for PyTorch's 8-bit kernel, where this machine has one."""
    make = getattr(torch, "_make_per_channel_quantized_tensor", None)
    no_engine = torch.backends.quantized.engine in ("none", "NoQEngine")
    if make is None or no_engine or quantized.device.type != "cpu":
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that they will move to another library
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        scales = scale[:, 0].double()
        whole = make(quantized, scales, zeros, 0)
        return torch.ops.quantized.linear_prepack(whole, bias)


def _wide_sums() -> bool:
    """Tell whether the processor adds products of bytes without overflowing 16 bits.

    Where it does not, the kernel must be told to round its inputs to 7 bits.
    """
    return "VNNI" in torch.backends.cpu.get_cpu_capability()
