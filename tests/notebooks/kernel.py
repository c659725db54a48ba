"""What every run of a notebook shares: the kernel's environment, its memory."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
OFFLINE = Path(__file__).with_name("offline")


def kernel_environment(folder: Path, fast: bool = False) -> dict[str, str]:
    """Return what to set for a kernel with no network and no private settings.

    Args:
        folder: an empty folder for what the kernel keeps beside the notebook.
        fast: ask for short runs.

    Returns:
        Variables to add to `os.environ`; an empty one is to be removed.
    """
    path = os.pathsep.join(filter(None, [str(OFFLINE), os.environ.get("PYTHONPATH")]))
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return {
        "PYTHONPATH": path,
        "LLMKIT_NETWORK_LOG": str(folder / "network.log"),
        "LLMKIT_FAST": "1" if fast else "",
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_PATH": "",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "MPLBACKEND": "",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": threads,
        "TOKENIZERS_PARALLELISM": "false",
    }


@contextlib.contextmanager
def environment(changes: dict[str, str]) -> Iterator[None]:
    """Set variables for the length of a `with` block."""
    before = {name: os.environ.get(name) for name in changes}

    def put(name: str, value: str | None) -> None:
        if value:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)

    for name, value in changes.items():
        put(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            put(name, value)


def network_attempts(folder: Path) -> list[str]:
    """Return the hosts that a kernel tried to reach."""
    log = folder / "network.log"
    return log.read_text("utf-8").split() if log.exists() else []


def peak_memory(pid: int) -> float:
    """Return the most memory that a running process has had, in MB."""
    if sys.platform == "linux":
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    import psutil

    info = psutil.Process(pid).memory_info()
    return getattr(info, "peak_wset", info.rss) / 2**20
