"""Learn: batches, optimisers, schedules, one loop, and states to go on from."""

from llmkit.training.batches import ordered_windows, random_windows
from llmkit.training.bert import (
    PretrainingScores,
    masked_words_loss,
    pretraining_loss,
    score_pretraining,
)
from llmkit.training.doctor import Doctor, Note
from llmkit.training.gradients import clip_gradients
from llmkit.training.loop import Step, evaluate, train
from llmkit.training.masking import (
    IGNORED,
    EncodedPairs,
    MaskedBatch,
    Masking,
    mask_tokens,
    masked_batches,
    ordered_batches,
)
from llmkit.training.muon import Muon, muon, orthogonalize
from llmkit.training.optimizers import SGD, Adam, AdamW, adamw
from llmkit.training.packed import packed_batches, separate_texts
from llmkit.training.processes import my_rows
from llmkit.training.products import OneDNN
from llmkit.training.run import Run
from llmkit.training.schedules import (
    constant,
    trapezoid,
    warmup_constant,
    warmup_cosine,
    warmup_linear,
)
from llmkit.training.snapshots import (
    Snapshot,
    load_snapshots,
    save_snapshots,
    snapshot_steps,
    take_snapshot,
)
from llmkit.training.state import load_state, save_state
from llmkit.training.watching import every, stop_early, together

__all__ = [
    "IGNORED",
    "SGD",
    "Adam",
    "AdamW",
    "Doctor",
    "EncodedPairs",
    "MaskedBatch",
    "Masking",
    "Muon",
    "Note",
    "OneDNN",
    "PretrainingScores",
    "Run",
    "Snapshot",
    "Step",
    "adamw",
    "clip_gradients",
    "constant",
    "evaluate",
    "every",
    "load_snapshots",
    "load_state",
    "mask_tokens",
    "masked_batches",
    "masked_words_loss",
    "muon",
    "my_rows",
    "ordered_batches",
    "ordered_windows",
    "orthogonalize",
    "packed_batches",
    "pretraining_loss",
    "random_windows",
    "save_snapshots",
    "save_state",
    "score_pretraining",
    "separate_texts",
    "snapshot_steps",
    "stop_early",
    "take_snapshot",
    "together",
    "train",
    "trapezoid",
    "warmup_constant",
    "warmup_cosine",
    "warmup_linear",
]
