"""Vectors for the last two, three, four tokens, looked up in tables of fixed size.

Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification", section 2
(hashed n-grams); Huang et al. 2025, "Over-Tokenized Transformer", section 3 (as inputs
of a Transformer). Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llmkit.checks import check_count, check_shape

NOTHING = -1  # stands before the first token


class NGramEmbedding(nn.Module):
    """Add up a vector for each of the n-grams that end at a position.

    There are too many n-grams for a row each: a hash tells the row, and n-grams that
    fall into the same row must live with one vector.

    Args:
        d_model: D.
        longest: 4 means bigrams, trigrams and 4-grams, each with a table.
        buckets: how many rows a table has.
    """

    def __init__(self, d_model: int, longest: int = 4, buckets: int = 8192):
        super().__init__()
        check_count("longest", longest, 2)
        check_count("buckets", buckets, 2)
        self.longest, self.buckets = longest, buckets
        self.tables = nn.ModuleList(
            nn.Embedding(buckets, d_model) for _ in range(longest - 1)
        )
        for table in self.tables:
            nn.init.zeros_(table.weight)

    def rows(self, ids: Tensor) -> list[Tensor]:
        """Tell in which rows the n-grams of each position lie.

        Args:
            ids: int64, (B, T); `NOTHING` where there is no token.

        Returns:
            For bigrams, trigrams, …: int64, (B, T).
        """
        check_shape("ids", ids, "B T")
        code, earlier, found = ids + 1, ids, []
        for _ in self.tables:
            earlier = torch.cat([earlier.new_full((len(ids), 1), NOTHING), earlier], 1)
            earlier = earlier[:, :-1]
            # one token more, further back; large numbers wrap around, which is welcome
            code = code * 1_000_003 + earlier + 1
            found.append((code ^ (code >> 17)) % self.buckets)
        return found

    def forward(self, ids: Tensor) -> Tensor:
        """Look the n-grams up.

        Args:
            ids: int64, (B, T); `NOTHING` where there is no token.

        Returns:
            (B, T, D).
        """
        tables = zip(self.tables, self.rows(ids), strict=True)
        return sum(table(rows) for table, rows in tables)
