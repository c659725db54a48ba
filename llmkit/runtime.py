"""Where and how the kit runs: seeds, devices, time budgets, folders, progress.

Nothing here happens on import. Notebooks call `seed_all(0)` and `pick_device()` once,
in their set-up cell; package code never does.
"""

from __future__ import annotations

import glob
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path


def seed_all(seed: int = 0) -> None:
    """Seed Python's, NumPy's and PyTorch's generators.

    Args:
        seed: any whole number from 0 to 2**32 - 1.

    Raises:
        ValueError: the seed is out of that range.
    """
    import numpy as np
    import torch

    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(
            f"seed must be a whole number from 0 to 4294967295; got {seed!r}"
        )
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def pick_device(name: str | None = None):
    """Choose the device to compute on.

    Args:
        name: a device such as `"cpu"`, `"cuda"` or `"mps"`; None takes CUDA if there
            is one, else the CPU. (Apple's MPS must be named: it has no float64, which
            the kit's comparisons use.)

    Returns:
        The `torch.device`.

    Raises:
        ValueError: this machine has no such device.
    """
    import torch

    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind = name.split(":")[0]
    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not here.get(kind, False):
        known = ", ".join(k for k, there in here.items() if there)
        raise ValueError(f"device {name!r} is not on this machine; it has: {known}")
    return torch.device(name)


def has_bf16(device=None) -> bool:
    """Tell whether a device multiplies in bfloat16 by itself, which is fast.

    Elsewhere PyTorch computes the same numbers in several steps: right, but slower
    than float32.

    Args:
        device: a `torch.device` or its name; None: the CPU.

    Returns:
        What the device says of itself; False if it cannot be asked.
    """
    import torch

    kind = torch.device("cpu" if device is None else device).type
    if kind == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if kind != "cpu":
        return False
    if hasattr(torch.cpu, "get_capabilities"):
        can = torch.cpu.get_capabilities()
        return any(can.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    # an older PyTorch can only be asked by a name with an underscore
    ask = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)
    return bool(ask())


def has_onednn() -> bool:
    """Tell whether this PyTorch can hand a linear layer on the CPU to oneDNN."""
    import torch

    ops = torch.ops.mkldnn
    return torch.backends.mkldnn.is_available() and hasattr(ops, "_linear_pointwise")


def is_fast() -> bool:
    """Tell whether the environment variable LLMKIT_FAST asks for short runs."""
    return os.environ.get("LLMKIT_FAST", "") not in ("", "0")


def budget(full: int, fast: int) -> int:
    """Choose between a full amount of work and a short one for a quick check.

    Args:
        full: steps, examples or seeds of a normal run.
        fast: the same with LLMKIT_FAST=1 in the environment.

    Returns:
        One of the two.
    """
    return fast if is_fast() else full


def project_root() -> Path:
    """Return the folder that holds `llmkit/`, `notebooks/` and `data/`."""
    return Path(__file__).resolve().parent.parent


def data_path(name: str = "") -> Path:
    """Return the path of a shipped file or folder below `data/`.

    Args:
        name: a path relative to `data/`, such as `"sentences/sentences.json"`.

    Returns:
        The absolute path.

    Raises:
        FileNotFoundError: it is not there.
    """
    path = project_root() / "data" / name
    if not path.exists():
        there = (
            sorted(p.name for p in path.parent.iterdir())
            if path.parent.is_dir()
            else []
        )
        raise FileNotFoundError(
            f"{name!r} is not among the kit's data; {path.parent.name}/ holds: "
            + (", ".join(there) or "nothing")
            + ". If files are missing, clone the repository again."
        )
    return path


def cache_dir() -> Path:
    """Return the kit's own cache folder, made if need be.

    It is `LLMKIT_CACHE` where that is set, else `.cache/llmkit` in the home folder.
    Everything in it can be deleted at any time.
    """
    path = Path(os.environ.get("LLMKIT_CACHE") or Path.home() / ".cache" / "llmkit")
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_atomically(path: Path | str, write: Callable[[Path], None]) -> None:
    """Write a file so that a reader finds the old one or the new one, never half.

    The new one is written beside it, forced onto the disk, and takes its name last.

    Args:
        path: the file to make or to replace.
        write: writes the whole content to the path that it is given.
    """
    path = Path(path)
    _remove_drafts_of_the_dead(path)
    writer = f"{os.getpid()}-{threading.get_ident()}"
    draft = path.with_name(f".{path.name}.{writer}.draft")
    try:
        draft.touch()
        mode = draft.stat().st_mode
        write(draft)
        # some writers leave a file that only its owner can read
        os.chmod(draft, mode)
        with open(draft, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    if os.name == "posix":
        # the new name is on the disk only once its folder is
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _remove_drafts_of_the_dead(path: Path) -> None:
    """Remove what processes that were killed while writing this file left behind."""
    if os.name != "posix":
        return  # elsewhere, to ask for a process by its number may end it
    for draft in path.parent.glob(f".{glob.escape(path.name)}.*-*.draft"):
        number = draft.name[len(path.name) + 2 :].split("-")[0]
        try:
            os.kill(int(number), 0)  # signal 0 only asks whether it is there
        except ProcessLookupError:
            draft.unlink(missing_ok=True)
        except (PermissionError, ValueError):
            pass


def progress(items: Iterable, label: str, total: int | None = None) -> Iterator:
    """Yield the items, and show how far it is once two seconds have passed.

    One line on standard error is rewritten about twice a second; short work shows
    nothing at all, nor does work in a background thread: a notebook would print it
    below whichever cell is running.

    Args:
        items: what to go through.
        label: what is being done, such as "training".
        total: how many items there are, if `items` has no length.

    Yields:
        The items, unchanged.
    """
    if total is None and hasattr(items, "__len__"):
        total = len(items)
    start = shown = time.monotonic()
    wrote, how = False, "stopped after"
    front = threading.current_thread() is threading.main_thread()
    try:
        for done, item in enumerate(items):
            now = time.monotonic()
            if front and now - start > 2 and now - shown > 0.5:
                left = (
                    f", {(now - start) / max(done, 1) * (total - done):.0f} s left"
                    if total
                    else ""
                )
                share = f"{done}/{total}" if total else f"{done}"
                sys.stderr.write(f"\r{label}: {share}{left}   ")
                sys.stderr.flush()
                shown, wrote = now, True
            yield item
        how = "done in"
    finally:
        # also after a break or an error, so that the next text gets a line of its own
        if wrote:
            took = time.monotonic() - start
            sys.stderr.write(f"\r{label}: {how} {took:.0f} s      \n")
            sys.stderr.flush()
