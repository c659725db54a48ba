"""The same model, laid out for writing: the same numbers, read faster.

A step of generation multiplies one row with every weight of the model, so its time is
the time to read the weights, plus a fixed price for each operation. `swift` returns a
copy that pays less for both: weights stand in the order in which one row wants them,
one row with a matrix is an embedding bag, queries, keys and values come from one
product, norms and activations are PyTorch's fused ones. The copy is for reading along,
not for training. Home notebook: 09_decoding.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmkit.checks import check_type
from llmkit.nn import (
    ACTIVATIONS,
    MLP,
    Block,
    LayerCache,
    LayerNorm,
    RMSNorm,
    SwiGLU,
    apply_rotary,
    attention,
    repeat_kv,
    silu,
)
from llmkit.runtime import has_onednn

# from this size on, oneDNN's packed weights serve several rows at the price of one
_PACK = 1 << 20
_FUSED = {
    "relu": F.relu,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
}


def swift(model: nn.Module, linear: Callable | None = None) -> nn.Module:
    """Copy a model into the form that writes fastest.

    Args:
        model: a decoder of the kit, such as `GPT` or `Llama`; it is left alone.
        linear: makes the layer that stands in for a linear one, from its weight,
            (out, in), and bias, (out,) or None. None: `RowLinear`.

    Returns:
        A module that is called as the model is, in evaluation mode. Its weights are a
        second copy in memory, and later changes of the model do not reach it.
    """
    check_type("model", model, nn.Module)
    twin = copy.deepcopy(model).eval()
    for parameter in twin.parameters():
        parameter.requires_grad_(False)
    _replace(twin, linear or RowLinear)
    return twin


class RowLinear(nn.Module):
    """A linear layer for few rows at a time.

    A row times a matrix is a weighted sum of the matrix's rows, and that is what an
    embedding bag computes. PyTorch's kernel for bags, on one thread, reads memory
    faster than its product of one row with a matrix: 32 GB/s beside 20 where we looked.

    Args:
        weight: (out, in), as in `nn.Linear`.
        bias: (out,), or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        # (in, out): one row then runs along whole lines of memory
        self.weight = nn.Parameter(weight.detach().t().contiguous(), False)
        self.bias = bias
        packed = _pack(weight) if weight.numel() >= _PACK else None
        # plain attributes: `nn.Module` looks its parameters up slowly
        self.__dict__["parts"] = (self.weight, bias, packed, _one_bag(self.weight))
        self.inside = weight.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """Multiply, (..., in) to (..., out)."""
        weight, bias, packed, bag = self.parts
        if x.numel() == self.inside:
            if bag is not None:
                y = torch.embedding_bag(weight, *bag, False, 0, False, x.reshape(-1))[0]
                y = y if bias is None else y.add_(bias)
                return y if x.dim() == 2 else y.view(*x.shape[:-1], -1)
        elif packed is not None:
            return torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
        if bias is None:
            return x @ weight
        if x.dim() == 2:
            return torch.addmm(bias, x, weight)
        return torch.addmm(bias, x.flatten(0, -2), weight).unflatten(0, x.shape[:-1])


class RowBlock(nn.Module):
    """A block in a dozen operations; the same as `Block`, for decoders only.

    Args:
        block: the `Block` that it stands in for.
        linear: as in `swift`.
    """

    def __init__(self, block: Block, linear: Callable):
        super().__init__()
        look, mlp = block.attention, block.mlp
        parts = (look.q_proj, look.k_proj, look.v_proj)
        bias = None
        if look.q_proj.bias is not None:
            bias = torch.cat([part.bias for part in parts])
        self.qkv_proj = linear(torch.cat([part.weight for part in parts]), bias)
        self.o_proj = linear(look.o_proj.weight, look.o_proj.bias)
        self.mlp = _fast_mlp(mlp, linear)
        self.norm1, self.norm2 = _fused(block.norm1), _fused(block.norm2)
        self.q_norm, self.k_norm = _fused(look.q_norm), _fused(look.k_norm)
        self.plain = isinstance(look.q_norm, nn.Identity)
        self.d_head, self.norm_first = look.d_head, block.norm_first
        self.n_heads, self.n_kv_heads = look.n_heads, look.n_kv_heads
        # each part's own `forward`: the detour through `nn.Module` costs as much as a
        # small product
        self.calls = [
            part.forward
            for part in (self.norm1, self.qkv_proj, self.o_proj, self.norm2, self.mlp)
        ]

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        rotary: tuple[Tensor, Tensor] | None = None,
        bias: Tensor | None = None,
        cache: LayerCache | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None, None]:
        """Read from the stream, add to the stream; see `Block.forward`."""
        norm1, qkv_proj, o_proj, norm2, mlp = self.calls
        batch, length, width = x.shape
        rows = x.view(-1, width)  # (B * T, D)
        qkv = qkv_proj(norm1(rows) if self.norm_first else rows)
        mixed, weights = self._look(
            qkv.view(batch, length, -1, self.d_head).transpose(1, 2),
            *(mask, rotary, bias, cache, need_weights),
        )
        written = o_proj(mixed.transpose(1, 2).reshape(len(rows), -1))
        if self.norm_first:
            rows = rows + written
            rows = rows + mlp(norm2(rows))
        else:
            rows = norm1(rows + written)
            rows = norm2(rows + mlp(rows))
        return rows.view(batch, length, width), weights, None

    def _look(self, qkv, mask, rotary, bias, cache, need_weights):
        """Attend; `qkv` is (B, H + 2 Hkv, T, Dh)."""
        heads = self.n_heads, self.n_kv_heads, self.n_kv_heads
        q, k, v = qkv.split_with_sizes(heads, 1)
        if not self.plain:
            q, k = self.q_norm(q), self.k_norm(k)
        if rotary is not None:
            q, k = apply_rotary(q, *rotary), apply_rotary(k, *rotary)
        if cache is not None:
            k, v = cache.extend(k, v)
        if self.n_kv_heads != self.n_heads:
            k, v = repeat_kv(k, self.n_heads), repeat_kv(v, self.n_heads)
        if need_weights or bias is not None:
            return attention(q, k, v, mask, bias)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask), None


class FastMLP(nn.Module):
    """`MLP`, or `SwiGLU` where there is a gate.

    Args:
        up: the layer that widens.
        down: the layer that narrows.
        gate: the second layer that widens, or None.
        activation: what bends.
    """

    def __init__(self, up, down, gate, activation: Callable):
        super().__init__()
        self.up_proj, self.down_proj, self.gate_proj = up, down, gate
        self.calls = up.forward, down.forward, gate.forward if gate else None
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Transform each row by itself, (..., D)."""
        up, down, gate = self.calls
        if gate is None:
            return down(self.activation(up(x)))
        return down(self.activation(gate(x)) * up(x))


class FusedNorm(nn.Module):
    """`LayerNorm` or `RMSNorm` in one call of PyTorch's.

    Args:
        norm: what it stands in for.
    """

    def __init__(self, norm: LayerNorm | RMSNorm):
        super().__init__()
        self.weight, self.bias = norm.weight, getattr(norm, "bias", None)
        shape = tuple(norm.weight.shape)
        self.__dict__["parts"] = (shape, self.weight, self.bias, norm.eps)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis."""
        shape, weight, bias, eps = self.parts
        if bias is None:
            return torch.rms_norm(x, shape, weight, eps)
        return torch.layer_norm(x, shape, weight, bias, eps)


def _fast_mlp(mlp: nn.Module, linear: Callable) -> nn.Module:
    """Return the fast form of an `MLP` or `SwiGLU`, and any other as it is."""
    if not isinstance(mlp, (MLP, SwiGLU)):
        return mlp
    gate = getattr(mlp, "gate_proj", None)
    up, down, gate = (
        part and linear(part.weight, part.bias)
        for part in (mlp.up_proj, mlp.down_proj, gate)
    )
    own = getattr(mlp, "activation", silu)
    name = {function: name for name, function in ACTIVATIONS.items()}.get(own)
    return FastMLP(up, down, gate, _FUSED.get(name, own))


def _replace(module: nn.Module, linear: Callable) -> None:
    """Put the fast parts in the place of the readable ones, all the way down."""
    for name, part in module.named_children():
        if isinstance(part, nn.Linear):
            setattr(module, name, linear(part.weight, part.bias))
        elif type(part) is Block and part.cross_attention is None:
            setattr(module, name, RowBlock(part, linear))
        elif isinstance(part, nn.Dropout):
            setattr(module, name, nn.Identity())
        else:
            setattr(module, name, _fused(part))
            _replace(part, linear)


def _fused(part: nn.Module) -> nn.Module:
    return FusedNorm(part) if isinstance(part, (LayerNorm, RMSNorm)) else part


def _one_bag(weight: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return the indices of a bag of all rows, where this PyTorch's kernel is fast."""
    fast = "fbgemm" in torch.backends.quantized.supported_engines
    if not fast or weight.dtype != torch.float32 or weight.device.type != "cpu":
        return None
    return torch.arange(len(weight)), torch.zeros(1, dtype=torch.int64)


def _pack(weight: Tensor) -> Tensor | None:
    """Lay a weight out as oneDNN wants it, where this PyTorch has it."""
    here = has_onednn()
    if not here or weight.dtype != torch.float32 or weight.device.type != "cpu":
        return None
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), 4)
