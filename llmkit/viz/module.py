"""What travels to the browser: a view's script and style, with their shared part."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from llmkit.viz.slim import slim_script

HERE = Path(__file__).parent


@cache
def module_text(path: str) -> str:
    """Return a view's file, with what it uses of the shared prelude, as one ES module.

    Args:
        path: the view's own file.

    Returns:
        JavaScript without comments and needless blanks.
    """
    own = Path(path).read_text("utf-8")
    prelude = (HERE / "view.js").read_text("utf-8")
    return slim_script(_needed(prelude, own) + own)


def _needed(prelude: str, own: str) -> str:
    """Keep those members of `lm` that a view names, and those which they name.

    A member starts where a line is indented by two spaces.
    """
    start, *members, end = re.split(r"(?m)^(?=  (?:async )?\w+[(:]|\};)", prelude)
    texts = {re.match(r"\s+(?:async )?(\w+)", m)[1]: m for m in members}
    kept, asked = set(), _named(own)
    while asked:
        kept |= asked
        asked = {n for k in kept & texts.keys() for n in _named(texts[k])} - kept
    return start + "".join(m for name, m in texts.items() if name in kept) + end


def _named(code: str) -> set[str]:
    """Return the members of `lm` that some code names, as `lm.x` or `{ x } = lm`."""
    unpacked = re.findall(r"\{([^{}]*)\} = lm\b", code)
    names = {name.strip() for part in unpacked for name in part.split(",")}
    return names | set(re.findall(r"\blm\.(\w+)", code))


@cache
def style_text(path: str) -> str:
    """Return the shared style sheet and one view's own, if it has one.

    Args:
        path: the view's own file; it need not exist.

    Returns:
        CSS.
    """
    own = Path(path).read_text("utf-8") if Path(path).is_file() else ""
    return _slim((HERE / "view.css").read_text("utf-8") + own)


def _slim(code: str) -> str:
    """Drop indentation and empty lines of a style sheet."""
    lines = (line.strip() for line in code.splitlines())
    return "".join(f"{x}\n" for x in lines if x)
