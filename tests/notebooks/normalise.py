"""Bring an executed notebook into the one form in which it is committed."""

import re
from pathlib import Path

from nbformat import NotebookNode

from tests.notebooks.kernel import ROOT

WIDGET = "application/vnd.jupyter.widget-view+json"
KEPT = {"tags", "jupyter", "collapsed", "scrolled", "slideshow", "cellView"}
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}")
RANDOM_ID = re.compile(r"lm-[0-9a-f]{32}")
OVERWRITTEN = re.compile(r"^.*\r(?=[^\n])", re.MULTILINE)


def normalise(nb: NotebookNode) -> NotebookNode:
    """Drop what differs from run to run or tells of one machine; in place.

    Cell ids stay; a missing or repeated one is made from the cell's place. Standard
    error is dropped: progress lines and warnings are for the one who runs.

    Args:
        nb: a notebook.

    Returns:
        The same notebook.
    """
    nb.metadata = NotebookNode(
        kernelspec={
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        },
        language_info={"name": "python"},
    )
    seen: set[str] = set()
    count = 0
    for place, cell in enumerate(nb.cells):
        if not cell.get("id") or cell.id in seen:
            cell["id"] = f"cell-{place:02d}"
        seen.add(cell.id)
        cell.metadata = NotebookNode(
            {k: v for k, v in cell.metadata.items() if k in KEPT}
        )
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = _outputs(cell.outputs, count)
    nb.nbformat, nb.nbformat_minor = 4, 5
    _number_ids(nb)
    return nb


def _outputs(outputs: list, count: int) -> list:
    kept: list = []
    for out in outputs:
        if out.output_type == "stream":
            if out.name == "stderr":
                continue
            last = kept[-1] if kept else None
            if last is not None and last.output_type == "stream":
                last.text += out.text
                continue
        kept.append(out)
    for out in kept:
        if out.output_type == "stream":
            out.text = _mask(OVERWRITTEN.sub("", out.text))
        elif "data" in out:
            # the model behind it ends with the kernel; its poster stays
            out.data.pop(WIDGET, None)
            for kind, value in out.data.items():
                if isinstance(value, str) and kind.startswith("text/"):
                    out.data[kind] = _mask(value)
            out.metadata = NotebookNode(
                {k: v for k, v in out.metadata.items() if k in out.data}
            )
        if out.output_type == "execute_result":
            out.execution_count = count
    return [out for out in kept if out.output_type == "stream" or out.get("data")]


def _mask(text: str) -> str:
    """Take the machine's own paths and memory addresses out of a text."""
    text = text.replace(f"{ROOT}/", "").replace(str(ROOT), ROOT.name)
    return ADDRESS.sub("", text.replace(str(Path.home()), "~"))


def _number_ids(nb: NotebookNode) -> None:
    """Replace random ids in HTML by their order of appearance."""
    names: dict[str, str] = {}

    def name(match: re.Match) -> str:
        return names.setdefault(match[0], f"lm-{len(names)}")

    for cell in nb.cells:
        for out in cell.get("outputs", ()):
            page = out.get("data", {}).get("text/html")
            if page:
                out.data["text/html"] = RANDOM_ID.sub(name, page)
