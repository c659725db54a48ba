"""Show the kit's own source inside a notebook, and say in words what a figure shows."""

from __future__ import annotations

import inspect
import textwrap


class Source:
    """A piece of source: a code block in a notebook, plain text in a terminal."""

    def __init__(self, text: str, where: str):
        self.text = text
        self.where = where

    def _repr_markdown_(self) -> str:
        return f"`{self.where}`\n\n```python\n{self.text}```"

    def __repr__(self) -> str:
        return f"{self.where}\n{self.text}"


def show_source(thing, docstring: bool = False) -> Source:
    """Return the source of a function or class of the kit, ready to be displayed.

    Args:
        thing: a function, class, method or module.
        docstring: whether to keep its docstring.

    Returns:
        A `Source`: Markdown in a notebook, plain text elsewhere.

    Raises:
        TypeError: it has no Python source (a number, a built-in function).
    """
    try:
        text = inspect.getsource(thing)
    except (TypeError, OSError) as error:
        raise TypeError(
            "show_source needs a function, class or module written in Python; "
            f"got {thing!r}"
        ) from error
    if not docstring:
        text = _without_docstring(thing, text)
    module = getattr(thing, "__module__", None) or thing.__name__
    name = getattr(thing, "__qualname__", "")
    return Source(textwrap.dedent(text).strip() + "\n", f"{module}.{name}".rstrip("."))


def alt(text: str) -> None:
    """Print one sentence that says what the figure above shows.

    It serves a reader who cannot see the figure, and it states the result in words.

    Args:
        text: the sentence.
    """
    print(f"Figure: {text}")


def _without_docstring(thing, text: str) -> str:
    """Cut the first docstring out of a source text, quotes and all."""
    import ast

    if not getattr(thing, "__doc__", None):
        return text
    flat = textwrap.dedent(text)
    body = ast.parse(flat).body
    node = body[0] if len(body) == 1 else None
    inner = getattr(node, "body", None) if node is not None else body
    first = inner[0] if inner else None
    if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
        return text
    lines = flat.splitlines(keepends=True)
    return "".join(lines[: first.lineno - 1] + lines[first.end_lineno :])
