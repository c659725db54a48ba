"""Learn: batches, optimisers, schedules, one loop, and states to go on from."""

from llmkit.training.batches import ordered_windows, random_windows
from llmkit.training.loop import Step, evaluate, train
from llmkit.training.optimizers import Muon, adamw, muon
from llmkit.training.schedules import constant, warmup_cosine
from llmkit.training.snapshots import (
    Snapshot,
    load_snapshots,
    save_snapshots,
    snapshot_steps,
    take_snapshot,
)
from llmkit.training.state import load_state, save_state

__all__ = [
    "Muon",
    "Snapshot",
    "Step",
    "adamw",
    "constant",
    "evaluate",
    "load_snapshots",
    "load_state",
    "muon",
    "ordered_windows",
    "random_windows",
    "save_snapshots",
    "save_state",
    "snapshot_steps",
    "take_snapshot",
    "train",
    "warmup_cosine",
]
