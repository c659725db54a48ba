"""What the tokens of a run are called, and exactly which bytes they stand for."""

from __future__ import annotations

from dataclasses import dataclass

from llmkit.tokenizers import Encoding, Tokenizer
from llmkit.tokenizers.borrowed import BorrowedTokenizer
from llmkit.tokenizers.splitting import to_bytes, token_to_bytes
from llmkit.viz.labels import visible


@dataclass(frozen=True)
class TokenLists:
    """The fields of a `Trace` that say what was read; all have the same length."""

    ids: list[int]
    tokens: list[str]
    token_bytes: list[bytes]
    offsets: list[tuple[int, int]]
    special: list[bool]
    words: list[int | None]
    segments: list[int | None]
    type_ids: list[int]


def read_tokens(tokenizer: Tokenizer, text: str, pair: str | None) -> TokenLists:
    """Cut a text, or two, into tokens and describe each.

    Args:
        tokenizer: a tokenizer of the kit.
        text: the first text.
        pair: a second text, or None.

    Returns:
        The `TokenLists`.

    Raises:
        ValueError: there is not a single token.
    """
    encoding = tokenizer(text, pair)
    if not encoding.ids:
        raise ValueError(
            f"text must give at least one token; got {text!r}, which gives none"
        )
    return describe(tokenizer, encoding)


def describe(tokenizer: Tokenizer, encoding: Encoding) -> TokenLists:
    """Describe the tokens of an `Encoding`.

    Args:
        tokenizer: what made it.
        encoding: what it made.

    Returns:
        The `TokenLists`.
    """
    raw = [
        _bytes_of(tokenizer, i, token)
        for i, token in zip(encoding.ids, encoding.tokens, strict=True)
    ]
    return TokenLists(
        ids=list(encoding.ids),
        tokens=[
            token_label(tokenizer, i, token)
            for i, token in zip(encoding.ids, encoding.tokens, strict=True)
        ],
        token_bytes=raw,
        offsets=[tuple(o) for o in encoding.offsets],
        special=[bool(s) for s in encoding.special_tokens_mask],
        words=list(encoding.word_ids),
        segments=list(encoding.sequence_ids),
        type_ids=list(encoding.type_ids),
    )


def labels_of(tokenizer: Tokenizer, encoding: Encoding) -> list[str]:
    """Name every token of a text so that it can be seen.

    Args:
        tokenizer: what made the encoding.
        encoding: the tokens.

    Returns:
        One label for each; see `token_label`.
    """
    pairs = zip(encoding.ids, encoding.tokens, strict=True)
    return [token_label(tokenizer, token_id, token) for token_id, token in pairs]


def token_label(tokenizer: Tokenizer, token_id: int, token: str | None = None) -> str:
    """Name a token so that it can be seen: `·fox`, `⏎`, `##ing`, `<0xE2>`.

    Args:
        tokenizer: the tokenizer it belongs to.
        token_id: its id.
        token: its name in the vocabulary, if it is at hand.

    Returns:
        Valid text in which nothing is invisible.
    """
    token = tokenizer.id_to_token(token_id) if token is None else token
    raw = _bytes_of(tokenizer, token_id, token)
    if raw == to_bytes(token):
        return visible(token)
    try:
        return visible(raw.decode("utf-8"))
    except UnicodeDecodeError:
        # part of a character: readable pieces stay, the other bytes show their number
        return "".join(
            f"<0x{ord(c) - 0xDC00:02X}>" if "\udc80" <= c <= "\udcff" else visible(c)
            for c in raw.decode("utf-8", "surrogateescape")
        )


def _bytes_of(tokenizer: Tokenizer, token_id: int, token: str) -> bytes:
    if hasattr(tokenizer, "token_bytes"):
        return tokenizer.token_bytes(token_id)
    if isinstance(tokenizer, BorrowedTokenizer):
        if tokenizer.byte_level and token not in tokenizer.added:
            return token_to_bytes(token)
        # SentencePiece writes a space as a low bar
        return to_bytes(token.replace("\u2581", " "))
    return to_bytes(token)
