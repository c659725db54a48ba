"""Fill in a blank by counting: what stood most often between these two neighbours?

The baseline beside every masked language model. Counts are smoothed by absolute
discounting: Ney, Essen and Kneser 1994, "On structuring probabilistic dependences in
stochastic language modelling". Home notebook: 08_pretraining_bert.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from llmkit.checks import check_choice, check_positive, check_range

SIDES = ("none", "left", "both")


class NeighbourCounts:
    """Guesses a hidden token from no neighbour, the left one, or both.

    Args:
        vocab_size: V.
        sides: "none" is a unigram model, "left" a bigram model, "both" also knows what
            comes after the blank.
        discount: taken from every count and given to shorter contexts.
    """

    def __init__(self, vocab_size: int, sides: str = "both", discount: float = 0.5):
        check_positive("vocab_size", vocab_size)
        check_choice("sides", sides, SIDES)
        check_range("discount", discount, 0.0, 1.0)
        self.vocab_size, self.sides, self.discount = vocab_size, sides, discount
        # from a context to how often each token stood in it
        self.counts: dict[tuple, Counter] = defaultdict(Counter)

    def fit(self, rows: Iterable[Sequence[int]]) -> NeighbourCounts:
        """Count; more rows are added to those before.

        Args:
            rows: texts as token ids. Their first and last tokens, such as `[CLS]` and
                `[SEP]`, are neighbours, and are not counted as blanks.

        Returns:
            Itself.
        """
        for row in rows:
            row = [int(i) for i in row]
            for at in range(1, len(row) - 1):
                for context in self._contexts(row[at - 1], row[at + 1]):
                    self.counts[context][row[at]] += 1
        return self

    def probability(self, left: int, right: int, token: int) -> float:
        """Return the probability of a token between two others.

        Args:
            left: the id before the blank.
            right: the id after it.
            token: what might stand there.

        Returns:
            A number above 0; over all V tokens they add up to 1.
        """
        guess = 1.0 / self.vocab_size
        for context in self._contexts(left, right):
            seen = self.counts.get(context)
            if not seen:
                break
            kept = max(seen[token] - self.discount, 0.0)
            given_away = self.discount * len(seen)
            guess = (kept + given_away * guess) / sum(seen.values())
        return guess

    def guess(self, left: int, right: int) -> int:
        """Return the token seen most often in the longest context that is known.

        Args:
            left: the id before the blank.
            right: the id after it.

        Raises:
            ValueError: nothing has been counted.
        """
        for context in reversed(list(self._contexts(left, right))):
            if seen := self.counts.get(context):
                return seen.most_common(1)[0][0]
        raise ValueError("nothing has been counted: call fit first")

    def score(self, blanks: Iterable[tuple[int, int, int]]) -> tuple[list[bool], float]:
        """Guess many blanks.

        Args:
            blanks: left neighbour, right neighbour and the token between them.

        Returns:
            Which guesses are right, and the mean loss in nats.

        Raises:
            ValueError: there are no blanks.
        """
        right, total = [], 0.0
        for before, after, token in blanks:
            right.append(self.guess(before, after) == token)
            total -= math.log(self.probability(before, after, token))
        if not right:
            raise ValueError("blanks must hold at least one blank; got none")
        return right, total / len(right)

    def _contexts(self, left: int, right: int):
        """Yield the contexts, from the shortest to the longest."""
        yield ()
        if self.sides != "none":
            yield (left,)
        if self.sides == "both":
            yield (left, right)
