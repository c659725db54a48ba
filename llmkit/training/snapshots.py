"""Keep how a model was at several moments of a run, to look back later.

All moments lie in one safetensors file, as float16, which is enough for looking; going
on with a run needs `save_state` instead. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from llmkit.checks import check_count, check_type
from llmkit.runtime import write_atomically
from llmkit.training.weights import check_config, config_of, own_weights


@dataclass(frozen=True)
class Snapshot:
    """One moment of a run; `take_snapshot` makes one from a model.

    Attributes:
        step: how many steps were taken before it.
        scores: what was measured then, such as `{"loss": 2.31}`; any JSON.
        weights: the model's, by name, in float16.
        config: the sizes of the model, or None if it has no `config`.
    """

    step: int
    scores: dict
    weights: dict[str, Tensor] = field(repr=False)
    config: dict | None = field(default=None, repr=False)

    @torch.no_grad()
    def put_into(self, model: nn.Module) -> nn.Module:
        """Give a model the weights of this moment.

        Args:
            model: of the same configuration; its weights are overwritten, and keep
                their type and device.

        Returns:
            The same model.

        Raises:
            ValueError: the model is of another configuration.
        """
        check_config(self.config, model, f"the snapshot at step {self.step}")
        mine = own_weights(model)
        if {k: v.shape for k, v in mine.items()} != {
            k: v.shape for k, v in self.weights.items()
        }:
            odd = sorted(set(mine) ^ set(self.weights)) or ["other shapes"]
            raise ValueError(
                f"the snapshot at step {self.step} is of another model; they differ "
                f"in: {', '.join(odd[:4])}"
            )
        for name, weight in mine.items():
            weight.copy_(self.weights[name])
        return model


@torch.no_grad()
def take_snapshot(model: nn.Module, step: int, **scores) -> Snapshot:
    """Copy a model's weights as float16.

    Args:
        model: any module.
        step: how many steps were taken.
        **scores: what is known about this moment, such as `loss=2.31`.

    Returns:
        The snapshot; training on does not change it.

    Raises:
        ValueError: a weight is no number or too large for float16.
    """
    check_count("step", step, 0)
    weights = {}
    for name, weight in own_weights(model).items():
        kept = weight.detach().cpu()
        if kept.is_floating_point():
            kept = kept.to(torch.float16)
            if not kept.isfinite().all():
                raise ValueError(
                    f"{name} must hold numbers below 65504, the largest of float16, "
                    f"for a snapshot; got {weight.abs().max().item():.4g}"
                )
        weights[name] = kept.clone().contiguous()
    return Snapshot(step, scores, weights, config_of(model))


def snapshot_steps(steps: int, count: int = 20) -> list[int]:
    """Choose moments of a run: close together at first, when most changes.

    Args:
        steps: how long the run is.
        count: how many moments, with step 0 and the last.

    Returns:
        At most `count` different steps, rising; `i` means "after i steps".
    """
    check_count("steps", steps)
    check_count("count", count, 2)
    share = [(i / (count - 1)) ** 2 for i in range(count)]
    return sorted({round(s * steps) for s in share})


def save_snapshots(path: Path | str, snapshots: Sequence[Snapshot]) -> None:
    """Write snapshots of one model into one file.

    Args:
        path: the file, such as `snapshots.safetensors`; it is whole or not there.
        snapshots: of one configuration, in rising order of their steps.

    Raises:
        ValueError: there is none, or they do not belong together.
    """
    from safetensors.torch import save_file

    snapshots = list(snapshots)
    _check_one_run(snapshots)
    tensors = {
        f"{i}.{name}": weight
        for i, snapshot in enumerate(snapshots)
        for name, weight in snapshot.weights.items()
    }
    notes = {
        "config": snapshots[0].config,
        "moments": [{"step": s.step, "scores": s.scores} for s in snapshots],
    }
    header = {"llmkit.snapshots": json.dumps(notes, allow_nan=False)}
    write_atomically(path, lambda draft: save_file(tensors, str(draft), header))


def load_snapshots(path: Path | str, model: nn.Module | None = None) -> list[Snapshot]:
    """Read what `save_snapshots` wrote.

    Args:
        path: the file.
        model: what they shall fit; None reads them unseen. It is not changed:
            `snapshot.put_into(model)` does that.

    Returns:
        The snapshots, in rising order of their steps.

    Raises:
        ValueError: the file holds no snapshots, or is of another configuration.
    """
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        header = file.metadata() or {}
        if "llmkit.snapshots" not in header:
            raise ValueError(
                f"{path} holds no snapshots; were they written by save_snapshots?"
            )
        notes = json.loads(header["llmkit.snapshots"])
        weights: list[dict] = [{} for _ in notes["moments"]]
        for name in file.keys():
            index, _, own = name.partition(".")
            weights[int(index)][own] = file.get_tensor(name)
    if model is not None:
        check_config(notes["config"], model, str(path))
    return [
        Snapshot(moment["step"], moment["scores"], own, notes["config"])
        for moment, own in zip(notes["moments"], weights, strict=True)
    ]


def _check_one_run(snapshots: list[Snapshot]) -> None:
    for each in snapshots:
        check_type("snapshots", each, Snapshot, "take_snapshot(model, step) makes one.")
    if not snapshots:
        raise ValueError("snapshots must hold at least one; got none")
    steps = [s.step for s in snapshots]
    if steps != sorted(set(steps)):
        raise ValueError(f"snapshots must come in rising order of step; got {steps}")
    first = snapshots[0]
    for each in snapshots:
        if each.config != first.config or each.weights.keys() != first.weights.keys():
            raise ValueError(
                "snapshots must be of one model; those at step "
                f"{first.step} and {each.step} are of different ones"
            )
