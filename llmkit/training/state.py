"""Stop a run and go on later, bit for bit on the CPU.

Everything lies in one safetensors file, so that a save is there or is not; nothing is
unpickled. A schedule is a function of the step, so the step stands for it. A source of
data stands where its generator stands, where its `Stream` or `Packing` says, or `step`
batches from its beginning. In several processes, which all go through the same data,
the first one writes, and the chance of dropout goes on from its state in all.
Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from llmkit.runtime import write_atomically
from llmkit.training.processes import process_and_count
from llmkit.training.randomness import (
    Generator,
    set_random_state,
    take_random_state,
)
from llmkit.training.weights import (
    check_config,
    config_of,
    differences,
    own_weights,
)


def save_state(
    path: Path | str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    step: int,
    generator: Generator | None = None,
    settings: dict | None = None,
    stream=None,
) -> None:
    """Write weights, optimisers, step, random state and the place in the data.

    Args:
        path: the file to write, such as `run.safetensors`.
        model: its weights, and its `config` if it has one.
        optimizer: one, or several.
        step: how many steps were taken.
        generator: the one that draws the batches, if it is not a global one.
        settings: what else must be the same when the run goes on, such as
            `{"steps": 500, "batch_size": 16}`; JSON must be able to hold it.
        stream: a `Stream` or `Packing` that the batches come from, or anything else
            with a `position` that JSON can hold and `go_to`; its place is kept.

    Raises:
        TypeError: the stream cannot say where it stands.
    """
    from safetensors.torch import save_file

    place = None if stream is None else _position(stream)
    if process_and_count()[0]:
        return
    model, optimizers = _bare(model), _as_list(optimizer)
    tensors = {f"model.{k}": v for k, v in own_weights(model).items()}
    chance, chance_notes = take_random_state(generator)
    tensors |= {f"random.{k}": v for k, v in chance.items()}
    notes: dict = {
        "step": step,
        "config": config_of(model),
        "settings": settings,
        "stream": place,
        "random": chance_notes,
        "optimizers": [],
    }
    for i, each in enumerate(optimizers):
        of_weights, saved = _take_optimizer(each)
        tensors |= {f"optimizer.{i}.{k}": v for k, v in of_weights.items()}
        notes["optimizers"].append(saved)
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    header = {"llmkit": json.dumps(notes)}
    write_atomically(path, lambda draft: save_file(tensors, str(draft), header))


@torch.no_grad()
def load_state(
    path: Path | str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    generator: Generator | None = None,
    settings: dict | None = None,
    stream=None,
) -> int:
    """Bring everything back to where `save_state` left it.

    Args:
        path: the file.
        model: of the same configuration.
        optimizer: made in the same way as the saved one, or several.
        generator: the one that draws the batches.
        settings: the same as were given to `save_state`.
        stream: of the same source as the one given to `save_state`; it goes to its
            place. Batches must not have been drawn ahead of it.

    Returns:
        How many steps were taken: the `first_step` of `train`.

    Raises:
        ValueError: it was saved from another configuration or by something else, or
            only one of the two has a generator, or a stream; the model is left as it
            is.
    """
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        header = file.metadata() or {}
        if "llmkit" not in header:
            raise ValueError(f"{path} holds no state of a run; was it `save_state`d?")
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    model, optimizers = _bare(model), _as_list(optimizer)
    notes = json.loads(header["llmkit"])
    check_config(notes["config"], model, str(path))
    _check_same(notes, optimizers, settings, path)
    if generator is not None and "random.generator" not in tensors:
        raise ValueError(
            f"{path} holds no generator: it was saved without one. Leave generator out"
        )
    if generator is None and "random.generator" in tensors:
        raise ValueError(
            f"{path} was saved with a generator, which must go on from its state; give "
            "generator, as to save_state"
        )
    _check_stream(notes.get("stream"), stream, path)
    if stream is not None:
        stream.go_to(notes["stream"])
    set_random_state(_below(tensors, "random"), notes["random"], generator)
    for name, weight in own_weights(model).items():
        weight.copy_(tensors[f"model.{name}"])
    for i, (each, saved) in enumerate(
        zip(optimizers, notes["optimizers"], strict=True)
    ):
        _set_optimizer(each, _below(tensors, f"optimizer.{i}"), saved)
    return notes["step"]


def _position(stream) -> dict:
    if not hasattr(stream, "position") or not hasattr(stream, "go_to"):
        raise TypeError(
            "stream must have position and go_to, as Stream and Packing have; got "
            f"{type(stream).__name__}. Give what the batches are made of, not the "
            "batches"
        )
    return stream.position


def _check_stream(place: dict | None, stream, path) -> None:
    if stream is None and place is not None:
        raise ValueError(
            f"{path} was saved with a stream, which must go on from its place; give "
            "stream, as to save_state"
        )
    if stream is not None and _position(stream) is not None and place is None:
        raise ValueError(
            f"{path} holds no place in a stream: it was saved without one. Leave "
            "stream out"
        )


def _take_optimizer(optimizer) -> tuple[dict[str, Tensor], dict]:
    """Return the tensors of an optimiser by name, and the rest for JSON."""
    full, tensors, numbers = optimizer.state_dict(), {}, {}
    for index, values in full["state"].items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{key}"] = value
            else:
                numbers.setdefault(str(index), {})[key] = value
    groups = full["param_groups"]
    return tensors, {"kind": _kind(optimizer), "groups": groups, "numbers": numbers}


def _set_optimizer(optimizer, tensors: dict[str, Tensor], saved: dict) -> None:
    state = {int(k): dict(v) for k, v in saved["numbers"].items()}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": saved["groups"]})


def _as_list(optimizer) -> list[torch.optim.Optimizer]:
    return [optimizer] if hasattr(optimizer, "step") else list(optimizer)


def _bare(model: nn.Module) -> nn.Module:
    return model.module if isinstance(model, DistributedDataParallel) else model


def _kind(optimizer) -> str:
    # accelerate wraps an optimiser in one of its own
    return type(getattr(optimizer, "optimizer", optimizer)).__name__


def _below(tensors: dict[str, Tensor], head: str) -> dict[str, Tensor]:
    first = f"{head}."
    return {k[len(first) :]: v for k, v in tensors.items() if k.startswith(first)}


def _check_same(notes: dict, optimizers: list, settings: dict | None, path) -> None:
    """Refuse other optimisers, or another run."""
    there = [(o["kind"], _sizes(o["groups"])) for o in notes["optimizers"]]
    here = [(_kind(o), _sizes(o.state_dict()["param_groups"])) for o in optimizers]
    if there != here:
        told = [
            ", ".join(f"{kind} of {'+'.join(map(str, n))} weights" for kind, n in each)
            for each in (there, here)
        ]
        raise ValueError(f"{path} holds the optimisers {told[0]}; got {told[1]}")
    then, now = notes["settings"] or {}, json.loads(json.dumps(settings)) or {}
    if then != now:
        other = differences(then, now)
        raise ValueError(f"{path} was saved from a run with other settings: {other}")


def _sizes(groups: list[dict]) -> list[int]:
    return [len(group["params"]) for group in groups]
