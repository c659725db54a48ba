"""What the doctor has seen of a run: plain numbers, which the checks read.

Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from statistics import median

from torch import Tensor, nn


@dataclass
class BatchSeen:
    """One batch, as it went into the model.

    Attributes:
        key: equal for equal batches.
        rows: the first few rows of its ids, each (T,).
        classes: the first few classes, where each row has one label; else empty.
        shape: of the ids.
        places: how many targets there are.
        counted: how many of them are not ignored.
        ahead: share of counted targets that are the token at distance -1, 0, 1 and 2
            from their input, by distance.
        padding_asked: share of counted targets that are padding after padding.
        padded: whether the ids end in padding.
        masked: whether the model was given an attention mask.
        commonest: share of the most frequent counted target.
    """

    key: int
    rows: list[Tensor]
    classes: list[int]
    shape: tuple[int, ...]
    places: int = 0
    counted: int = 0
    ahead: dict[int, float] = field(default_factory=dict)
    padding_asked: float = 0.0
    padded: bool = False
    masked: bool = False
    commonest: float = 0.0


@dataclass
class StepSeen:
    """One step.

    Attributes:
        step: its number.
        loss: as the run reported it.
        lr: the rate of the first group.
        grad_norm: before clipping.
        clipped: the gradient's length as the optimiser got it.
        losses: the cross-entropy computed anew in several ways, by name; "plain" is
            the right one.
        update: by which share of its length a typical matrix moved; None: not looked.
        growth: how many times its first length a typical matrix has.
    """

    step: int
    loss: float
    lr: float
    grad_norm: float
    clipped: float | None = None
    losses: dict[str, float] = field(default_factory=dict)
    update: float | None = None
    growth: float | None = None


@dataclass
class Record:
    """Everything seen of a run.

    Attributes:
        model: the patient.
        vocab_size: V, how many answers there are to choose from.
        fresh: whether the weights had not been trained before; None: unknown.
        causal: whether the future is hidden; None: not known.
        peeking: what `no_peeking` said.
        gains: how much each matrix lengthens a vector at the start, by name.
        alike: matrices whose entries were all one number at the start, with it.
        still_zero: matrices that were 0 at the start and have stayed so.
        outside: trainable weights that no optimiser holds: how many, and of how many.
        frozen: weights that take no gradient: how many, and of how many.
        cut_off: blocks that get no gradient while others do.
        dead: by matrix, the share of its rows without any gradient in every look.
        depth: gradient of the first block over that of the last, one for each look.
        unchanged: by matrix of a short number type, the share of entries that a step
            left as they were.
        decay: the greatest share of a weight that a step of any group takes off.
        stale: first step whose gradient was added to that of the step before.
        asleep: first step that was trained in evaluation mode despite dropout.
        awake: first step at which answers were asked without gradients while
            dropout was on.
        bad: where the first number that is none came up: step, module, direction.
        unknown_id: an id that the model has no token for, with its step.
        counts: how often each id was a target.
        top_id: the greatest id read.
        n_read: how many ids were read.
        unshuffled: how much more alike the rows of one batch are than rows of
            different batches, 0 to 1; None: not known.
        leaked: share of the validation text that was met in training.
        validation: (step, training loss, validation loss), one for each visit.
    """

    model: nn.Module
    steps: list[StepSeen] = field(default_factory=list)
    batches: list[BatchSeen] = field(default_factory=list)
    vocab_size: int = 0
    fresh: bool | None = None
    causal: bool | None = None
    peeking: str = ""
    gains: dict[str, float] = field(default_factory=dict)
    alike: dict[str, float] = field(default_factory=dict)
    still_zero: list[str] = field(default_factory=list)
    outside: tuple[int, int] = (0, 1)
    frozen: tuple[int, int] = (0, 1)
    cut_off: list[str] = field(default_factory=list)
    dead: dict[str, float] = field(default_factory=dict)
    depth: list[float] = field(default_factory=list)
    unchanged: dict[str, float] = field(default_factory=dict)
    decay: float = 0.0
    stale: int | None = None
    asleep: int | None = None
    awake: int | None = None
    bad: tuple[int, str, str] | None = None
    unknown_id: tuple[int, int] | None = None
    counts: Counter = field(default_factory=Counter)
    top_id: int = -1
    n_read: int = 0
    unshuffled: float | None = None
    leaked: float = 0.0
    validation: list[tuple[int, float, float]] = field(default_factory=list)

    @property
    def even(self) -> float:
        """The loss of an even guess, log V."""
        return math.log(self.vocab_size) if self.vocab_size > 1 else 0.0

    @property
    def unigram(self) -> float:
        """The loss of always answering with the frequencies of the targets."""
        total = sum(self.counts.values())
        if not total:
            return self.even
        return -sum(n / total * math.log(n / total) for n in self.counts.values())

    @property
    def recent(self) -> float:
        """The median of the last ten losses."""
        return median(s.loss for s in self.steps[-10:])

    @property
    def losses(self) -> list[float]:
        """Every loss that is a number."""
        return [s.loss for s in self.steps if math.isfinite(s.loss)]

    @property
    def updates(self) -> list[float]:
        """By which share weights moved, at each look."""
        return [s.update for s in self.steps if s.update is not None]

    @property
    def growth(self) -> float:
        """How many times its first length a typical matrix has now."""
        seen = [s.growth for s in self.steps if s.growth is not None]
        return seen[-1] if seen else 1.0

    def share(self, distance: int) -> float:
        """Return which share of the targets stands so far ahead of its input."""
        shares = [b.ahead[distance] for b in self.batches if distance in b.ahead]
        return sum(shares) / len(shares) if shares else 0.0

    def told_by(self) -> str:
        """Return which way of computing the loss gives what the run reports.

        Returns:
            A key of `StepSeen.losses`, "" if none does or too little was seen.
        """
        seen = [s for s in self.steps if s.losses and math.isfinite(s.loss)][-40:]
        if len(seen) < 3:
            return ""
        for name in seen[-1].losses:
            near = [
                abs(s.losses.get(name, math.inf) - s.loss) <= 2e-3 * abs(s.loss)
                for s in seen
            ]
            if sum(near) >= 0.8 * len(near):
                return name
        return ""
