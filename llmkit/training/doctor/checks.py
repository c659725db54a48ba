"""All checks, causes before symptoms. Home notebook: 06_loss_and_optimization."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from llmkit.training.doctor import data_checks, model_checks, run_checks
from llmkit.training.doctor.notes import Note
from llmkit.training.doctor.record import Record

Check = Callable[[Record], Iterator[Note]]

# what is certain comes first, what only looks wrong comes last
CHECKS: tuple[Check, ...] = (
    data_checks.unknown_tokens,
    model_checks.left_out,
    model_checks.frozen,
    model_checks.cut_off,
    model_checks.stale_gradients,
    model_checks.wrong_mode,
    model_checks.short_numbers,
    data_checks.no_targets,
    data_checks.constant_targets,
    data_checks.targets_in_wrong_place,
    data_checks.repeated_batch,
    run_checks.loss_told_wrong,
    model_checks.future_visible,
    data_checks.padding,
    model_checks.start,
    model_checks.depth,
    data_checks.foreign_tokenizer,
    model_checks.dropout,
    data_checks.leak,
    data_checks.not_shuffled,
    run_checks.rate_too_high,
    # steps that overshoot switch units off: so the rate is the cause
    model_checks.dead_units,
    run_checks.decay,
    run_checks.not_a_number,
    run_checks.rate_too_low,
    run_checks.overfitting,
    run_checks.no_warmup,
    run_checks.clipping,
)
