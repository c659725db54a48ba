"""Weights in and out of the kit's models, by the tables of `families`."""

from __future__ import annotations

import re
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from llmkit.checks import check_type
from llmkit.hub.configs import config_in
from llmkit.hub.configs_out import model_type
from llmkit.hub.families import FAMILIES, Family, State
from llmkit.hub.own import OWN, from_own
from llmkit.models import (
    BERT,
    GPT,
    BERTConfig,
    GPTConfig,
    Llama,
    LlamaConfig,
    Seq2Seq,
    Seq2SeqConfig,
)

MODELS = {
    GPTConfig: GPT,
    LlamaConfig: Llama,
    BERTConfig: BERT,
    Seq2SeqConfig: Seq2Seq,
}


def from_hf(hf_model: nn.Module):
    """Copy a model of `transformers` into the kit's model of the same family.

    Args:
        hf_model: a GPT-2, Llama, Mistral, Qwen 2 or 3, BERT, RoBERTa, DistilBERT, BART
            or Marian model.

    Returns:
        A `GPT`, `Llama`, `BERT` or `Seq2Seq` in evaluation mode, with the same number
        type, on the same device.
    """
    check_type("hf_model", hf_model, nn.Module, "To load from a name use load_encoder.")
    if not hasattr(hf_model, "config") or not hasattr(hf_model.config, "to_dict"):
        raise TypeError(
            "hf_model must be a model of transformers, with a config; got "
            f"{type(hf_model).__name__}"
        )
    model = from_state(hf_model.config.to_dict(), hf_model.state_dict())
    first = next(hf_model.parameters())
    return model.to(device=first.device, dtype=first.dtype)


def from_state(config: dict[str, Any], state: State):
    """Build a model of the kit from `config.json` and a state dict.

    They are those of `transformers`, or the kit's own where no family of
    `transformers` computes the same (`Modern`).

    Args:
        config: the content of `config.json`.
        state: name -> tensor.

    Returns:
        The model, float32 on the CPU, in evaluation mode.

    Raises:
        ValueError: weights are missing, unknown or of another shape.
    """
    if config.get("model_type") in OWN:
        return from_own(config, state)
    ours = config_in(config, set(state))
    # building draws random first weights: the reader's generator must not notice
    with torch.random.fork_rng(devices=[]):
        model = MODELS[type(ours)](ours)
    family = FAMILIES[config["model_type"]]
    _copy(model, family, family.unpack(_with_prefix(family, state)))
    return model.eval()


def to_hf_state_dict(model: nn.Module) -> State:
    """Name a model's weights as `transformers` does, tied ones under each name.

    Args:
        model: a `GPT`, `Llama`, `BERT` or `Seq2Seq`.

    Returns:
        What the model of the same family in `transformers` calls its state dict. A
        BERT without any head is written as the bare `BertModel`, without prefix.
    """
    family = FAMILIES[model_type(model)]
    state = model.state_dict()
    out: State = {}
    for name, x in state.items():
        theirs = _their_name(family, name)
        if theirs is None:
            raise ValueError(f"{name} has no place in a {model_type(model)} model")
        out[theirs] = x
    out = family.pack(out)
    for copy, source in family.copies.items():
        if source in out:
            out[copy] = out[source]
    if not any(_in_heads(family, name) for name in state):
        out = {name.removeprefix(family.prefix): x for name, x in out.items()}
    return out


def _with_prefix(family: Family, state: State) -> State:
    """Bring the names of a bare body, saved without prefix, to those with a head."""
    if any(name.startswith(family.prefix) for name in state):
        return dict(state)
    body = tuple(path.split(".")[0] + "." for path in family.body.values())
    return {
        family.prefix + name if name.startswith(body) else name: x
        for name, x in state.items()
    }


def _copy(model: nn.Module, family: Family, state: State) -> None:
    """Copy tensor by tensor, and account for every name on both sides."""
    left, missing = set(state), []
    own = model.state_dict()
    tied = _tied_names(model)
    untied = {}
    with torch.no_grad():
        for name, target in own.items():
            theirs = _their_name(family, name)
            source = state.get(theirs)
            if source is None:
                source = state.get(_other_name(family, theirs))
            if source is None:
                if name not in tied and not name.endswith(_COMPUTED):
                    missing.append(theirs)
                continue
            left.discard(theirs)
            _check_same_shape(theirs, source, name, target)
            if name in tied:
                table = state[_their_name(family, tied[name])]
                if not torch.equal(source, table):
                    untied[name] = source
                continue
            target.copy_(source)
    if missing:
        raise ValueError(
            f"the weights lack {_few(missing)}; they do not make a whole model"
        )
    for name, source in untied.items():
        module = model.get_submodule(name.rpartition(".")[0])
        module.weight = nn.Parameter(source.detach().to(torch.float32).clone())
    _account_for(family, left)


_COMPUTED = ("position_table", "logits_bias")


def _account_for(family: Family, left: set[str]) -> None:
    """Refuse weights of the body that have no place; name heads that are left out."""
    left = {
        name
        for name in left
        if name not in family.copies and not name.endswith(family.ignored or ("\0",))
    }
    body = sorted(name for name in left if name.startswith(family.prefix))
    if body:
        raise ValueError(
            f"the kit's model has no place for the weights {_few(body)}; the model "
            "computes something more"
        )
    if left:
        warnings.warn(
            f"left out the head that the kit's model does not have: {_few(left)}",
            stacklevel=4,
        )


def _their_name(family: Family, name: str) -> str | None:
    """Translate a name of ours, such as blocks.3.norm1.weight."""
    pattern = re.sub(r"\bblocks\.(\d+)\.", "blocks.{i}.", name)
    number = re.search(r"\bblocks\.(\d+)\.", name)
    module, _, leaf = pattern.rpartition(".")
    for table, prefix in ((family.body, family.prefix), (family.heads, "")):
        for ours, ending in ((pattern, ""), (module, f".{leaf}")):
            if ours in table:
                theirs = f"{prefix}{table[ours]}{ending}"
                return theirs.format(i=number.group(1)) if number else theirs
    return None


def _other_name(family: Family, theirs: str | None) -> str | None:
    """Find the second name under which some files keep the same numbers."""
    for copy, source in family.copies.items():
        if source == theirs:
            return copy
    return None


def _in_heads(family: Family, name: str) -> bool:
    return name in family.heads or name.rpartition(".")[0] in family.heads


def _tied_names(model: nn.Module) -> dict[str, str]:
    """Map each weight that is another one's twin to that other one."""
    first: dict[int, str] = {}
    tied = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if id(parameter) in first:
            tied[name] = first[id(parameter)]
        first.setdefault(id(parameter), name)
    return tied


def _check_same_shape(theirs: str, source: Tensor, name: str, target: Tensor) -> None:
    if source.shape != target.shape:
        raise ValueError(
            f"{theirs} must have the shape {tuple(target.shape)} of {name}; got "
            f"{tuple(source.shape)}. Does config.json belong to these weights?"
        )


def _few(names) -> str:
    names = sorted(names)
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
