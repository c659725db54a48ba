"""What the doctor says. Home notebook: 06_loss_and_optimization."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """One thing that is wrong with a run.

    Attributes:
        name: a short key, such as "rate too high".
        what: what was seen, with its numbers.
        advice: what to do about it.
        step: after which step it was noticed first.
    """

    name: str
    what: str
    advice: str
    step: int = 0

    def __str__(self) -> str:
        return f"{self.name} (step {self.step}): {self.what} {self.advice}"
