"""Attention: each position mixes the others, weighted by how well they match.

Vaswani et al. 2017, "Attention Is All You Need", section 3.2; grouped queries: Ainslie
et al. 2023, "GQA", section 2. Home notebooks: 03_attention, 04_multi_head_attention.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmkit.checks import check_positive, check_shape
from llmkit.nn.cache import LayerCache
from llmkit.nn.positions import apply_rotary


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Mix the values, weighted by how well each query matches each key.

    Args:
        q: queries, (B, H, T, Dh).
        k: keys, (B, H, S, Dh).
        v: values, (B, H, S, Dh).
        mask: bool, broadcastable to (B, H, T, S); True means "may look".
        bias: added to the scores, broadcastable to (B, H, T, S), such as
            `alibi_bias`.

    Returns:
        The mixed values, (B, H, T, Dh), and the weights, (B, H, T, S). A query that
        may look at nothing gets weights and values 0.
    """
    sizes = _check_qkv(q, k, v)
    if q.dtype is torch.float16:
        # a product beyond 65,504 would be infinite in 16 bits: compute in 32
        found = attention(q.float(), k.float(), v.float(), mask, bias)
        return found[0].half(), found[1].half()
    scores = q @ k.transpose(-2, -1) / math.sqrt(sizes["Dh"])  # (B, H, T, S)
    if bias is not None:
        scores = scores + bias.to(scores)
    if mask is not None:
        # -inf before the softmax, so a hidden key gets weight exactly 0
        scores = scores.masked_fill(~_as_bool(mask), -math.inf)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        # a row of nothing but -inf gives 0/0: no key at all, so no weight at all
        weights = weights.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0)
    return weights @ v, weights


def split_heads(x: Tensor, n_heads: int) -> Tensor:
    """Cut the width into heads.

    Args:
        x: (B, T, H * Dh).
        n_heads: H.

    Returns:
        (B, H, T, Dh).

    Raises:
        ValueError: the width is not a multiple of the number of heads.
    """
    sizes = check_shape("x", x, "B T D")
    if sizes["D"] % n_heads:
        raise ValueError(
            "the width must be a multiple of n_heads; got "
            f"width {sizes['D']}, n_heads={n_heads}"
        )
    # (B, T, H * Dh) -> (B, T, H, Dh) -> (B, H, T, Dh)
    return x.unflatten(-1, (n_heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Put the heads side by side again; the inverse of `split_heads`.

    Args:
        x: (B, H, T, Dh).

    Returns:
        (B, T, H * Dh).
    """
    check_shape("x", x, "B H T Dh")
    # the transpose comes first: without it, positions and heads would be mixed up
    return x.transpose(1, 2).flatten(-2)


def repeat_kv(x: Tensor, n_heads: int) -> Tensor:
    """Give each group of query heads a copy of the key or value head it shares.

    Args:
        x: (B, Hkv, S, Dh).
        n_heads: H, a multiple of Hkv.

    Returns:
        (B, H, S, Dh); head h of the result is head `h // (H / Hkv)` of `x`.
    """
    n_kv_heads = check_shape("x", x, "B Hkv S Dh")["Hkv"]
    if n_heads % n_kv_heads:
        raise ValueError(
            "n_heads must be a multiple of the number of key/value heads; got "
            f"n_heads={n_heads} and {n_kv_heads} key/value heads"
        )
    return x.repeat_interleave(n_heads // n_kv_heads, dim=1)


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each in its own small space.

    With fewer key/value heads than query heads this is grouped-query attention; with
    a `context`, cross-attention.

    Args:
        d_model: D, the width of the residual stream.
        n_heads: H.
        n_kv_heads: Hkv, how many key/value heads the H query heads share; None: H.
        d_head: Dh; None: D / H.
        bias: whether `q_proj`, `k_proj` and `v_proj` have a bias.
        out_bias: the same for `o_proj`; None: as `bias`.
        head_norm: makes a norm of width Dh for queries and for keys (`RMSNorm` in
            Qwen 3); None: none.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        n_kv_heads: int | None = None,
        d_head: int | None = None,
        bias: bool = True,
        out_bias: bool | None = None,
        head_norm=None,
    ):
        super().__init__()
        check_positive("d_model", d_model)
        check_positive("n_heads", n_heads)
        n_kv_heads = n_kv_heads or n_heads
        if d_head is None and d_model % n_heads:
            raise ValueError(
                "d_model must be a multiple of n_heads; got "
                f"d_model={d_model}, n_heads={n_heads}"
            )
        if n_heads % n_kv_heads:
            raise ValueError(
                "n_heads must be a multiple of n_kv_heads; got "
                f"n_heads={n_heads}, n_kv_heads={n_kv_heads}"
            )
        d_head = d_head or d_model // n_heads
        self.n_heads, self.n_kv_heads, self.d_head = n_heads, n_kv_heads, d_head
        self.q_proj = nn.Linear(d_model, n_heads * d_head, bias=bias)
        self.k_proj = nn.Linear(d_model, n_kv_heads * d_head, bias=bias)
        self.v_proj = nn.Linear(d_model, n_kv_heads * d_head, bias=bias)
        out_bias = bias if out_bias is None else out_bias
        self.o_proj = nn.Linear(n_heads * d_head, d_model, bias=out_bias)
        self.q_norm = head_norm(d_head) if head_norm else nn.Identity()
        self.k_norm = head_norm(d_head) if head_norm else nn.Identity()

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        rotary: tuple[Tensor, Tensor] | None = None,
        bias: Tensor | None = None,
        cache: LayerCache | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Look, and write down what was seen.

        Args:
            x: what asks, (B, T, D).
            context: what is looked at, (B, S, D); None: `x` itself.
            mask: bool, broadcastable to (B, H, T, S); True means "may look".
            rotary: cosines and sines for the positions of `x`; turns queries and
                keys.
            bias: added to the scores, broadcastable to (B, H, T, S).
            cache: keys and values of earlier steps, extended in place.
            need_weights: whether to compute in the open and return the weights;
                otherwise PyTorch's fused attention is used.

        Returns:
            (B, T, D), and the weights, (B, H, T, S), or None.
        """
        check_shape("x", x, "B T D", D=self.q_proj.in_features)
        source = x if context is None else context
        q = self.q_norm(split_heads(self.q_proj(x), self.n_heads))
        k = self.k_norm(split_heads(self.k_proj(source), self.n_kv_heads))
        v = split_heads(self.v_proj(source), self.n_kv_heads)
        if rotary is not None:
            q, k = apply_rotary(q, *rotary), apply_rotary(k, *rotary)
        if cache is not None:
            k, v = cache.extend(k, v)
        if need_weights:
            k, v = repeat_kv(k, self.n_heads), repeat_kv(v, self.n_heads)
            mixed, weights = attention(q, k, v, mask, bias)
        else:
            mixed, weights = self._fused(q, k, v, mask, bias), None
        return self.o_proj(merge_heads(mixed)), weights

    def _fused(self, q, k, v, mask, bias) -> Tensor:
        """Compute the same as `attention`, without ever holding the weights."""
        if self.n_kv_heads != self.n_heads:
            k, v = repeat_kv(k, self.n_heads), repeat_kv(v, self.n_heads)
        if mask is not None:
            mask = _as_bool(mask)  # PyTorch would add numbers to the scores
        if bias is not None:
            bias = bias.to(q)
            mask = bias if mask is None else bias.masked_fill(~mask, -math.inf)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def _check_qkv(q: Tensor, k: Tensor, v: Tensor) -> dict[str, int]:
    sizes = check_shape("q", q, "B H T Dh")
    found = check_shape("k", k, "B H S Dh", B=sizes["B"], H=sizes["H"], Dh=sizes["Dh"])
    check_shape("v", v, "B H S Dv", B=sizes["B"], H=sizes["H"], S=found["S"])
    return sizes


def _as_bool(mask: Tensor) -> Tensor:
    if mask.dtype != torch.bool:
        raise TypeError(
            'mask must be bool, where True means "may look"; got '
            f"{mask.dtype}. Numbers to add to the scores go into bias."
        )
    return mask
