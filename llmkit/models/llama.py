"""Llama: the same decoder with today's parts.

Rotary positions, RMSNorm, SwiGLU, grouped queries, no biases. Touvron et al. 2023,
"LLaMA", section 2.2; Qwen and Mistral differ only in sizes, biases, head norms and a
window. Home notebook: 05_transformer_block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from llmkit.checks import check_count
from llmkit.models.decoder import decoder_mask, next_positions, run_blocks
from llmkit.models.output import ModelOutput, Recorder, check_context, check_ids
from llmkit.nn import (
    Block,
    KVCache,
    MultiHeadAttention,
    RMSNorm,
    SwiGLU,
    rotary_angles,
)


@dataclass(frozen=True, kw_only=True)
class LlamaConfig:
    """Sizes of a Llama-style decoder."""

    vocab_size: int  # V
    context_length: int = 256  # the most tokens it can read
    d_model: int = 128  # D
    n_heads: int = 4  # H
    n_kv_heads: int | None = None  # Hkv; None: as many as n_heads
    d_head: int | None = None  # Dh; None: d_model / n_heads
    n_layers: int = 4  # L
    d_ff: int = 344  # F
    rotary_base: float = 10000.0
    norm_eps: float = 1e-6
    qkv_bias: bool = False  # True in Qwen 2
    out_bias: bool = False  # with qkv_bias: what others call attention_bias
    head_norm: bool = False  # True in Qwen 3
    window: int | None = None  # how far back a token sees; None: all the way
    tied: bool = False  # whether the output layer is the token table

    def __post_init__(self):
        for name in ("vocab_size", "context_length", "d_model", "n_heads", "n_layers"):
            check_count(name, getattr(self, name))
        check_count("d_ff", self.d_ff)
        for name in ("n_kv_heads", "d_head", "window"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        if self.d_head is None and self.d_model % self.n_heads:
            raise ValueError(
                "d_model must be a multiple of n_heads; got "
                f"d_model={self.d_model}, n_heads={self.n_heads}"
            )

    @property
    def head_width(self) -> int:
        """Dh, the width of one head."""
        return self.d_head or self.d_model // self.n_heads


class Llama(nn.Module):
    """Token vectors, L blocks that turn queries and keys by position, scores.

    Args:
        config: the sizes.
    """

    def __init__(self, config: LlamaConfig):
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.blocks = nn.ModuleList(self._block() for _ in range(config.n_layers))
        self.final_norm = RMSNorm(config.d_model, config.norm_eps)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
                if getattr(module, "bias", None) is not None:
                    nn.init.zeros_(module.bias)
        if config.tied:
            self.lm_head.weight = self.token_embedding.weight

    def _block(self) -> Block:
        c = self.config
        return Block(
            MultiHeadAttention(
                c.d_model,
                c.n_heads,
                n_kv_heads=c.n_kv_heads,
                d_head=c.d_head,
                bias=c.qkv_bias,
                out_bias=c.out_bias,
                head_norm=partial(RMSNorm, eps=c.norm_eps) if c.head_norm else None,
            ),
            SwiGLU(c.d_model, c.d_ff),
            RMSNorm(c.d_model, c.norm_eps),
            RMSNorm(c.d_model, c.norm_eps),
        )

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
        c = self.config
        _, length = check_ids(ids, c.vocab_size)
        check_context(length + (cache.length if cache else 0), c.context_length)
        positions = next_positions(length, cache, attention_mask, ids.device)
        mask = decoder_mask(length, cache, attention_mask, ids.device, c.window)
        rotary = rotary_angles(positions, c.head_width, c.rotary_base)
        recorder = Recorder(output_hidden_states, output_attentions)

        x = self.token_embedding(ids)
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
