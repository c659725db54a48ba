"""The small modern decoder, told at the input which n-gram it has just read.

What a trigram table knows is looked up and need not be learned by attention: the blocks
can spend themselves on the rest. Huang et al. 2025, "Over-Tokenized Transformer",
section 3. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from llmkit.models.modern import Modern, ModernConfig
from llmkit.nn import KVCache
from llmkit.nn.ngrams import NOTHING, NGramEmbedding


@dataclass(frozen=True, kw_only=True)
class ModernNGramsConfig(ModernConfig):
    """Sizes of a small modern decoder with n-gram inputs."""

    longest: int = 4  # bigrams, trigrams and 4-grams
    buckets: int = 8192  # rows of each table


class ModernNGrams(Modern):
    """`Modern`, whose first stream also holds the last two, three, four tokens.

    Args:
        config: the sizes.
    """

    def __init__(self, config: ModernNGramsConfig):
        super().__init__(config)
        self.ngrams = NGramEmbedding(config.d_model, config.longest, config.buckets)

    def embed(
        self, ids: Tensor, attention_mask: Tensor | None, cache: KVCache | None
    ) -> Tensor:
        """Return the stream that goes into the first block; see `Modern.embed`."""
        if attention_mask is not None and attention_mask.dim() == 3:
            raise ValueError(
                "n-gram inputs read over the border between two texts in one row; got "
                "an attention_mask of (B, T, S). Give each text a row of its own"
            )
        seen = ids
        if attention_mask is not None:
            real = attention_mask[:, -ids.shape[1] :].bool()
            seen = ids.masked_fill(~real, NOTHING)
        if isinstance(cache, NGramCache):
            seen = cache.remember(seen)
        ngrams = self.ngrams(seen)[:, -ids.shape[1] :]
        return self.token_embedding(ids) + ngrams

    def new_cache(self) -> NGramCache:
        """Return an empty cache of the right depth."""
        return NGramCache(len(self.blocks))


class NGramCache(KVCache):
    """A `KVCache` that remembers the tokens too, for the next n-gram.

    Args:
        n_layers: L.
    """

    def __init__(self, n_layers: int):
        super().__init__(n_layers)
        self.ids: Tensor | None = None  # (B, S)

    def remember(self, ids: Tensor) -> Tensor:
        """Add the newest tokens, (B, T), and return all of them, (B, S)."""
        self.ids = ids if self.ids is None else torch.cat([self.ids, ids], dim=1)
        return self.ids

    def crop(self, length: int) -> None:
        """Forget everything after the first `length` positions."""
        super().crop(length)
        self.ids = None if self.ids is None else self.ids[:, :length]

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""
        super().select(rows)
        self.ids = None if self.ids is None else self.ids[rows]
