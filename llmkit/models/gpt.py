"""GPT: reads from left to right and says what comes next.

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section
2.3. Home notebook: 07_pretraining_gpt; the block is built in 05_transformer_block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from llmkit.checks import check_choice, check_count, check_range
from llmkit.models.decoder import decoder_mask, next_positions, run_blocks
from llmkit.models.output import ModelOutput, Recorder, check_context, check_ids
from llmkit.nn import (
    ACTIVATIONS,
    MLP,
    Block,
    KVCache,
    LayerNorm,
    LearnedPositions,
    MultiHeadAttention,
)


@dataclass(frozen=True, kw_only=True)
class GPTConfig:
    """Sizes of a GPT-2-style decoder."""

    vocab_size: int  # V
    context_length: int = 256  # the most tokens it can read
    d_model: int = 128  # D, width of the residual stream
    n_heads: int = 4  # H
    n_layers: int = 4  # L
    d_ff: int | None = None  # F; None: 4 * d_model
    activation: str = "gelu_tanh"
    dropout: float = 0.0
    norm_eps: float = 1e-5

    def __post_init__(self):
        for name in ("vocab_size", "context_length", "d_model", "n_heads", "n_layers"):
            check_count(name, getattr(self, name))
        if self.d_ff is not None:
            check_count("d_ff", self.d_ff)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_range("dropout", self.dropout, 0.0, 1.0)
        if self.d_model % self.n_heads:
            raise ValueError(
                "d_model must be a multiple of n_heads; got "
                f"d_model={self.d_model}, n_heads={self.n_heads}"
            )

    @property
    def d_head(self) -> int:
        """Dh, the width of one head."""
        return self.d_model // self.n_heads


class GPT(nn.Module):
    """Token and position vectors, L blocks, a last norm, and scores for every token.

    The output layer shares its weights with the token table.

    Args:
        config: the sizes.
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        d_model, n_layers = config.d_model, config.n_layers
        self.token_embedding = nn.Embedding(config.vocab_size, d_model)
        self.position_embedding = LearnedPositions(config.context_length, d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(self._block() for _ in range(n_layers))
        self.final_norm = LayerNorm(d_model, config.norm_eps)
        self.lm_head = nn.Linear(d_model, config.vocab_size, bias=False)
        self._init_weights()
        self.lm_head.weight = self.token_embedding.weight

    def _block(self) -> Block:
        c = self.config
        return Block(
            MultiHeadAttention(c.d_model, c.n_heads),
            MLP(c.d_model, c.d_ff or 4 * c.d_model, c.activation),
            LayerNorm(c.d_model, c.norm_eps),
            LayerNorm(c.d_model, c.norm_eps),
            dropout=c.dropout,
        )

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
                if getattr(module, "bias", None) is not None:
                    nn.init.zeros_(module.bias)
        # 2 L parts add to the stream: scaled down, their sum keeps its size
        for block in self.blocks:
            for out in (block.attention.o_proj, block.mlp.down_proj):
                nn.init.normal_(out.weight, std=0.02 / math.sqrt(2 * len(self.blocks)))

    def forward(
        self,
        ids: Tensor,
        attention_mask: Tensor | None = None,
        cache: KVCache | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> ModelOutput:
        """Score every token of the vocabulary as the next one, at every position.

        Args:
            ids: int64, (B, T); with a cache, only the new ones.
            attention_mask: bool or 0/1, (B, S) over old and new tokens; True marks a
                real token. Or (B, T, S): what each new token may see, for several
                texts in one row. None: all are real.
            cache: extended in place.
            output_attentions: whether to return the weights.
            output_hidden_states: whether to return the residual stream.

        Returns:
            `ModelOutput` with `logits`, (B, T, V).

        Raises:
            ValueError: too many tokens, or ids that are not in the vocabulary.
        """
        _, length = check_ids(ids, self.config.vocab_size)
        check_context(
            length + (cache.length if cache else 0), self.config.context_length
        )
        positions = next_positions(length, cache, attention_mask, ids.device)
        mask = decoder_mask(length, cache, attention_mask, ids.device)
        recorder = Recorder(output_hidden_states, output_attentions)

        x = self.token_embedding(ids) + self.position_embedding(positions)
        x = self.dropout(x)
        x = run_blocks(self.blocks, x, recorder, cache, mask)
        x = self.final_norm(x)
        return ModelOutput(
            logits=self.lm_head(x),
            last_hidden_state=x,
            hidden_states=recorder.states(),
            attentions=recorder.attentions(),
            cache=cache,
        )

    def new_cache(self) -> KVCache:
        """Return an empty cache of the right depth."""
        return KVCache(len(self.blocks))


def count_parameters(model: nn.Module) -> int:
    """Count the weights of a model; shared ones count once.

    Args:
        model: any module.

    Returns:
        How many numbers training can change.
    """
    return sum(p.numel() for p in model.parameters())


def shift_targets(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Cut a batch into what is read and what is to be said.

    Args:
        ids: int64, (B, T + 1).

    Returns:
        Inputs and targets, (B, T) each: the target of a position is the next token.
    """
    check_ids(ids, int(torch.iinfo(torch.int64).max))
    return ids[:, :-1], ids[:, 1:]
