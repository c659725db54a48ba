"""What all datasheets share: lines broken anew, numbers in words, samples indented."""

from __future__ import annotations

import textwrap


def laid_out(text: str) -> str:
    """Break the lines of running text anew; leave headings, tables and samples."""
    return "\n\n".join(map(_filled, text.strip().split("\n\n"))) + "\n"


def counted(n: int, what: str) -> str:
    """Return "one CPU thread" or "4 CPU threads"."""
    return f"one {what}" if n == 1 else f"{n} {what}s"


def quoted(text: str) -> str:
    """Indent a text, so that Markdown leaves it as it is."""
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def _filled(paragraph: str) -> str:
    if paragraph[0] in "#| ":
        return paragraph
    return textwrap.fill(" ".join(paragraph.split()), 88, break_on_hyphens=False)
