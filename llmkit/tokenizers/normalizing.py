"""Clean a text as BERT does (spaces, control characters, accents, case), or compose it.

Every character of the result remembers the character it came from, so that offsets
point into the text the reader wrote. Devlin et al. 2019; the rules are those of BERT's
released tokenizer. Categories come from Python's Unicode tables; Hugging Face's are
older, so the two differ on some 500 rare characters. Home notebook: 01_tokenization.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# the blocks of CJK ideographs; Japanese kana and Korean hangul are not among them
CJK = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def normalize(
    text: str,
    lowercase: bool = True,
    strip_accents: bool | None = None,
    clean_text: bool = True,
    handle_chinese_chars: bool = True,
) -> tuple[str, list[int]]:
    """Clean a text and say where each character of the result came from.

    Args:
        text: any text.
        lowercase: whether to write all letters small.
        strip_accents: whether to drop accents; None does what `lowercase` does.
        clean_text: whether to drop control characters and turn any whitespace into a
            space.
        handle_chinese_chars: whether to put spaces around each CJK character.

    Returns:
        The clean text, and for each of its characters the index of the character in
        `text` that it came from.
    """
    options = (
        lowercase,
        lowercase if strip_accents is None else strip_accents,
        clean_text,
        handle_chinese_chars,
    )
    pieces, sources = [], []
    for index, character in enumerate(text):
        piece = _normalize_character(character, *options)
        pieces.append(piece)
        sources.extend([index] * len(piece))
    return "".join(pieces), sources


@lru_cache(maxsize=1 << 16)
def _normalize_character(c: str, lowercase, strip_accents, clean, chinese) -> str:
    if clean:
        if c == "\0" or c == "\ufffd" or is_control(c):
            return ""
        if is_whitespace(c):
            return " "
    if strip_accents:
        # é becomes e and a combining accent, and the accent goes
        parts = unicodedata.normalize("NFD", c)
        c = "".join(d for d in parts if unicodedata.category(d) != "Mn")
    if lowercase:
        c = "".join(d.lower() for d in c)
    if chinese and len(c) == 1 and is_cjk(c):
        return f" {c} "
    return c


def compose(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Write each letter and its accents as one character where there is one (NFC).

    Args:
        text: any text.

    Returns:
        The text in normalisation form C, and for each of its characters the start and
        end, in `text`, of the letter with all its accents that it belongs to.
    """
    starts = [i for i, c in enumerate(text) if i == 0 or not _joins_on(c)]
    pieces, spans = [], []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        piece = unicodedata.normalize("NFC", text[start:end])
        pieces.append(piece)
        spans.extend([(start, end)] * len(piece))
    return "".join(pieces), spans


def _joins_on(c: str) -> bool:
    """Tell whether a character can melt into the one before: accent, Korean vowel."""
    return c >= "\u0300" and (
        unicodedata.category(c)[0] == "M"
        or "\u1161" <= c <= "\u1175"
        or "\u11a8" <= c <= "\u11c2"
    )


def is_whitespace(c: str) -> bool:
    """Tell whether a character counts as whitespace for BERT."""
    return c in "\t\n\r" or (c.isspace() and not "\x1c" <= c <= "\x1f")


def is_control(c: str) -> bool:
    """Tell whether a character is invisible: control, format, surrogate, private."""
    return c not in "\t\n\r" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co")


def is_cjk(c: str) -> bool:
    """Tell whether a character is a CJK ideograph, which BERT takes as a word."""
    return c > "\u33ff" and any(low <= ord(c) <= high for low, high in CJK)


@lru_cache(maxsize=1 << 16)
def is_punctuation(c: str) -> bool:
    """Tell whether a character stands alone: any ASCII symbol, any punctuation."""
    if c.isascii():
        return not c.isalnum() and "!" <= c <= "~"
    return unicodedata.category(c)[0] == "P"


def split_words(text: str) -> list[tuple[int, int]]:
    """Cut a clean text at whitespace and around each punctuation mark.

    Args:
        text: a text, normalised or not.

    Returns:
        The start and end of each word.
    """
    spans = []
    start = None
    for i, c in enumerate(text):
        alone = is_punctuation(c)
        if alone or is_whitespace(c):
            if start is not None:
                spans.append((start, i))
                start = None
            if alone:
                spans.append((i, i + 1))
        elif start is None:
            start = i
    if start is not None:
        spans.append((start, len(text)))
    return spans


@dataclass(frozen=True)
class Prepared:
    """A text as the merges see it, with the way back to the text as it was written."""

    text: str
    added: int  # 1 if a space was put in front
    spans: list[tuple[int, int]] | None  # where each character came from; None: here

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Return the place in the written text of `text[start:end]`."""
        # a space put in front counts as part of the first character
        start = max(start - self.added, 0)
        end = max(end - self.added, start + 1)
        if self.spans is None:
            return start, end
        return self.spans[start][0], self.spans[end - 1][1]

    def used(self, end: int) -> int | None:
        """Return how much of the written text `text[:end]` uses up, if clear."""
        end -= self.added
        if self.spans is None or end == 0:
            return end
        inside = end < len(self.spans) and self.spans[end] == self.spans[end - 1]
        return None if inside else self.spans[end - 1][1]


def prepare(text: str, composed: bool, prefix: bool) -> Prepared:
    """Make a text ready for byte-level BPE.

    Args:
        text: any text.
        composed: whether letters and accents are joined.
        prefix: whether a space is put in front where none stands.

    Returns:
        The text, with the way back.
    """
    spans = None
    if composed and not unicodedata.is_normalized("NFC", text):
        text, spans = compose(text)
    added = prefix and not text.startswith(" ")
    return Prepared(" " + text if added else text, int(added), spans)
