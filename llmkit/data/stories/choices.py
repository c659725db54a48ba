"""Random choices that remember how surprising they were.

Shannon 1948, "A Mathematical Theory of Communication", section 6: a choice of
probability p carries log2(1/p) bits.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chooser:
    """Draws choices and adds up their bits until somebody asks.

    Args:
        source: where randomness comes from; it is used and moved on.
    """

    def __init__(self, source: random.Random):
        self.source = source
        self._bits = 0.0

    def pick(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """Choose one of several things.

        Args:
            options: what there is; all different, or the bits would be too many.
            weights: how likely each is, up to a factor; None: all alike.

        Returns:
            One of them.

        Raises:
            ValueError: there is nothing to choose from.
        """
        if not options:
            raise ValueError("pick needs at least one option; got none")
        weights = [1.0] * len(options) if weights is None else list(weights)
        index = self._draw(weights)
        self._bits -= math.log2(weights[index] / sum(weights))
        return options[index]

    def spend(self) -> float:
        """Return the bits of all choices since the last call."""
        bits, self._bits = self._bits, 0.0
        return bits

    def _draw(self, weights: list[float]) -> int:
        """Return the index of one option; a test replaces this to try them all."""
        return self.source.choices(range(len(weights)), weights)[0]
