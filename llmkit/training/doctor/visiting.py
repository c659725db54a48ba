"""The doctor: watches a run and says in plain words what is wrong and what to do.

Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

import textwrap
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from llmkit.checks import check_count, check_type
from llmkit.training.doctor import weighing
from llmkit.training.doctor.batches import (
    belongs,
    find_ids,
    find_targets,
    losses_in_several_ways,
    more_alike_within,
    see_batch,
)
from llmkit.training.doctor.checks import CHECKS
from llmkit.training.doctor.listening import Listener
from llmkit.training.doctor.notes import Note
from llmkit.training.doctor.record import Record, StepSeen
from llmkit.training.loop import Step, evaluate, next_token

_LOOKS = (0, 1, 2, 4, 7)  # steps at which weights are compared; then every tenth
_KEPT = 64  # batches whose rows are kept
_PIECE = 32  # tokens that must agree for a passage to count as the same


class Doctor:
    """Watches a model while it is trained.

        doctor = Doctor(model, optimizer, validation=valid_batches)
        train(model, doctor.watch(batches), optimizer, steps=200, on_step=doctor)
        print(doctor)

    It changes nothing: a run with a doctor ends with the same weights as without.

    Args:
        model: the model, before its first step.
        optimizer: one, or several that are stepped together.
        validation: batches that are not trained on; with them the doctor also sees
            overfitting and leaks.
        loss: what scores a validation batch.
        every: after how many steps the validation batches are scored.
        pad_id: the padding's id; None: guessed from how rows end.
        frozen: whether some weights are kept as they are on purpose.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
        *,
        validation: Iterable | None = None,
        loss: Callable[[nn.Module, tuple], Tensor] = next_token,
        every: int = 20,
        pad_id: int | None = None,
        frozen: bool = False,
    ):
        check_type("model", model, nn.Module)
        check_count("every", every)
        one = hasattr(optimizer, "step")
        self._optimizers = [optimizer] if one else list(optimizer)
        self._validation = None if validation is None else list(validation)
        self._loss, self._every, self._pad_id = loss, every, pad_id
        self._allow_frozen = frozen
        self._drawn: deque = deque(maxlen=256)  # batches not yet read by the model
        self._pairs: list[tuple[Tensor, Tensor | None]] = []  # of the present step
        self._met: set[int] = set()  # hashes of passages met in training
        self._since: dict[str, int] = {}
        self._zero_rows: dict[str, Tensor] = {}
        self._looks = 0
        config = getattr(model, "config", None)
        self.record = Record(model, vocab_size=getattr(config, "vocab_size", 0))
        self._ears = Listener(model, self._optimizers, self._heard)
        weighing.weigh_first(self.record, self._optimizers, allow_frozen=frozen)
        self._lengths = weighing.lengths(model)
        self._ears.begin(0, look=True)

    # --- watching ----------------------------------------------------------------
    def watch(self, batches: Iterable) -> Iterator:
        """Pass batches on, and remember them until the model reads them.

        Args:
            batches: what `train` is to draw from.

        Yields:
            The same batches.
        """
        for batch in batches:
            self._drawn.append(batch)
            yield batch

    def __call__(self, step: Step) -> None:
        """Look at a step; give the doctor to `train` as `on_step`.

        Args:
            step: what happened.
        """
        ears, record = self._ears, self.record
        ears.deaf = True
        try:
            seen = StepSeen(
                step.step, step.loss, step.lr, step.grad_norm, clipped=ears.clipped
            )
            seen.losses = self._losses()
            record.steps.append(seen)
            if ears.look:
                self._look(seen)
            if len(record.steps) == 1 and ears.bad is None:
                weighing.ask_about_future(record)
            if self._validation and (step.step + 1) % self._every == 0:
                self._validate(step)
        finally:
            self._pairs = []
            ahead = step.step + 1
            ears.deaf = False
            ears.begin(ahead, look=len(record.steps) in _LOOKS or ahead % 10 == 0)

    def leave(self) -> None:
        """Take all hooks off the model."""
        self._ears.leave()

    # --- what was found ----------------------------------------------------------
    @property
    def notes(self) -> list[Note]:
        """What is wrong, causes before symptoms; empty if all is well."""
        record, ears = self.record, self._ears
        record.stale, record.asleep, record.awake = ears.stale, ears.asleep, ears.awake
        record.bad = ears.bad
        if len(record.batches) >= 6 and record.vocab_size:
            rows = [b.rows for b in record.batches[:_KEPT]]
            classes = [[torch.tensor([c]) for c in b.classes] for b in record.batches]
            kinds = [more_alike_within(rows, record.vocab_size)]
            if any(classes):
                kinds.append(more_alike_within(classes[:_KEPT], record.vocab_size))
            record.unshuffled = max((k for k in kinds if k is not None), default=None)
        found = [note for check in CHECKS for note in check(record)]
        last = record.steps[-1].step if record.steps else 0
        return [
            replace(note, step=self._since.setdefault(note.name, last))
            for note in found
        ]

    def __str__(self) -> str:
        steps = len(self.record.steps)
        notes = self.notes
        if not notes:
            return f"The doctor saw {steps} steps and found nothing wrong."
        told = [
            textwrap.fill(
                f"{n}. {note.name.upper()}: {note.what} {note.advice}",
                88,
                subsequent_indent="   ",
            )
            for n, note in enumerate(notes, start=1)
        ]
        return "\n".join([f"The doctor saw {steps} steps:", *told])

    def __repr__(self) -> str:
        names = ", ".join(note.name for note in self.notes)
        return f"Doctor({len(self.record.steps)} steps: {names or 'nothing wrong'})"

    # --- inside ------------------------------------------------------------------
    def _heard(self, given: dict) -> None:
        """See what the model is about to read."""
        record = self.record
        ids, masked = find_ids(given)
        if ids is None:
            return
        if record.vocab_size and record.unknown_id is None and ids.numel():
            wrong = ids[(ids >= record.vocab_size) | (ids < 0)]
            if len(wrong):
                record.unknown_id = (int(wrong[0]), self._ears.step)
        batch = self._claim(ids)
        targets = find_targets(batch, ids, record.vocab_size) if batch else None
        self._pairs.append((ids, targets))
        if len(record.batches) < 10 * _KEPT:
            seen = see_batch(ids, targets, masked, self._pad_id)
            if len(record.batches) >= _KEPT:
                seen.rows = []
            record.batches.append(seen)
        if targets is not None and len(record.steps) < 10 * _KEPT:
            record.counts.update(targets[targets >= 0].flatten().tolist())
        record.top_id = max(record.top_id, int(ids.max()))
        record.n_read += ids.numel()
        if self._validation and len(self._met) < 2_000_000:
            self._met |= set(_passages(ids))

    def _claim(self, ids: Tensor) -> tuple | None:
        """Return the batch that holds these ids, and forget it and those before."""
        for place, batch in enumerate(self._drawn):
            if belongs(batch, ids):
                for _ in range(place + 1):
                    self._drawn.popleft()
                return batch
        return None

    def _losses(self) -> dict[str, float]:
        """Compute the loss of this step in several ways, mean over its batches."""
        found: list[dict[str, float]] = []
        for logits, (_, targets) in zip(self._ears.answers, self._pairs, strict=False):
            if targets is None:
                continue
            if not self.record.vocab_size or targets.dim() == 1:
                self.record.vocab_size = max(self.record.vocab_size, logits.shape[-1])
            share = (targets != -100).float().mean().item()
            found.append(losses_in_several_ways(logits, targets, share))
        names = set.intersection(*map(set, found)) if found else set()
        ordered = [n for n in found[0] if n in names] if found else []
        return {n: sum(f[n] for f in found) / len(found) for n in ordered}

    def _look(self, seen: StepSeen) -> None:
        """Compare weights with before the step, and look at the gradients."""
        record = self.record
        seen.update = weighing.moved(record, self._ears.before)
        seen.growth = weighing.growth(record.model, self._lengths)
        weighing.look_at_gradients(record, self._zero_rows, first=self._looks < 2)
        weighing.still_zero(record)
        record.decay = max(record.decay, weighing.decay(self._optimizers))
        self._looks += 1

    def _validate(self, step: Step) -> None:
        record = self.record
        value = evaluate(record.model, self._validation, self._loss)
        record.validation.append((step.step, record.recent, value))
        pieces = [p for batch in self._validation for p in _passages(batch[0])]
        # a text that repeats itself is met again without any leak
        if pieces and len(set(pieces)) > 0.9 * len(pieces):
            known = sum(piece in self._met for piece in pieces)
            record.leaked = known / len(pieces)


def _passages(ids: Tensor) -> Iterator[int]:
    """Yield a hash for each run of tokens in the rows of (B, T) ids."""
    if ids.dim() != 2 or ids.shape[1] < 8:
        return
    size = min(_PIECE, ids.shape[1])
    for row in ids.tolist():
        for begin in range(len(row) - size + 1):
            yield hash(tuple(row[begin : begin + size]))
