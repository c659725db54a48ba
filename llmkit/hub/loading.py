"""Load a model with its tokenizer, and save both in Hugging Face's layout.

Home notebook: 04_multi_head_attention; every later notebook begins with one of these.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from llmkit.checks import check_type
from llmkit.hub.configs_out import hf_config
from llmkit.hub.convert import from_state, to_hf_state_dict
from llmkit.hub.own import is_own, own_config
from llmkit.hub.places import find_folder
from llmkit.models import BERT, DECODERS, GPT, Llama, Modern, Seq2Seq
from llmkit.runtime import write_atomically
from llmkit.tokenizers import Tokenizer, load_tokenizer
from llmkit.tokenizers.borrowed import BorrowedTokenizer


def load_encoder(
    name: str | Path = "minilm", revision: str | None = None
) -> tuple[BERT, Tokenizer]:
    """Load a BERT-style encoder and its tokenizer.

    Args:
        name: "minilm" (built in, no network), a folder, or a name on the Hub such as
            "google-bert/bert-base-uncased".
        revision: a branch, tag or commit on the Hub.

    Returns:
        The model, in evaluation mode, float32, on the CPU; and its tokenizer.
    """
    return _load(name, revision, (BERT,), "an encoder")


def load_decoder(
    name: str | Path = "pydocs", revision: str | None = None
) -> tuple[GPT | Llama | Modern, Tokenizer]:
    """Load a decoder and its tokenizer.

    Args:
        name: a checkpoint that comes with the kit, such as "pydocs", a folder, or a
            name on the Hub such as "gpt2".
        revision: a branch, tag or commit on the Hub.

    Returns:
        The model, in evaluation mode, float32, on the CPU; and its tokenizer.
    """
    return _load(name, revision, DECODERS, "a decoder")


def load_seq2seq(
    name: str | Path, revision: str | None = None
) -> tuple[Seq2Seq, Tokenizer]:
    """Load a BART- or Marian-style encoder-decoder and its tokenizer.

    Args:
        name: a folder, or a name on the Hub such as "facebook/bart-base".
        revision: a branch, tag or commit on the Hub.

    Returns:
        The model, in evaluation mode, float32, on the CPU; and its tokenizer.
    """
    return _load(name, revision, (Seq2Seq,), "an encoder-decoder")


def load_pretrained(
    name: str | Path, revision: str | None = None
) -> tuple[nn.Module, Tokenizer]:
    """Load a model of any family that the kit has, and its tokenizer.

    Args:
        name: as for `load_encoder`.
        revision: a branch, tag or commit on the Hub.

    Returns:
        The model, in evaluation mode, float32, on the CPU; and its tokenizer.
    """
    return _load(name, revision, (*DECODERS, BERT, Seq2Seq), "a model")


def save_pretrained(
    model: nn.Module, tokenizer: Tokenizer | None, folder: str | Path
) -> Path:
    """Save a model so that the kit, `transformers` and other engines can load it.

    Args:
        model: any of the kit. What no family of `transformers` computes (`Modern`) is
            kept in the kit's own words, which others cannot load.
        tokenizer: its tokenizer, or None to leave it out.
        folder: made if need be. Each file is replaced as a whole or not at all.

    Returns:
        The folder, with `model.safetensors`, `config.json` and `tokenizer.json`.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    own = is_own(model)
    state = _without_twins(model.state_dict() if own else to_hf_state_dict(model))
    config = own_config(model) if own else hf_config(model)
    config |= {"dtype": _dtype_name(model)}
    if tokenizer is not None:
        check_type("tokenizer", tokenizer, Tokenizer)
        config |= _special_ids(tokenizer, config["model_type"])
    folder.mkdir(parents=True, exist_ok=True)
    if tokenizer is not None:
        tokenizer.save(folder)
    # the weights come last: a folder that has them is complete
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    write_atomically(
        folder / "config.json", lambda p: p.write_text(text, encoding="utf-8")
    )
    write_atomically(
        folder / "model.safetensors",
        lambda p: save_file(state, p, metadata={"format": "pt"}),
    )
    return folder


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read all safetensors of a folder, in one file or in several.

    Args:
        folder: with `model.safetensors`, or with `model.safetensors.index.json` and
            the parts that it names.

    Returns:
        name -> tensor, on the CPU.

    Raises:
        FileNotFoundError: there are no safetensors, or a part is missing.
        ValueError: a file is damaged.
    """
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return _read_part(whole)
    if not index.is_file():
        pickles = any(folder.glob("*.bin"))
        raise FileNotFoundError(
            f"{folder} has no model.safetensors"
            + (
                ", only a pickle (.bin), which could run any program when it is "
                "opened and is therefore never read"
                if pickles
                else ""
            )
            + ". Many models have safetensors in another revision, such as "
            "revision='refs/pr/1'; or convert the file on a machine that you can lose"
        )
    parts = _read_json(index).get("weight_map")
    if not isinstance(parts, dict):
        raise ValueError(f"{index} has no weight_map, which names the parts")
    parts, state = set(map(str, parts.values())), {}
    for part in sorted(parts):
        # a name from a file must not lead out of the folder
        if Path(part).name != part or not (folder / part).is_file():
            raise FileNotFoundError(f"{index} names {part!r}, which is not beside it")
        state |= _read_part(folder / part)
    return state


def _load(name, revision, kinds: tuple[type, ...], what: str):
    folder = find_folder(name, revision)
    model = from_state(_read_config(folder), read_weights(folder))
    if not isinstance(model, kinds):
        right = {BERT: "load_encoder", Seq2Seq: "load_seq2seq"}
        raise ValueError(
            f"name must lead to {what}; {str(name)!r} is a {type(model).__name__}. "
            f"Use llmkit.hub.{right.get(type(model), 'load_decoder')}"
        )
    return model, _read_tokenizer(folder)


def _read_config(folder: Path) -> dict:
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no config.json: it holds no model")
    return _read_json(path)


def _read_json(path: Path) -> dict:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path} must hold a JSON object; got {type(data).__name__}")
    return data


def _read_part(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged or cut short ({error}); fetch or write it again"
        ) from error


def _read_tokenizer(folder: Path) -> Tokenizer:
    """Read the kit's own kind of tokenizer where it can, else borrow one."""
    try:
        return load_tokenizer(folder)
    except (FileNotFoundError, ValueError):
        return _borrow_tokenizer(folder)


def _borrow_tokenizer(folder: Path) -> Tokenizer:
    # asked without any file, transformers would make an empty tokenizer
    files = ("tokenizer.json", "vocab.json", "vocab.txt", "*.spm", "*.model")
    if not any(any(folder.glob(pattern)) for pattern in files):
        raise FileNotFoundError(
            f"{folder} has no tokenizer: none of {', '.join(files)}. Save one with "
            "save_pretrained(model, tokenizer, folder)"
        )
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        raise ValueError(
            f"{folder} holds no tokenizer that llmkit or transformers can read "
            f"({type(error).__name__}: {error})"
        ) from error
    return BorrowedTokenizer(found)


def _without_twins(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out second names for the same memory: safetensors stores numbers once."""
    seen, out = set(), {}
    for name, x in state.items():
        key = (x.data_ptr(), x.shape)
        if key not in seen or not x.numel():
            out[name] = x.contiguous()
        seen.add(key)
    return out


def _dtype_name(model: nn.Module) -> str:
    kinds = {torch.float32, torch.float64, torch.float16, torch.bfloat16}
    dtype = next(model.parameters()).dtype
    return str(dtype).removeprefix("torch.") if dtype in kinds else "float32"


def _special_ids(tokenizer: Tokenizer, kind: str) -> dict:
    """Name the ids that other programs need to stop and to pad."""
    roles = ("pad", "bos", "eos")
    ids = {f"{role}_token_id": getattr(tokenizer, f"{role}_id") for role in roles}
    if kind == "roberta":
        # its padding id fixes where positions begin: the model decides
        del ids["pad_token_id"]
    if kind in ("bart", "marian"):
        first = tokenizer.eos_id if kind == "bart" else tokenizer.pad_id
        ids["decoder_start_token_id"] = first
    return {name: value for name, value in ids.items() if value is not None}
