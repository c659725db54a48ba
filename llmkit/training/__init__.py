"""Learn: batches, optimisers, schedules, one loop, and states to go on from."""

from llmkit.training.batches import ordered_windows, random_windows
from llmkit.training.loop import Step, evaluate, train
from llmkit.training.optimizers import Muon, adamw, muon
from llmkit.training.schedules import constant, warmup_cosine
from llmkit.training.state import load_state, save_state

__all__ = [
    "Muon",
    "Step",
    "adamw",
    "constant",
    "evaluate",
    "load_state",
    "muon",
    "ordered_windows",
    "random_windows",
    "save_state",
    "train",
    "warmup_cosine",
]
