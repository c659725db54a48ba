"""Encoder and decoder: one reads a text, the other writes another one.

Vaswani et al. 2017, section 3; Lewis et al. 2020, "BART", section 2.1; Marian's models
are the same with sinusoidal positions. Home notebook: 13_translation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from llmkit.checks import check_choice, check_count, check_range
from llmkit.models.decoder import decoder_mask
from llmkit.models.output import ModelOutput, Recorder, check_context, check_ids
from llmkit.nn import (
    ACTIVATIONS,
    MLP,
    Block,
    KVCache,
    LayerNorm,
    LearnedPositions,
    MultiHeadAttention,
    padding_mask,
    sinusoidal_positions,
)


@dataclass(frozen=True, kw_only=True)
class Seq2SeqConfig:
    """Sizes of an encoder-decoder."""

    vocab_size: int  # V
    context_length: int = 512  # the most tokens on either side
    d_model: int = 128  # D
    n_heads: int = 4  # H
    n_encoder_layers: int = 3
    n_decoder_layers: int = 3
    d_ff: int | None = None  # F; None: 4 * d_model
    activation: str = "gelu"
    positions: str = "learned"  # or "sinusoidal", as in Marian
    position_offset: int = 0  # rows before position 0; 2 in BART
    embedding_norm: bool = True  # False in Marian
    scale_embedding: bool = False  # times sqrt(d_model); True in Marian
    dropout: float = 0.0
    norm_eps: float = 1e-5

    def __post_init__(self):
        sizes = ("vocab_size", "context_length", "d_model", "n_heads")
        for name in (*sizes, "n_encoder_layers", "n_decoder_layers"):
            check_count(name, getattr(self, name))
        check_count("position_offset", self.position_offset, least=0)
        if self.d_ff is not None:
            check_count("d_ff", self.d_ff)
        check_range("dropout", self.dropout, 0.0, 1.0)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("positions", self.positions, ("learned", "sinusoidal"))
        if self.d_model % self.n_heads:
            raise ValueError(
                "d_model must be a multiple of n_heads; got "
                f"d_model={self.d_model}, n_heads={self.n_heads}"
            )


class Side(nn.Module):
    """One side of the model: positions, norm and blocks.

    Args:
        config: the sizes.
        n_layers: how many blocks.
        cross: whether the blocks look across at another text.
    """

    def __init__(self, config: Seq2SeqConfig, n_layers: int, cross: bool):
        super().__init__()
        c = config
        if c.positions == "learned":
            self.position_embedding = LearnedPositions(
                c.context_length, c.d_model, c.position_offset
            )
        else:
            self.register_buffer(
                "position_table", _marian_positions(c.context_length, c.d_model)
            )
        self.embedding_norm = (
            LayerNorm(c.d_model, c.norm_eps) if c.embedding_norm else nn.Identity()
        )
        self.dropout = nn.Dropout(c.dropout)
        self.blocks = nn.ModuleList(_block(c, cross) for _ in range(n_layers))

    def embed(self, x: Tensor, first: int) -> Tensor:
        """Add positions `first`, `first + 1` … to token vectors, (B, T, D)."""
        positions = torch.arange(first, first + x.shape[1], device=x.device)
        if hasattr(self, "position_table"):
            x = x + self.position_table[positions].to(x.dtype)
        else:
            x = x + self.position_embedding(positions)
        return self.dropout(self.embedding_norm(x))


class Seq2Seq(nn.Module):
    """An encoder that reads from both sides, and a decoder that looks at it.

    Args:
        config: the sizes.
    """

    def __init__(self, config: Seq2SeqConfig):
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder = Side(config, config.n_encoder_layers, cross=False)
        self.decoder = Side(config, config.n_decoder_layers, cross=True)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        # BART and Marian add a constant to the scores; it is never trained
        self.register_buffer("logits_bias", torch.zeros(config.vocab_size))
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
                if getattr(module, "bias", None) is not None:
                    nn.init.zeros_(module.bias)
        self.lm_head.weight = self.token_embedding.weight

    @property
    def encoder_blocks(self) -> nn.ModuleList:
        """The blocks that read."""
        return self.encoder.blocks

    @property
    def decoder_blocks(self) -> nn.ModuleList:
        """The blocks that write."""
        return self.decoder.blocks

    def encode(
        self,
        ids: Tensor,
        attention_mask: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> ModelOutput:
        """Read the source text.

        Args:
            ids: int64, (B, S).
            attention_mask: bool or 0/1, (B, S); True marks a real token.
            output_attentions: whether to return the weights.
            output_hidden_states: whether to return the residual stream.

        Returns:
            `ModelOutput` with the `encoder_…` fields.
        """
        _, length = check_ids(ids, self.config.vocab_size)
        check_context(length, self.config.context_length)
        mask = None if attention_mask is None else padding_mask(attention_mask)
        recorder = Recorder(output_hidden_states, output_attentions)
        x = self.encoder.embed(self._tokens(ids), 0)
        recorder.stream(x)
        for block in self.encoder.blocks:
            x, weights, _ = block(x, mask=mask, need_weights=output_attentions)
            recorder.looked(weights)
            recorder.stream(x)
        return ModelOutput(
            encoder_last_hidden_state=x,
            encoder_hidden_states=recorder.states(),
            encoder_attentions=recorder.attentions(),
        )

    def forward(
        self,
        ids: Tensor,
        decoder_ids: Tensor,
        attention_mask: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoded: ModelOutput | None = None,
        cache: KVCache | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> ModelOutput:
        """Score the next token of the target text, at every position.

        Args:
            ids: the source, int64, (B, S).
            decoder_ids: the target so far, int64, (B, T); with a cache, only the new.
            attention_mask: bool or 0/1, (B, S), of the source.
            decoder_attention_mask: the same of the target, over old and new tokens.
            encoded: what `encode` returned, so as not to read the source again.
            cache: extended in place.
            output_attentions: whether to return the weights.
            output_hidden_states: whether to return the residual streams.

        Returns:
            `ModelOutput` with `logits`, (B, T, V), and the encoder's fields.
        """
        wanted = (output_attentions, output_hidden_states)
        if encoded is None:
            encoded = self.encode(ids, attention_mask, *wanted)
        _, length = check_ids(decoder_ids, self.config.vocab_size, "decoder_ids")
        before = cache.length if cache else 0
        check_context(length + before, self.config.context_length)
        mask = decoder_mask(length, cache, decoder_attention_mask, ids.device)
        recorder = Recorder(output_hidden_states, output_attentions)

        x = self.decoder.embed(self._tokens(decoder_ids), before)
        recorder.stream(x)
        for layer, block in enumerate(self.decoder.blocks):
            x, weights, cross = block(
                x,
                mask=mask,
                context=encoded.encoder_last_hidden_state,
                context_mask=(
                    None if attention_mask is None else padding_mask(attention_mask)
                ),
                cache=cache[layer] if cache else None,
                need_weights=output_attentions,
            )
            recorder.looked(weights, cross)
            recorder.stream(x)
        return ModelOutput(
            logits=self.lm_head(x) + self.logits_bias,
            last_hidden_state=x,
            hidden_states=recorder.states(),
            attentions=recorder.attentions(),
            cross_attentions=recorder.cross_attentions(),
            encoder_last_hidden_state=encoded.encoder_last_hidden_state,
            encoder_hidden_states=encoded.encoder_hidden_states,
            encoder_attentions=encoded.encoder_attentions,
            cache=cache,
        )

    def new_cache(self) -> KVCache:
        """Return an empty cache for the decoder."""
        return KVCache(len(self.decoder.blocks))

    def _tokens(self, ids: Tensor) -> Tensor:
        scale = math.sqrt(self.config.d_model) if self.config.scale_embedding else 1.0
        return self.token_embedding(ids) * scale


def _block(c: Seq2SeqConfig, cross: bool) -> Block:
    return Block(
        MultiHeadAttention(c.d_model, c.n_heads),
        MLP(c.d_model, c.d_ff or 4 * c.d_model, c.activation),
        LayerNorm(c.d_model, c.norm_eps),
        LayerNorm(c.d_model, c.norm_eps),
        cross_attention=MultiHeadAttention(c.d_model, c.n_heads) if cross else None,
        cross_norm=LayerNorm(c.d_model, c.norm_eps) if cross else None,
        norm_first=False,
        dropout=c.dropout,
    )


def _marian_positions(length: int, d_model: int) -> Tensor:
    """Return sinusoidal positions with all sines first, then all cosines, (T, D)."""
    table = sinusoidal_positions(length, d_model)
    return torch.cat([table[:, 0::2], table[:, 1::2]], dim=1)
