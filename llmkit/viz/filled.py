"""What a model says about the blanks of a text, and where blanks go in an edited one.

Home notebook: 08_pretraining_bert.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

READINGS = ("both sides", "left only", "right only")


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What a model says about the blanks of one text.

    Attributes:
        text: the text, with nothing hidden.
        tokens: T labels, as the text has them.
        free: T bools: may this token be hidden?
        masked: the blanks, in order.
        slot: the blank that is looked at; -1 if there is none.
        answers: the token that stood in each blank, or -1 where nobody knows.
        readings: for the slot, probabilities (V,) by the names in `READINGS`.
        others: for every blank its likeliest token and that one's probability.
        influence: T numbers: by how much the answer becomes less likely when this
            token is hidden too; None where that was not asked.
        note: a sentence for the reader.
    """

    text: str
    tokens: list[str] = field(default_factory=list)
    free: list[bool] = field(default_factory=list)
    masked: list[int] = field(default_factory=list)
    slot: int = -1
    answers: list[int] = field(default_factory=list)
    readings: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    others: list[tuple[int, float]] = field(default_factory=list)
    influence: list[float] | None = None
    note: str = ""

    @property
    def answer(self) -> int:
        """The token that stood in the slot, or -1."""
        return self.answers[self.masked.index(self.slot)] if self.slot >= 0 else -1


def moved(old: Sequence[str], new: Sequence[str], places: Sequence[int]) -> list:
    """Find places of one text again in an edited one.

    Args:
        old: the tokens before.
        new: the tokens now.
        places: indices into `old`.

    Returns:
        For each its index in `new`, or None if it lay in what was edited.
    """
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    shift = len(new) - len(old)
    return [
        at if 0 <= at < start else at + shift if start <= at >= len(old) - end else None
        for at in places
    ]
