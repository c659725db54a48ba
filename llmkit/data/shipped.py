"""Data sets that come with the kit: `data/<name>/`, each with a datasheet.

Every set is a folder with one `<name>.json` (or `<name>.jsonl`, one JSON value for
each line) and a `DATASHEET.md` that says what it is, how it was made, its licence and
its limits.
"""

from __future__ import annotations

import json
from pathlib import Path

from llmkit.checks import check_choice
from llmkit.runtime import data_path

DATASHEET = "DATASHEET.md"


def shipped_names() -> list[str]:
    """Return the names of the data sets that come with the kit, sorted."""
    sheets = data_path().glob(f"*/{DATASHEET}")
    return sorted(sheet.parent.name for sheet in sheets if _data_file(sheet.parent))


def load_shipped(name: str):
    """Read a data set that comes with the kit.

    Args:
        name: such as "sentences"; `shipped_names()` lists them.

    Returns:
        What its JSON file holds; a list of rows if it is a `.jsonl` file.

    Raises:
        ValueError: there is no such set, or its file is damaged.
    """
    check_choice("name", name, shipped_names())
    path = _data_file(data_path(name))
    text = path.read_text(encoding="utf-8")
    try:
        if path.suffix == ".jsonl":
            # not splitlines: it would also cut at signs that a text may hold
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"the file {path.name} of the data set {name!r} is damaged "
            f"({error}); clone the repository again"
        ) from error


def datasheet(name: str) -> str:
    """Return a data set's datasheet, as Markdown.

    Args:
        name: such as "sentences", or "topics", which has a sheet but no file of its
            own.

    Raises:
        ValueError: there is no such set.
    """
    sheets = data_path().glob(f"*/{DATASHEET}")
    check_choice("name", name, sorted(sheet.parent.name for sheet in sheets))
    return (data_path(name) / DATASHEET).read_text(encoding="utf-8")


def _data_file(folder: Path) -> Path | None:
    for suffix in (".json", ".jsonl"):
        path = folder / f"{folder.name}{suffix}"
        if path.is_file():
            return path
    return None
