"""What counts as a word when translations are compared.

A BLEU score means nothing without the name of its splitter: "13a" separates the
punctuation of Western languages, "intl" that of all languages, "zh" makes every
Chinese character a word, "char" every character, "none" goes by spaces. They do what
sacreBLEU's splitters of these names do (Post 2018, "A Call for Clarity in Reporting
BLEU Scores"). Home notebook: 11_evaluation.
"""

from __future__ import annotations

import re

import regex

from llmkit.checks import check_choice

# marks of punctuation and symbols in ASCII; apostrophe, comma, hyphen and full stop
# stand inside words and numbers, so they have rules of their own
_SYMBOLS = re.compile(r"([!-&(-+/:-@\[-`{-~])")
_NUMBERS = (
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),  # a stop that follows no digit
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),  # a stop that no digit follows
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),  # a hyphen after a digit
)
_WORLD = (
    (regex.compile(r"(\P{N})(\p{P})"), r"\1 \2 "),
    (regex.compile(r"(\p{P})(\P{N})"), r" \1 \2"),
    (regex.compile(r"(\p{S})"), r" \1 "),
)
# what stands by itself in Chinese: first and last code points. The first range takes in
# typographic quotes, arrows and signs of mathematics.
_CHINESE = (
    (0x2001, 0x2A6D),
    (0x2E80, 0x2FDF),
    (0x2FF0, 0x303F),
    (0x3100, 0x312F),
    (0x31A0, 0x31EF),
    (0x3200, 0x4DB5),
    (0x4E00, 0x9FBB),
    (0xF900, 0xFA2D),
    (0xFA30, 0xFA6A),
    (0xFA70, 0xFAD9),
    (0xFE10, 0xFE1F),
    (0xFE30, 0xFE4F),
    (0xFF00, 0xFFEF),
)
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))


def split_words(text: str, kind: str = "13a") -> list[str]:
    """Cut a text into the words that BLEU compares.

    Args:
        text: any text.
        kind: "13a", "intl", "zh", "char" or "none".
    """
    check_choice("kind", kind, SPLITTERS)
    return SPLITTERS[kind](text.rstrip())


def _western(text: str) -> list[str]:
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for name, sign in _ENTITIES:
        text = text.replace(name, sign)
    return _marks_apart(f" {text} ")


def _marks_apart(text: str) -> list[str]:
    text = _SYMBOLS.sub(r" \1 ", text)
    for pattern, spaced in _NUMBERS:
        text = pattern.sub(spaced, text)
    return text.split()


def _chinese(text: str) -> list[str]:
    apart = (f" {c} " if _is_chinese(c) else c for c in text.strip())
    return _marks_apart("".join(apart))


def _is_chinese(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _CHINESE)


def _international(text: str) -> list[str]:
    for pattern, spaced in _WORLD:
        text = pattern.sub(spaced, text)
    return text.split()


SPLITTERS = {
    "13a": _western,
    "intl": _international,
    "zh": _chinese,
    "char": lambda text: " ".join(text).split(),
    "none": str.split,
}
