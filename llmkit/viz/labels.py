"""Turn any token into a label that can be seen, whatever it holds.

A token may be a space, a line break, half an emoji, an invisible direction mark or
200 letters. A label shows each of these with visible signs and is always valid text,
so that it can travel to a browser and into a file.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_SIGNS = {" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍", "\u00a0": "⍽"}
# categories that print nothing: control, format, surrogate, private, unassigned,
# line and paragraph separator
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS = {"\u200c", "\u200d"}  # they shape letters and emoji, so they stay


def visible(token: str, longest: int | None = None) -> str:
    """Return a label for a token in which nothing is invisible.

    Spaces become `·`, line breaks `⏎`, tabs `⇥`, the empty token `∅`, and every other
    character that prints nothing (control, direction mark, lone surrogate) its number,
    such as `<U+202E>`.

    Args:
        token: the text of a token.
        longest: cut in the middle, with `…`, if it has more characters than this.

    Returns:
        Text that can be encoded as UTF-8 and shown.
    """
    if not token:
        return "∅"
    parts = []
    for char in token:
        if char in _SIGNS:
            parts.append(_SIGNS[char])
        elif char in _JOINERS and len(token) > 1:
            parts.append(char)
        elif unicodedata.category(char) in _UNSEEN:
            parts.append(f"<U+{ord(char):04X}>")
        else:
            parts.append(char)
    if longest is not None and len(parts) > longest:
        tail = (longest - 1) // 3
        parts = [*parts[: longest - 1 - tail], "…", *parts[len(parts) - tail :]]
    return "".join(parts)


def visible_all(tokens: Sequence[str], longest: int | None = None) -> list[str]:
    """Return a visible label for each token; see `visible`.

    Args:
        tokens: the texts of the tokens.
        longest: the most characters a label may have.

    Returns:
        As many labels.
    """
    return [visible(token, longest) for token in tokens]
