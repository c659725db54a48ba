"""Train by parts: stop after some minutes, and go on where it stopped.

What a part leaves behind lies in the folder of the checkpoint: `run.safetensors`, the
state of the run, and `run.json`, its curve. The last part removes them.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from llmkit.losses import cross_entropy
from llmkit.runtime import write_atomically
from llmkit.training.loop import Step, train
from llmkit.training.state import load_state, save_state


def train_by_parts(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    batches: Callable[[int], Iterable],
    *,
    steps: int,
    minutes: float | None = None,
    note: Callable[[Step], dict | None] | None = None,
    generator: torch.Generator | None = None,
    **options,
) -> list[dict] | None:
    """Train from the start or from where the last part stopped.

    Args:
        folder: where the state lies between two parts; made if need be.
        model: with its first weights; they are replaced if there is a state.
        optimizer: one, or several.
        batches: from the first step to the batches from there on.
        steps: where the run ends.
        minutes: when this part ends; None: at the end of the run.
        note: called after each step; what it returns joins the curve.
        generator: the one that draws the batches, if it is not the global one.
        **options: the other arguments of `train`.

    Returns:
        The curve of all parts; None if the run is not at its end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state, curve_file = folder / "run.safetensors", folder / "run.json"
    first, seconds, curve = 0, 0.0, []
    if state.exists():
        saved = json.loads(curve_file.read_text(encoding="utf-8"))
        first = load_state(state, model, optimizer, generator)
        curve = [row for row in saved["curve"] if row["step"] <= first]
        seconds = saved["seconds"]
    begin = time.monotonic()

    def on_step(step: Step) -> bool:
        row = note(step) if note else None
        if row is not None:
            spent = round(seconds + time.monotonic() - begin)
            curve.append({"step": step.step + 1, **row, "seconds": spent})
            print(curve[-1], flush=True)
        return minutes is not None and time.monotonic() - begin > 60 * minutes

    done = train(
        model,
        batches(first),
        optimizer,
        steps=steps,
        first_step=first,
        on_step=on_step,
        **options,
    )
    reached = first + len(done)
    if reached < steps:
        spent = seconds + time.monotonic() - begin
        # the curve first: one that is too long is cut at the next start
        write_text(curve_file, json.dumps({"curve": curve, "seconds": spent}))
        save_state(state, model, optimizer, reached, generator)
        return None
    state.unlink(missing_ok=True)
    curve_file.unlink(missing_ok=True)
    return curve


def loss_in_the_open(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Score a decoder on a batch with attention written out.

    In bfloat16 on a CPU, PyTorch's fused attention takes about four times as long on
    the way back; in float32 or on a GPU it would be the faster one.

    Args:
        model: the decoder.
        batch: inputs and targets, int64, (B, T) each.
    """
    ids, targets = batch
    return cross_entropy(model(ids, output_attentions=True).logits, targets)


def facts(recipe, model: nn.Module, curve: list[dict]) -> dict:
    """Return what every log begins with: the choices, the size, the time, the tools.

    Args:
        recipe: a dataclass.
        model: as it was written.
        curve: what `train_by_parts` returned.
    """
    return {
        "recipe": asdict(recipe),
        "weights": sum(p.numel() for p in model.parameters()),
        "minutes": round(curve[-1]["seconds"] / 60, 1),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def write_log(folder: Path, log: dict, sheet: str) -> None:
    """Write `log.json` and the datasheet, `README.md`, beside a checkpoint."""
    write_text(folder / "log.json", json.dumps(log, indent=1) + "\n")
    write_text(folder / "README.md", sheet)


def write_text(path: Path, text: str) -> None:
    """Write a text file at once or not at all."""
    write_atomically(path, lambda draft: draft.write_text(text, encoding="utf-8"))
