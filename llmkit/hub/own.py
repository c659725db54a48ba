"""Models that no family of `transformers` computes, kept in the kit's own words.

`config.json` then holds the fields of the kit's config and `model.safetensors` the
kit's own names: the kit loads such a folder, other programs cannot. Home notebook:
07_pretraining_gpt.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import torch
from torch import Tensor, nn

from llmkit.models import Modern, ModernConfig, ModernNGrams, ModernNGramsConfig

# model_type -> the model and its sizes
OWN = {
    "llmkit_modern": (Modern, ModernConfig),
    "llmkit_modern_ngrams": (ModernNGrams, ModernNGramsConfig),
}


def is_own(model: nn.Module) -> bool:
    """Tell whether a model is one that only the kit can load.

    Args:
        model: any module.
    """
    return type(model) in [kind for kind, _ in OWN.values()]


def own_config(model: nn.Module) -> dict[str, Any]:
    """Write a model's sizes under the kit's own names.

    Args:
        model: one that `is_own`.

    Returns:
        What goes into `config.json`.
    """
    (name,) = (name for name, (kind, _) in OWN.items() if kind is type(model))
    return {"model_type": name, **asdict(model.config)}


def from_own(config: dict[str, Any], state: dict[str, Tensor]) -> nn.Module:
    """Build a model from `own_config` and its state dict.

    Args:
        config: the content of `config.json`.
        state: name -> tensor.

    Returns:
        The model, float32 on the CPU, in evaluation mode.

    Raises:
        ValueError: a size is unknown to this version of the kit, or the weights do not
            fit.
    """
    make, sizes = OWN[config["model_type"]]
    known = {field.name for field in fields(sizes)}
    # what is written beside the sizes, for whoever reads the file
    beside = {"model_type", "dtype"} | {k for k in config if k.endswith("_token_id")}
    unknown = sorted(set(config) - known - beside)
    if unknown:
        raise ValueError(
            f"config.json asks for {', '.join(unknown)}, which {make.__name__} does "
            "not have. Was it written by a newer version of the kit? Then update it"
        )
    # building draws random first weights: the reader's generator must not notice
    with torch.random.fork_rng(devices=[]):
        model = make(sizes(**{k: config[k] for k in known & set(config)}))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        _, *reasons = str(error).split("\n\t")
        raise ValueError(
            f"the weights do not make a whole {make.__name__} of these sizes; does "
            f"config.json belong to them? {' '.join(reasons[:2])}"
        ) from error
    return model.eval()
