"""Run notebooks in a clean kernel and store their outputs as they are committed.

    python -m tests.notebooks.refresh [notebooks/03_attention.ipynb ...]

A notebook with an error, also one that a widget swallowed, is left as it was and the
command fails. For each one the seconds and the kernel's peak memory are printed.
"""

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.notebooks.kernel import (
    NOTEBOOKS,
    environment,
    kernel_environment,
    network_attempts,
    peak_memory,
)
from tests.notebooks.normalise import normalise

STATE = "application/vnd.jupyter.widget-state+json"
TRACEBACK = "Traceback (most recent call last)"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def execute(nb, folder: Path, timeout: int = 900) -> tuple[float, float, list[str]]:
    """Run every cell of a notebook, which gets the outputs.

    Args:
        nb: the notebook; changed in place.
        folder: where to run it.
        timeout: seconds that one cell may take.

    Returns:
        Seconds, the kernel's peak memory in MB, and what went wrong.
    """
    errors: list[str] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as state:
        settings = kernel_environment(Path(state))
        with environment(settings):
            client = NotebookClient(
                nb,
                timeout=timeout,
                kernel_name="python3",
                record_timing=False,
                resources={"metadata": {"path": str(folder)}},
            )
            start = time.monotonic()
            memory = 0.0
            with client.setup_kernel(cwd=str(folder)):
                try:
                    for index, cell in enumerate(nb.cells):
                        client.execute_cell(cell, index)
                except CellExecutionError as error:
                    errors.append(COLOUR.sub("", str(error)).strip())
                memory = peak_memory(client.km.provisioner.pid)
                client.set_widgets_metadata()
            seconds = time.monotonic() - start
        hosts = network_attempts(Path(state))
        if hosts:
            errors.append(f"it tried to reach the network: {', '.join(hosts)}")
    return seconds, memory, errors or hidden_errors(nb)


def hidden_errors(nb) -> list[str]:
    """Return the errors that a cell's own reply did not tell.

    Widgets catch what their callbacks raise and show it in their output; a thread
    writes its traceback to standard error.

    Args:
        nb: a notebook just run, with its widgets' state.

    Returns:
        One sentence for each.
    """
    models = nb.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    outputs = [
        (f"widget {m['model_name']}", out)
        for m in models.values()
        for out in m["state"].get("outputs", ())
    ]
    outputs += [(f"cell {c.id}", out) for c in nb.cells for out in c.get("outputs", ())]
    found = []
    for where, out in outputs:
        if out["output_type"] == "error":
            found.append(f"{where}: {out['ename']}: {out['evalue']}")
        elif out["output_type"] == "stream" and out["name"] == "stderr":
            if TRACEBACK in out["text"]:
                found.append(f"{where}: {out['text'].strip().splitlines()[-1]}")
    return found


def refresh(path: Path) -> bool:
    """Run one notebook and store it.

    Args:
        path: the notebook.

    Returns:
        Whether it ran without an error.
    """
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    print(f"{path.name}: running", flush=True)
    seconds, memory, errors = execute(nb, path.resolve().parent)
    for cell in nb.cells:
        for out in cell.get("outputs", ()):
            if out.output_type == "stream" and out.name == "stderr":
                print(f"  stderr of {cell.get('id')}: {out.text.strip()[:300]}")
    figures = f"{seconds:.1f} s, peak {memory:.0f} MB"
    if errors:
        print(f"{path.name}: NOT STORED after {figures}\n" + "\n".join(errors))
        return False
    text = nbformat.writes(normalise(nb)).rstrip("\n") + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
    print(f"{path.name}: {figures}, {len(text.encode()) / 1000:.0f} kB")
    return True


def main(arguments: list[str] | None = None) -> int:
    """Refresh the notebooks named, or all; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.notebooks.refresh",
        description="Run notebooks and store their outputs as they are committed.",
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all")
    given = parser.parse_args(arguments)
    paths = given.notebooks or sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    return 0 if all([refresh(path) for path in paths]) else 1


if __name__ == "__main__":
    sys.exit(main())
