"""BERT: reads the whole text at once and fills in what is missing.

Devlin et al. 2019, "BERT", section 3. Home notebook: 08_pretraining_bert.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from llmkit.checks import check_choice, check_count, check_range, check_shape
from llmkit.models.output import ModelOutput, Recorder, check_context, check_ids
from llmkit.nn import (
    ACTIVATIONS,
    MLP,
    Block,
    LayerNorm,
    LearnedPositions,
    MultiHeadAttention,
    padding_mask,
)


@dataclass(frozen=True, kw_only=True)
class BERTConfig:
    """Sizes of a BERT-style encoder."""

    vocab_size: int  # V
    context_length: int = 512  # the most tokens it can read
    d_model: int = 128  # D
    n_heads: int = 4  # H
    n_layers: int = 4  # L
    d_ff: int | None = None  # F; None: 4 * d_model
    n_segments: int = 2  # first or second text of a pair; 0 in DistilBERT
    activation: str = "gelu"
    dropout: float = 0.0
    norm_eps: float = 1e-12
    position_offset: int = 0  # rows before position 0; 2 in RoBERTa
    pooler: bool = True
    mlm_head: bool = True
    nsp_head: bool = True

    def __post_init__(self):
        for name in ("vocab_size", "context_length", "d_model", "n_heads", "n_layers"):
            check_count(name, getattr(self, name))
        for name in ("n_segments", "position_offset"):
            check_count(name, getattr(self, name), least=0)
        if self.d_ff is not None:
            check_count("d_ff", self.d_ff)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_range("dropout", self.dropout, 0.0, 1.0)
        if self.d_model % self.n_heads:
            raise ValueError(
                "d_model must be a multiple of n_heads; got "
                f"d_model={self.d_model}, n_heads={self.n_heads}"
            )
        if self.nsp_head and not self.pooler:
            raise ValueError("nsp_head reads the pooled vector: it needs pooler=True")

    @property
    def d_head(self) -> int:
        """Dh, the width of one head."""
        return self.d_model // self.n_heads


class MLMHead(nn.Module):
    """Transform each vector, then score every token of the vocabulary.

    Args:
        d_model: D.
        vocab_size: V.
        activation: a name in `ACTIVATIONS`.
        norm_eps: of its norm.
    """

    def __init__(self, d_model: int, vocab_size: int, activation: str, norm_eps: float):
        super().__init__()
        self.transform = nn.Linear(d_model, d_model)
        self.activation = ACTIVATIONS[activation]
        self.norm = LayerNorm(d_model, norm_eps)
        self.decoder = nn.Linear(d_model, vocab_size)

    def forward(self, x: Tensor) -> Tensor:
        """Score, (B, T, D) -> (B, T, V)."""
        return self.decoder(self.norm(self.activation(self.transform(x))))


class BERT(nn.Module):
    """Token, position and segment vectors, L blocks, and up to three heads.

    Args:
        config: the sizes.
    """

    def __init__(self, config: BERTConfig):
        super().__init__()
        c = self.config = config
        self.token_embedding = nn.Embedding(c.vocab_size, c.d_model)
        self.position_embedding = LearnedPositions(
            c.context_length, c.d_model, c.position_offset
        )
        self.segment_embedding = (
            nn.Embedding(c.n_segments, c.d_model) if c.n_segments else None
        )
        self.embedding_norm = LayerNorm(c.d_model, c.norm_eps)
        self.dropout = nn.Dropout(c.dropout)
        self.blocks = nn.ModuleList(self._block() for _ in range(c.n_layers))
        self.pooler = nn.Linear(c.d_model, c.d_model) if c.pooler else None
        self.mlm_head = None
        if c.mlm_head:
            self.mlm_head = MLMHead(c.d_model, c.vocab_size, c.activation, c.norm_eps)
        self.nsp_head = nn.Linear(c.d_model, 2) if c.nsp_head else None
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
                if getattr(module, "bias", None) is not None:
                    nn.init.zeros_(module.bias)
        if self.mlm_head is not None:
            self.mlm_head.decoder.weight = self.token_embedding.weight

    def _block(self) -> Block:
        c = self.config
        return Block(
            MultiHeadAttention(c.d_model, c.n_heads),
            MLP(c.d_model, c.d_ff or 4 * c.d_model, c.activation),
            LayerNorm(c.d_model, c.norm_eps),
            LayerNorm(c.d_model, c.norm_eps),
            norm_first=False,
            dropout=c.dropout,
        )

    def _check_segments(self, segment_ids: Tensor, batch_size: int, length: int):
        check_shape("segment_ids", segment_ids, "B T", B=batch_size, T=length)
        most = max(self.config.n_segments, 1) - 1
        if not segment_ids.numel():
            return
        low, high = int(segment_ids.min()), int(segment_ids.max())
        if low < 0 or high > most:
            raise ValueError(
                f"segment_ids must lie between 0 and {most}, as the model has "
                f"n_segments={self.config.n_segments}; got {low} to {high}"
            )

    def embed(self, ids: Tensor, segment_ids: Tensor | None = None) -> Tensor:
        """Add up what is known of each token before any of them looks around.

        Args:
            ids: int64, (B, T).
            segment_ids: int64, (B, T), 0 or 1; None: all 0.

        Returns:
            (B, T, D).
        """
        positions = torch.arange(ids.shape[1], device=ids.device)
        x = self.token_embedding(ids) + self.position_embedding(positions)
        if self.segment_embedding is not None:
            segment_ids = torch.zeros_like(ids) if segment_ids is None else segment_ids
            x = x + self.segment_embedding(segment_ids)
        return self.dropout(self.embedding_norm(x))

    def forward(
        self,
        ids: Tensor,
        attention_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> ModelOutput:
        """Read a text, or a pair of texts, from both sides.

        Args:
            ids: int64, (B, T).
            attention_mask: bool or 0/1, (B, T); True marks a real token. None: all
                are real. Padding goes on the right.
            segment_ids: int64, (B, T), 0 for the first text of a pair, 1 for the
                second; None: all 0.
            output_attentions: whether to return the weights.
            output_hidden_states: whether to return the residual stream.

        Returns:
            `ModelOutput` with `last_hidden_state`, (B, T, D), and, where the model has
            the heads, `logits` of the masked-word head, (B, T, V), `pooled`, (B, D),
            and `nsp_logits`, (B, 2), of which column 0 means "follows".

        Raises:
            ValueError: too many tokens, ids that are not in the vocabulary, or segments
                that the model does not have.
        """
        batch_size, length = check_ids(ids, self.config.vocab_size)
        if segment_ids is not None:
            self._check_segments(segment_ids, batch_size, length)
        check_context(length, self.config.context_length)
        mask = None
        if attention_mask is not None:
            check_shape("attention_mask", attention_mask, "B T", B=batch_size, T=length)
            mask = padding_mask(attention_mask)
        recorder = Recorder(output_hidden_states, output_attentions)

        x = self.embed(ids, segment_ids)
        recorder.stream(x)
        for block in self.blocks:
            x, weights, _ = block(x, mask=mask, need_weights=output_attentions)
            recorder.looked(weights)
            recorder.stream(x)
        pooled = torch.tanh(self.pooler(x[:, 0])) if self.pooler is not None else None
        return ModelOutput(
            logits=self.mlm_head(x) if self.mlm_head is not None else None,
            last_hidden_state=x,
            hidden_states=recorder.states(),
            attentions=recorder.attentions(),
            pooled=pooled,
            nsp_logits=self.nsp_head(pooled) if self.nsp_head is not None else None,
        )
