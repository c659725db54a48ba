"""The same thirty sentences in twelve languages. Home notebook: 01_tokenization."""

from __future__ import annotations

from dataclasses import dataclass

from llmkit.data.shipped import load_shipped


@dataclass(frozen=True)
class Language:
    """A language of the data set `sentences`.

    Args:
        code: such as "de".
        name: in English.
        own_name: in the language itself.
        script: the script's name, such as "Cyrillic".
        direction: "ltr" (left to right) or "rtl".
    """

    code: str
    name: str
    own_name: str
    script: str
    direction: str


def load_sentences() -> list[dict[str, str]]:
    """Return 30 sentences; each maps a language's code to the sentence in it.

    `load_sentences()[0]["de"]` is the first one in German; `load_languages()` says
    what the codes mean.
    """
    return load_shipped("sentences")["sentences"]


def load_languages() -> dict[str, Language]:
    """Return the twelve languages by code, in the order in which they are stored."""
    found = load_shipped("sentences")["languages"]
    return {code: Language(code=code, **about) for code, about in found.items()}
