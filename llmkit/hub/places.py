"""From a name to a folder of files: built in, on this machine, or on the Hub.

Only JSON, plain text and safetensors are ever asked for. A pickle (`pytorch_model.bin`)
can run any program when it is opened, so none is downloaded or read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from llmkit.checks import check_type
from llmkit.hub.minilm import minilm_path
from llmkit.runtime import project_root

# What is worth fetching. A plain "*.safetensors" would bring other formats' copies too.
WANTED = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*-of-*.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.spm",
    "*.model",
)
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", re.ASCII)


def find_folder(name: str | Path, revision: str | None = None) -> Path:
    """Find a model's files, and fetch them if they are on the Hub.

    Args:
        name: "minilm"; a checkpoint that comes with the kit, such as "pydocs"; a
            folder; or a name on the Hub, such as "gpt2" or
            "google-bert/bert-base-cased".
        revision: a branch, tag or commit on the Hub; None: its main branch.

    Returns:
        A folder on this machine.

    Raises:
        FileNotFoundError: there is no such folder or name.
        ConnectionError: the Hub was not reached, and nothing is in the cache.
    """
    check_type("name", name, (str, os.PathLike))
    text = os.fspath(name)
    if text == "minilm":
        return minilm_path()
    shipped = project_root() / "data" / "checkpoints"
    if _HUB_NAME.fullmatch(text) and (shipped / text).is_dir():
        return shipped / text
    folder = Path(text).expanduser()
    if folder.is_dir():
        return folder
    if isinstance(name, os.PathLike) or not _HUB_NAME.fullmatch(text):
        here = sorted(p.name for p in shipped.iterdir()) if shipped.is_dir() else []
        raise FileNotFoundError(
            f"name must be a folder or a name on the Hub; there is no folder {text!r}. "
            f"Built in: {', '.join(['minilm', *here])}"
        )
    return hub_folder(text, revision)


def hub_folder(name: str, revision: str | None = None) -> Path:
    """Fetch a model from the Hub, or take it from the cache.

    The environment decides as everywhere with Hugging Face: `HF_ENDPOINT` names another
    Hub, `HF_HUB_CACHE` another cache, `HF_TOKEN` proves who you are, and
    `HF_HUB_OFFLINE=1` forbids the network.

    Args:
        name: such as "gpt2".
        revision: a branch, tag or commit; None: the main branch.

    Returns:
        The folder in the cache.

    Raises:
        FileNotFoundError: the Hub has no such model or revision.
        PermissionError: the model asks for a login or for consent.
        ConnectionError: the Hub was not reached, and nothing is in the cache.
    """
    from huggingface_hub import errors, snapshot_download

    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    place = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        folder = snapshot_download(
            name,
            revision=revision,
            endpoint=os.environ.get("HF_ENDPOINT") or None,
            cache_dir=os.environ.get("HF_HUB_CACHE") or None,
            local_files_only=offline,
            allow_patterns=list(WANTED),
        )
    except errors.GatedRepoError as error:
        raise PermissionError(
            f"{name} is open only to those who agreed to its terms: do so on "
            f"{place}/{name}, then log in (`hf auth login`, or set HF_TOKEN)"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise FileNotFoundError(f"{name} has no revision {revision!r}") from error
    except errors.RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"{place} has no model {name!r} (or it is private and needs HF_TOKEN). "
            'Built in, without a network: "minilm"'
        ) from error
    except errors.HFValidationError as error:
        raise FileNotFoundError(f"{name!r} cannot be a name on the Hub: {error}") from (
            error
        )
    except (errors.LocalEntryNotFoundError, OSError, errors.HfHubHTTPError) as error:
        why = "HF_HUB_OFFLINE is set" if offline else f"{place} was not reached"
        raise ConnectionError(
            f"{name} is not in the cache and {why}. Check the network or HF_ENDPOINT, "
            'or use what is built in: load_encoder("minilm")'
        ) from error
    return Path(folder)
