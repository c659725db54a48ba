"""The block that every Transformer repeats: look around, then think.

Vaswani et al. 2017, section 3.1 (norm after); Xiong et al. 2020, "On Layer
Normalization in the Transformer Architecture", section 3 (norm before). Home notebook:
05_transformer_block.
"""

from __future__ import annotations

from torch import Tensor, nn

from llmkit.nn.cache import LayerCache


class Block(nn.Module):
    """Attention and MLP, each added to the residual stream.

    Encoder, decoder and encoder-decoder blocks are this one block with other parts:
    what may be looked at is decided by the mask, and a decoder that also reads another
    text gets a `cross_attention`.

    Args:
        attention: a `MultiHeadAttention`.
        mlp: an `MLP` or `SwiGLU`.
        norm1: the norm of the attention.
        norm2: the norm of the MLP.
        cross_attention: a second `MultiHeadAttention`, which looks at `context`.
        cross_norm: its norm.
        norm_first: True normalises what goes into a part (GPT-2, Llama); False
            normalises the sum after it (BERT, BART).
        dropout: the share of features zeroed after each part while training.
    """

    def __init__(
        self,
        attention: nn.Module,
        mlp: nn.Module,
        norm1: nn.Module,
        norm2: nn.Module,
        cross_attention: nn.Module | None = None,
        cross_norm: nn.Module | None = None,
        norm_first: bool = True,
        dropout: float = 0.0,
    ):
        super().__init__()
        if (cross_attention is None) != (cross_norm is None):
            raise ValueError("cross_attention and cross_norm go together; got only one")
        self.attention, self.norm1 = attention, norm1
        self.cross_attention, self.cross_norm = cross_attention, cross_norm
        self.mlp, self.norm2 = mlp, norm2
        self.norm_first = norm_first
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        context: Tensor | None = None,
        context_mask: Tensor | None = None,
        rotary: tuple[Tensor, Tensor] | None = None,
        bias: Tensor | None = None,
        cache: LayerCache | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Read from the stream, add to the stream.

        Args:
            x: the residual stream, (B, T, D).
            mask: bool, broadcastable to (B, H, T, S); True means "may look".
            context: another text's stream for cross-attention, (B, S', D).
            context_mask: bool, broadcastable to (B, H, T, S').
            rotary: cosines and sines for the positions of `x`.
            bias: added to the scores of the self-attention.
            cache: keys and values of earlier steps.
            need_weights: whether to return attention weights.

        Returns:
            The stream, (B, T, D); the self-attention weights, (B, H, T, S), or None;
            the cross-attention weights, (B, H, T, S'), or None.
        """

        def look(y):
            return self.attention(
                y,
                mask=mask,
                rotary=rotary,
                bias=bias,
                cache=cache,
                need_weights=need_weights,
            )

        def look_across(y):
            return self.cross_attention(
                y, context=context, mask=context_mask, need_weights=need_weights
            )

        x, weights = self._add(x, look, self.norm1)
        cross_weights = None
        if self.cross_attention is not None:
            if context is None:
                raise ValueError("this block has cross-attention: it needs a context")
            x, cross_weights = self._add(x, look_across, self.cross_norm)
        x, _ = self._add(x, lambda y: (self.mlp(y), None), self.norm2)
        return x, weights, cross_weights

    def _add(self, x: Tensor, part, norm: nn.Module) -> tuple[Tensor, Tensor | None]:
        """Add what a part writes to the stream, with the norm before or after."""
        if self.norm_first:
            written, weights = part(norm(x))
            return x + self.dropout(written), weights
        written, weights = part(x)
        return norm(x + self.dropout(written)), weights
