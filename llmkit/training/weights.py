"""What a stored run must know of its model: each weight once, and the sizes.

Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, fields, is_dataclass

from torch import Tensor, nn


def own_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights and buffers, each once even where two names share it.

    Args:
        model: any module.

    Returns:
        Name to tensor; the tensors are the model's own, not copies.
    """
    names = {name for name, _ in model.named_parameters()}
    names |= {name for name, _ in model.named_buffers()}
    return {k: v for k, v in model.state_dict().items() if k in names}


def config_of(model: nn.Module) -> dict | None:
    """Return the sizes of a model as JSON gives them back, or None if it has none.

    Args:
        model: any module; those of the kit carry a `config`.
    """
    config = getattr(model, "config", None)
    return json.loads(json.dumps(asdict(config))) if is_dataclass(config) else None


def check_config(saved: dict | None, model: nn.Module, what: str) -> None:
    """Check that a model has the sizes that something was saved with.

    A field that did not exist then counts as its default, which is what was meant.

    Args:
        saved: what `config_of` gave then.
        model: what it shall go into.
        what: what was saved, such as the name of the file.

    Raises:
        ValueError: a size differs; the message names each that does.
    """
    there, here = saved or {}, config_of(model) or {}
    if there and here:
        there = {
            field.name: field.default
            for field in fields(model.config)
            if field.default is not MISSING and field.name in here
        } | there
    if there != here:
        other = differences(there, here)
        raise ValueError(f"{what} was saved from another configuration: {other}")


def differences(there: dict, here: dict) -> str:
    """Name what differs between a saved dict and the present one.

    Args:
        there: as it was saved.
        here: as it is now.

    Returns:
        Each key that differs with both its values, such as
        "n_layers=2 there and 3 here".
    """
    return ", ".join(
        f"{k}={there.get(k)!r} there and {here.get(k)!r} here"
        for k in {**there, **here}
        if there.get(k) != here.get(k)
    )
