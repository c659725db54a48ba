"""Train a small model and keep some twenty moments of it, for the time machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import nn

from llmkit.training.loop import train
from llmkit.training.snapshots import save_snapshots, snapshot_steps, take_snapshot

SNAPSHOTS = "snapshots.safetensors"
_POINTS = 150  # of the curve that the log keeps


def keep_moments(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    batches: Iterable,
    score: Callable[[], float],
    *,
    steps: int,
    **options,
) -> dict:
    """Train in one go, and write about twenty snapshots into one file.

    Args:
        folder: where `snapshots.safetensors` goes; made if need be.
        model: with its first weights.
        optimizer: one, or several.
        batches: as for `train`.
        score: returns the loss on validation texts.
        steps: where the run ends.
        **options: the other arguments of `train`.

    Returns:
        For the log: how many weights and moments there are, the last loss, and the
        curve as rows of step and mean training loss since the row before.
    """
    moments = set(snapshot_steps(steps, 20))
    kept = [take_snapshot(model, 0, loss=round(score(), 4))]
    curve: list[list[float]] = []
    recent: list[float] = []
    stride = max(1, steps // _POINTS)

    def keep(step) -> None:
        recent.append(step.loss)
        done = step.step + 1
        if done % stride == 0:
            curve.append([done, round(sum(recent) / len(recent), 4)])
            recent.clear()
        if done in moments:
            kept.append(take_snapshot(model, done, loss=round(score(), 4)))

    train(model, batches, optimizer, steps=steps, on_step=keep, **options)
    folder.mkdir(parents=True, exist_ok=True)
    save_snapshots(folder / SNAPSHOTS, kept)
    return {
        "weights": sum(p.numel() for p in model.parameters()),
        "moments": len(kept),
        "steps": steps,
        "loss": kept[-1].scores["loss"],
        "curve": curve,
    }
