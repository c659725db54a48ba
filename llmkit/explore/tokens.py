"""Cut a text with several tokenizers side by side, and ask why it was cut there.

Home notebook: 01_tokenization.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from llmkit.checks import check_type
from llmkit.tokenizers import (
    ByteBPETokenizer,
    CharTokenizer,
    Tokenizer,
    WordPieceTokenizer,
    as_tokenizer,
    parse_tokenizer,
)
from llmkit.tokenizers.normalizing import normalize, split_words
from llmkit.viz.labels import visible
from llmkit.viz.tokens import Cutter, Pieces, TokenPlayground

MOST_MERGES = 60_000  # beyond that the merges are not sent to the browser

SAMPLES = (
    ("a sentence", "The quick brown fox jumps over the lazy dog."),
    ("spaces and lines", "two  spaces,\ta tab\n\n    and four in front"),
    ("numbers", "7 + 12 = 19, 1234567890, 3.14159, 1,000,000"),
    ("code", "def add(a, b):\n    return a + b  # the sum"),
    ("accents and emoji", "naïve café, Ångström, 👩‍👩‍👧 👍🏽 🇫🇷 ❤️"),
    ("many scripts", "Москва, Αθήνα, 東京, 서울, दिल्ली, القاهرة, ירושלים"),
)


def tokens(
    text: str = SAMPLES[0][1],
    tokenizers: Mapping[str, Tokenizer] | Sequence | None = None,
    languages: Mapping[str, Sequence[str]] | None = None,
    samples: Sequence[tuple[str, str]] = SAMPLES,
) -> TokenPlayground:
    """Show how tokenizers cut a text, live.

    Args:
        text: the first text.
        tokenizers: one to four of the kit's or of `transformers`, with or without
            names; None trains a small BPE on Python's own documentation, next to
            single characters.
        languages: the same sentences in several languages, by name; a table compares
            how many tokens each needs. The first one is the measure.
        samples: pairs of a name and a text to choose from.

    Returns:
        The widget. Read it back with `.text`, `.cut(0).ids` and `.selection`.
    """
    check_type("text", text, str)
    named = _named(_built_in() if tokenizers is None else tokenizers)
    return TokenPlayground(
        [cutter(name, tokenizer) for name, tokenizer in named.items()],
        text,
        samples,
        [
            (name, [sum(len(t.encode(s)) for s in said) for t in named.values()])
            for name, said in (languages or {}).items()
        ],
    )


def cutter(name: str, tokenizer: Tokenizer) -> Cutter:
    """Make a tokenizer ready for the playground.

    Args:
        name: what to call it.
        tokenizer: one of the kit's.
    """
    byte_level = isinstance(tokenizer, ByteBPETokenizer)
    return Cutter(
        name=name,
        vocab_size=tokenizer.vocab_size,
        cut=lambda text: _cut(tokenizer, text),
        explain=lambda text, index: explain(tokenizer, text, index),
        pieces="text" if byte_level else "name",
        rules=_rules(tokenizer) if byte_level else None,
    )


def explain(tokenizer: Tokenizer, text: str, index: int) -> list[str]:
    """Say in sentences why a text was cut around one token.

    Args:
        tokenizer: one of the kit's.
        text: the text.
        index: which token, from 0.

    Returns:
        The sentences; none for tokenizers that the kit cannot look into.
    """
    encoding = tokenizer(text, add_special_tokens=False)
    start, end = encoding.offsets[index]
    if text[start:end].strip() in {s.text for s in tokenizer.special_tokens}:
        return [f"“{text[start:end]}” is a special token: it is taken whole."]
    if isinstance(tokenizer, WordPieceTokenizer):
        return _explain_wordpiece(tokenizer, text, start)
    if isinstance(tokenizer, CharTokenizer):
        return ["Every character is a token of its own."]
    if isinstance(tokenizer, ByteBPETokenizer):
        return _explain_bpe(tokenizer, text, encoding.word_ids, index, encoding.offsets)
    return []


def _explain_bpe(tokenizer, text, words, index, offsets) -> list[str]:
    inside = [n for n, word in enumerate(words) if word == words[index]]
    word = text[offsets[inside[0]][0] : offsets[inside[-1]][1]]
    said = [f"The pattern cuts out the word “{word}”. No merge reaches beyond it."]
    for rank, _ in tokenizer.replay(word):
        if rank is not None:
            left, right = (
                visible(_text(tokenizer.token_bytes(tokenizer.vocab[token])))
                for token in tokenizer.merges[rank]
            )
            said.append(f"Merge {rank}: “{left}” + “{right}”.")
    return said


def _explain_wordpiece(tokenizer, text, start) -> list[str]:
    clean, sources = normalize(text, **tokenizer.options)
    for begin, end in split_words(clean):
        if sources[begin] <= start <= sources[end - 1]:
            break
    else:
        return []
    word, written = clean[begin:end], text[sources[begin] : sources[end - 1] + 1]
    said = [f"Between spaces and marks stands the word “{written}”."]
    if word != written:
        said.append(f"Written plainly (case, accents) it is “{word}”.")
    if len(word) > tokenizer.max_chars_per_word:
        limit = tokenizer.max_chars_per_word
        return [*said, f"It has more than {limit} characters, so it is unknown."]
    at = 0
    while at < len(word):
        mark = tokenizer.prefix if at else ""
        ends = range(len(word), at, -1)
        fits = (e for e in ends if mark + word[at:e] in tokenizer.vocab)
        stop = next(fits, None)
        if stop is None:
            piece = f"“{mark}{word[at:]}”"
            said.append(f"No piece of the vocabulary begins {piece}: the whole word is")
            said[-1] += f" {tokenizer.unk_token}."
            return said
        found = f"“{mark}{word[at:stop]}”"
        said.append(f"The longest piece that begins “{mark}{word[at:]}” is {found}.")
        at = stop
    return said


def _cut(tokenizer: Tokenizer, text: str) -> Pieces:
    encoding = tokenizer(text, add_special_tokens=False)
    if hasattr(tokenizer, "token_bytes"):
        data = [tokenizer.token_bytes(i) for i in encoding.ids]
        labels = [_text(raw) for raw in data]
    else:
        labels = encoding.tokens
        data = [token.encode("utf-8", "surrogatepass") for token in labels]
    return Pieces(encoding.ids, encoding.offsets, labels, data)


def _text(raw: bytes) -> str:
    """Return the text of some bytes, or the bytes by number if they are none."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(f"<{byte:02X}>" for byte in raw)


def _rules(tokenizer: ByteBPETokenizer) -> dict | None:
    """Return what the browser needs to do the same, if it can."""
    plain = not (
        tokenizer.add_prefix_space or tokenizer.compose or tokenizer.ignore_merges
    )
    flags = any(s.lstrip or s.rstrip or s.single_word for s in tokenizer.special_tokens)
    bytes_known = [tokenizer.token_to_id(c) for c in _alphabet()]
    if not plain or flags or None in bytes_known:
        return None
    if len(tokenizer.merges) > MOST_MERGES:
        return None
    vocab = tokenizer.vocab
    merges = [(vocab[a], vocab[b], vocab[a + b]) for a, b in tokenizer.merges]
    return {
        "pattern": tokenizer.pattern,
        "specials": [[s.text, s.id] for s in tokenizer.special_tokens],
        "byte_ids": np.asarray(bytes_known, np.uint32).tobytes(),
        "merges": np.asarray(merges, np.uint32).tobytes(),
    }


def _alphabet():
    from llmkit.tokenizers.splitting import byte_characters

    return byte_characters()


def _named(tokenizers) -> dict[str, Tokenizer]:
    """Give each tokenizer a name, and wrap those of `transformers`."""
    if isinstance(tokenizers, (Tokenizer, str)) or not hasattr(tokenizers, "__iter__"):
        tokenizers = [tokenizers]
    if not isinstance(tokenizers, Mapping):
        tokenizers = {_name(t, n): t for n, t in enumerate(tokenizers)}
    return {str(name): _explainable(t) for name, t in tokenizers.items()}


def _name(tokenizer, number: int) -> str:
    kind = type(tokenizer).__name__.removesuffix("Tokenizer")
    size = getattr(tokenizer, "vocab_size", "?")
    return f"{number + 1}: {kind}, {size} tokens"


def _explainable(tokenizer) -> Tokenizer:
    """Return the kit's own version of a tokenizer, where the kit has that kind."""
    theirs = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if hasattr(theirs, "to_str"):
        with contextlib.suppress(ValueError):
            return parse_tokenizer(theirs.to_str())
    return as_tokenizer(tokenizer)


def _built_in() -> dict[str, Tokenizer]:
    from llmkit.data import load_pydocs

    texts = [document.text for document in islice(load_pydocs(), 40)]
    return {
        "characters": CharTokenizer.train([*texts, *(s for _, s in SAMPLES)]),
        "our BPE": ByteBPETokenizer.train(texts, 1000),
    }
