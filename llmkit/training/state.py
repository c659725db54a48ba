"""Stop a run and go on later, bit for bit on the CPU.

Everything lies in one safetensors file, so that a save is there or is not; nothing is
unpickled. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from llmkit.runtime import write_atomically
from llmkit.training.weights import check_config, config_of, own_weights


def save_state(
    path: Path | str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    step: int,
    generator: torch.Generator | None = None,
) -> None:
    """Write weights, optimisers, step and random state.

    Args:
        path: the file to write, such as `run.safetensors`.
        model: its weights, and its `config` if it has one.
        optimizer: one, or several.
        step: how many steps were taken.
        generator: the one that draws the batches, if it is not the global one.
    """
    from safetensors.torch import save_file

    tensors = {f"model.{k}": v for k, v in own_weights(model).items()}
    tensors["random.global"] = torch.get_rng_state()
    if generator is not None:
        tensors["random.generator"] = generator.get_state()
    optimizers = _as_list(optimizer)
    notes: dict = {"step": step, "config": config_of(model), "optimizers": []}
    for i, each in enumerate(optimizers):
        full = each.state_dict()
        numbers: dict = {}
        for index, values in full["state"].items():
            for key, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{i}.{index}.{key}"] = value
                else:
                    numbers.setdefault(str(index), {})[key] = value
        notes["optimizers"].append({"groups": full["param_groups"], "numbers": numbers})
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    header = {"llmkit": json.dumps(notes)}
    write_atomically(path, lambda draft: save_file(tensors, str(draft), header))


@torch.no_grad()
def load_state(
    path: Path | str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    generator: torch.Generator | None = None,
) -> int:
    """Bring model, optimisers and random state back to where `save_state` left them.

    Args:
        path: the file.
        model: of the same configuration.
        optimizer: made in the same way as the saved one, or several.
        generator: the one that draws the batches.

    Returns:
        How many steps were taken: the `first_step` of `train`.

    Raises:
        ValueError: it was saved from another configuration or by something else.
    """
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        header = file.metadata() or {}
        if "llmkit" not in header:
            raise ValueError(f"{path} holds no state of a run; was it `save_state`d?")
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    if generator is not None and "random.generator" not in tensors:
        raise ValueError(
            f"{path} holds no generator: it was saved without one. Leave generator out"
        )
    notes, optimizers = json.loads(header["llmkit"]), _as_list(optimizer)
    _check_same(notes, model, optimizers, path)
    for name, weight in own_weights(model).items():
        weight.copy_(tensors[f"model.{name}"])
    for i, (each, saved) in enumerate(
        zip(optimizers, notes["optimizers"], strict=True)
    ):
        state = {int(k): dict(v) for k, v in saved["numbers"].items()}
        for name, value in tensors.items():
            if name.startswith(f"optimizer.{i}."):
                _, _, index, key = name.split(".", 3)
                state.setdefault(int(index), {})[key] = value
        each.load_state_dict({"state": state, "param_groups": saved["groups"]})
    if generator is not None:
        generator.set_state(tensors["random.generator"])
    torch.set_rng_state(tensors["random.global"])
    return notes["step"]


def _as_list(optimizer) -> list[torch.optim.Optimizer]:
    return [optimizer] if hasattr(optimizer, "step") else list(optimizer)


def _check_same(notes: dict, model: nn.Module, optimizers: list, path) -> None:
    check_config(notes["config"], model, str(path))
    if len(optimizers) != len(notes["optimizers"]):
        raise ValueError(
            f"{path} holds {len(notes['optimizers'])} optimisers; got {len(optimizers)}"
        )
