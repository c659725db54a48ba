"""Counting models: what a language model must beat before it has learned anything.

Interpolated absolute discounting: Chen and Goodman 1999, "An Empirical Study of
Smoothing Techniques for Language Modeling", section 2.6. Home notebook:
07_pretraining_gpt.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from llmkit.checks import check_positive, check_range


class NGram:
    """Guess the next token from how often it followed the last few.

    Each count gives a little of itself away to the next shorter history, and the
    shortest gives to all tokens alike, so nothing has probability 0.

    Args:
        order: 1 looks at nothing (unigram), 2 at one token before (bigram), …
        vocab_size: V.
        discount: how much each count gives away.
    """

    def __init__(self, order: int, vocab_size: int, discount: float = 0.75):
        check_positive("order", order)
        check_positive("vocab_size", vocab_size)
        check_range("discount", discount, 0.0, 1.0)
        self.order, self.vocab_size, self.discount = order, vocab_size, discount
        # one table for each length of history: how often it was followed by a token,
        # how often by anything, and by how many different tokens
        self.pairs = [Counter() for _ in range(order)]
        self.totals = [Counter() for _ in range(order)]
        self.kinds = [Counter() for _ in range(order)]

    def fit(self, ids: Sequence[int]) -> NGram:
        """Count; a second text is added to the first.

        Args:
            ids: the training text as token ids.

        Returns:
            Itself.
        """
        ids = [int(i) for i in ids]
        for length in range(self.order):
            pairs = self.pairs[length]
            for end in range(length, len(ids)):
                pairs[tuple(ids[end - length : end + 1])] += 1
            # anew: the pairs hold what earlier texts brought as well
            self.totals[length].clear()
            self.kinds[length].clear()
            for key, count in pairs.items():
                self.totals[length][key[:-1]] += count
                self.kinds[length][key[:-1]] += 1
        return self

    def probability(self, history: Sequence[int], token: int) -> float:
        """Return the probability of a token after a history.

        Args:
            history: the ids before it; only the last `order - 1` count.
            token: an id.

        Returns:
            A number above 0; over all V tokens they add up to 1.
        """
        guess = 1.0 / self.vocab_size
        for length in range(min(self.order, len(history) + 1)):
            seen = tuple(history[len(history) - length :])
            total = self.totals[length][seen]
            if not total:
                break
            kept = max(self.pairs[length][(*seen, token)] - self.discount, 0.0)
            given_away = self.discount * self.kinds[length][seen]
            guess = (kept + given_away * guess) / total
        return guess

    def loss(self, ids: Sequence[int]) -> float:
        """Return the mean surprise at a text, in nats per token.

        Args:
            ids: another text; its first token is read but not scored.

        Returns:
            The mean of -log p.

        Raises:
            ValueError: there is nothing to score.
        """
        ids = [int(i) for i in ids]
        if len(ids) < 2:
            raise ValueError(f"ids must hold at least two tokens; got {len(ids)}")
        total = 0.0
        for end in range(1, len(ids)):
            history = ids[max(0, end - self.order + 1) : end]
            total -= math.log(self.probability(history, ids[end]))
        return total / (len(ids) - 1)
