"""What a detector found: true when all is well, and a sentence either way.

Home notebook: 11_evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """The answer of a detector.

    Attributes:
        sound: whether nothing is wrong; `bool(finding)` is the same.
        sentence: what was found, in words.
        worst: the greatest deviation, as a share of the greatest number compared.
        where: (position, position): whose answer moved, and from which position on
            the text had been changed; None if nothing moved.
    """

    sound: bool
    sentence: str
    worst: float = 0.0
    where: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        return self.sound

    def __str__(self) -> str:
        return self.sentence

    def __repr__(self) -> str:
        verdict = "sound" if self.sound else "NOT SOUND"
        return f"{type(self).__name__}({verdict}: {self.sentence})"
