"""A small decoder of parts that learn fast: what a laptop trains in seconds.

Rotary positions, RMSNorm before each part and on queries and keys, squared ReLU, no
biases, an output layer of its own that begins at 0. Jordan et al. 2024, "Modded
NanoGPT"; Henry et al. 2020, "Query-Key Normalization", section 3; So et al. 2021,
"Primer", section 4. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from llmkit.checks import check_count
from llmkit.models.decoder import decoder_mask, next_positions, run_blocks
from llmkit.models.output import ModelOutput, Recorder, check_context, check_ids
from llmkit.nn import (
    MLP,
    Block,
    KVCache,
    MultiHeadAttention,
    RMSNorm,
    rotary_angles,
)


@dataclass(frozen=True, kw_only=True)
class ModernConfig:
    """Sizes of a small modern decoder."""

    vocab_size: int  # V
    context_length: int = 64  # the most tokens it can read
    d_model: int = 128  # D
    n_heads: int = 4  # H
    n_layers: int = 2  # L
    d_ff: int | None = None  # F; None: 4 D
    rotary_base: float = 10000.0
    norm_eps: float = 1e-6

    def __post_init__(self):
        for name in ("vocab_size", "context_length", "d_model", "n_heads", "n_layers"):
            check_count(name, getattr(self, name))
        if self.d_ff is not None:
            check_count("d_ff", self.d_ff)
        if self.d_model % self.n_heads:
            raise ValueError(
                "d_model must be a multiple of n_heads; got "
                f"d_model={self.d_model}, n_heads={self.n_heads}"
            )

    @property
    def d_head(self) -> int:
        """Dh, the width of one head."""
        return self.d_model // self.n_heads


class Modern(nn.Module):
    """Token vectors, L blocks, a last norm, and scores for every token.

    Args:
        config: the sizes.
    """

    def __init__(self, config: ModernConfig):
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.blocks = nn.ModuleList(self._block() for _ in range(config.n_layers))
        self.final_norm = RMSNorm(config.d_model, config.norm_eps)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self._init_weights()

    def _block(self) -> Block:
        c = self.config
        return Block(
            MultiHeadAttention(c.d_model, c.n_heads, bias=False, head_norm=RMSNorm),
            MLP(c.d_model, c.d_ff or 4 * c.d_model, "relu_squared", bias=False),
            RMSNorm(c.d_model, c.norm_eps),
            RMSNorm(c.d_model, c.norm_eps),
        )

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                std = 0.5 / math.sqrt(module.in_features)
                nn.init.normal_(module.weight, std=std)
        # each block begins by adding nothing, and every token as equally likely
        for block in self.blocks:
            nn.init.zeros_(block.attention.o_proj.weight)
            nn.init.zeros_(block.mlp.down_proj.weight)
        nn.init.zeros_(self.lm_head.weight)

    def embed(
        self, ids: Tensor, attention_mask: Tensor | None, cache: KVCache | None
    ) -> Tensor:
        """Return the stream that goes into the first block.

        Args:
            ids: int64, (B, T).
            attention_mask: as in `forward`.
            cache: as in `forward`.

        Returns:
            (B, T, D).
        """
        return self.token_embedding(ids)

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
            output_attentions: whether to return the weights. In bfloat16 on a CPU
                this is also the faster way to train.
            output_hidden_states: whether to return the residual stream.

        Returns:
            `ModelOutput` with `logits`, (B, T, V).

        Raises:
            ValueError: too many tokens, or ids that are not in the vocabulary.
        """
        c = self.config
        _, length = check_ids(ids, c.vocab_size)
        check_context(length + (cache.length if cache else 0), c.context_length)
        positions = next_positions(length, cache, attention_mask, ids.device)
        mask = decoder_mask(length, cache, attention_mask, ids.device)
        rotary = rotary_angles(positions, c.d_head, c.rotary_base)
        recorder = Recorder(output_hidden_states, output_attentions)

        x = self.embed(ids, attention_mask, cache)
        x = run_blocks(self.blocks, x, recorder, cache, mask, rotary)
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
