"""`pydocs`: real English and real code that every Python already has on its disk.

Three kinds: the prose of Python's language reference (`pydoc_data.topics`), the
docstrings of the standard library, and its sources. Nothing is downloaded. The texts
belong to the Python Software Foundation (PSF licence); the kit only reads them where
they lie. They differ a little from one version of Python to the next.
"""

from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from llmkit.checks import check_choice
from llmkit.data.documents import Document, order_key, select

KINDS = ("topics", "docstrings", "code")

# tests, installed packages, tables of characters, and the topics themselves
_LEFT_OUT = {
    "__pycache__",
    "dist-packages",
    "encodings",
    "idle_test",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "test",
    "tests",
    "turtledemo",
}
_LEAST_CHARS = 40  # a shorter docstring says little


def load_pydocs(
    kind: str = "topics",
    split: str = "all",
    validation: float = 0.1,
    max_chars: int | None = None,
) -> Iterator[Document]:
    """Read Python's own documentation or sources, one document at a time.

    The order looks shuffled but is always the same, so that the first characters are
    a fair sample. All docstrings of one file lie on the same side of the split, and a
    text that occurs twice is yielded once.

    Args:
        kind: "topics" (79 or so chapters of the language reference, 0.5 MB),
            "docstrings" (of the standard library, about 2 MB) or "code" (its files,
            about 12 MB).
        split: "train", "validation" or "all".
        validation: the share of documents kept for validation.
        max_chars: where to stop; None reads everything.

    Returns:
        An iterator of documents.

    Raises:
        ValueError: an argument is none of those named.
        FileNotFoundError: this Python comes without its documentation or sources.
    """
    check_choice("kind", kind, KINDS)
    source = {"topics": _topics, "docstrings": _docstrings, "code": _code}[kind]
    return select(_unique(source()), split, validation, max_chars)


def _unique(documents: Iterator[Document]) -> Iterator[Document]:
    seen = set()
    for document in documents:
        key = hash(document.text)
        if key not in seen:
            seen.add(key)
            yield document


def _topics() -> Iterator[Document]:
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise FileNotFoundError(
            "this Python has no pydoc_data.topics, the text of its language "
            "reference. Use kind='docstrings', or a Python from python.org, conda "
            "or uv."
        ) from error
    for name in sorted(topics, key=order_key):
        lines = (line.rstrip() for line in topics[name].splitlines())
        yield Document(f"topics/{name}", "\n".join(lines).strip() + "\n")


def _docstrings() -> Iterator[Document]:
    for name, path in _source_files():
        for inner, text in _docstrings_of(_read(path)):
            if len(text) >= _LEAST_CHARS:
                yield Document(f"{name}:{inner}", text + "\n", group=name)


def _code() -> Iterator[Document]:
    for name, path in _source_files():
        text = _read(path)
        if text.strip():
            yield Document(name, text)


def _docstrings_of(source: str) -> Iterator[tuple[str, str]]:
    """Yield the name and docstring of a module and of all that it defines."""
    with warnings.catch_warnings():  # old escapes in the library's own strings
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source)
        except SyntaxError:  # a template, not a program
            return
    waiting = [("", tree)]
    while waiting:
        name, node = waiting.pop()
        text = ast.get_docstring(node)
        if text:
            yield name or "module", text
        kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        inner = [child for child in node.body if isinstance(child, kinds)]
        waiting += [
            (f"{name}.{child.name}".lstrip("."), child) for child in inner[::-1]
        ]


def _source_files() -> list[tuple[str, Path]]:
    """Return the standard library's files, each with a name like `json/decoder.py`."""
    root = Path(sysconfig.get_path("stdlib"))
    found = []
    for path in root.rglob("*.py"):
        inner = path.relative_to(root)
        if not _LEFT_OUT.intersection(inner.parts):
            found.append((inner.as_posix(), path))
    if not found:
        raise FileNotFoundError(
            f"the standard library has no source files in {root.name}; use "
            "kind='topics', or a Python from python.org, conda or uv"
        )
    return sorted(found, key=lambda pair: order_key(pair[0]))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
