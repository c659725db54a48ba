"""Cut a text into words and write bytes as visible characters, as GPT-2 does.

Byte-level BPE never merges across a word's edge. GPT-2 (Radford et al. 2019, section
2.2) finds the words with one regular expression: a contraction, letters, numbers or
other marks, each with at most one space in front, or a run of whitespace. Home
notebook: 01_tokenization.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

GPT2_PATTERN = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)

# The same for text that is all ASCII, where it is twice as fast. Whitespace is spelled
# out, because Python's `\s` also takes the separators U+001C to U+001F.
_ASCII_GPT2 = re.compile(
    r"'(?:[stmd]|re|ve|ll)| ?[A-Za-z]+| ?[0-9]+| ?[^\t-\r A-Za-z0-9]+"
    r"|[\t-\r ]+(?![^\t-\r ])|[\t-\r ]+"
)


@lru_cache(maxsize=32)
def compile_pattern(pattern: str):
    r"""Compile a pattern that may use `\p{L}` and its like.

    Args:
        pattern: a regular expression.

    Raises:
        ValueError: it is not a valid one.
    """
    import regex  # knows \p{…}, which the standard library's re does not

    # \s must mean Unicode's White_Space alone, as in Hugging Face and tiktoken
    try:
        return regex.compile(pattern, regex.V0)
    except regex.error as error:
        raise ValueError(
            f"pattern must be a valid regular expression; got {pattern!r}: {error}"
        ) from error


def find_words(text: str, pattern: str = GPT2_PATTERN) -> list[str]:
    """Cut a text into words; joined together they give the text again.

    Args:
        text: any text.
        pattern: the regular expression that finds a word. Text between two matches
            becomes a word of its own.

    Returns:
        The words, in order.
    """
    if pattern == GPT2_PATTERN:
        finder = _ASCII_GPT2 if text.isascii() else compile_pattern(pattern)
        return finder.findall(text)  # it has no groups and leaves nothing out
    return [text[start:end] for start, end in word_spans(text, pattern)]


def word_spans(text: str, pattern: str = GPT2_PATTERN) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each word that `find_words` gives.

    Args:
        text: any text.
        pattern: the regular expression that finds a word.

    Yields:
        Pairs of character positions.
    """
    ascii_only = pattern == GPT2_PATTERN and text.isascii()
    finder = _ASCII_GPT2 if ascii_only else compile_pattern(pattern)
    end = 0
    for match in finder.finditer(text):
        if match.start() > end:
            yield end, match.start()
        if match.end() > match.start():
            yield match.span()
        end = match.end()
    if end < len(text):
        yield end, len(text)


@lru_cache(maxsize=1)
def byte_characters() -> tuple[str, ...]:
    """Return a visible character for each of the 256 bytes.

    Bytes that print keep their Latin-1 character. The other 68, the space among them,
    take the characters from U+0100 on: a space becomes "Ġ", a line break "Ċ".
    """
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [b for b in range(256) if b not in shown]
    place = {b: 0x100 + n for n, b in enumerate(hidden)}
    return tuple(chr(place.get(b, b)) for b in range(256))


@lru_cache(maxsize=1)
def character_bytes() -> dict[str, int]:
    """Return the byte behind each of `byte_characters`."""
    return {c: b for b, c in enumerate(byte_characters())}


def to_bytes(text: str) -> bytes:
    """Turn a text into UTF-8; a lone surrogate becomes the three bytes UTF-8 forbids.

    So any Python string can make the round trip, also one that holds half of a
    surrogate pair, as file names and broken JSON do.
    """
    return text.encode("utf-8", "surrogatepass")


def from_bytes(data: bytes) -> str:
    """Turn UTF-8 into text; bytes that are no text become U+FFFD."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def token_to_bytes(token: str) -> bytes:
    """Return the bytes that a byte-level token such as "Ġcafé" stands for.

    A character outside the byte alphabet (it occurs in added tokens) counts as itself.
    """
    table = character_bytes()
    try:
        return bytes(map(table.__getitem__, token))
    except KeyError:
        return to_bytes(token)
