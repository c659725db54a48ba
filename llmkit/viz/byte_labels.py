"""Read the tokens of a byte-level vocabulary as people do.

GPT-2 and its kin spell each byte of a token as one visible character (Radford et al.
2019, section 2.2). Views that are given such tokens show the text instead. Home
notebook: 01_tokenization.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmkit.viz.labels import visible_all


def readable(tokens: Sequence[str]) -> list[str]:
    """Turn tokens as a vocabulary spells them into tokens as people read them.

    A byte-level vocabulary (GPT-2's) writes each byte as one visible character, so
    that `café` becomes `cafÃ©` and a space `Ġ`: such tokens are turned back. Bytes
    that are no whole character are shown as `<C3>`, and nothing is left invisible: a
    space becomes `·`, a line break `⏎`.

    Args:
        tokens: the tokens.

    Returns:
        As many labels.
    """
    tokens = [str(token) for token in tokens]
    if any("Ġ" in token or "Ċ" in token for token in tokens):
        letters = _byte_letters()
        tokens = [_from_bytes(token, letters) for token in tokens]
    return visible_all([token.replace("▁", " ") for token in tokens])


def _byte_letters() -> dict[str, int]:
    """Map each character of a byte-level vocabulary to the byte it stands for."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {chr(byte): byte for byte in plain}
    return letters | {chr(256 + i): byte for i, byte in enumerate(others)}


def _from_bytes(token: str, letters: Mapping[str, int]) -> str:
    if not all(letter in letters for letter in token):
        return token  # a special token, or one of another kind
    data = bytes(letters[letter] for letter in token)
    text = data.decode("utf-8", errors="surrogateescape")
    # a lone surrogate stands for one byte that is no character
    return "".join(
        f"<{ord(c) - 0xDC00:02X}>" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in text
    )
