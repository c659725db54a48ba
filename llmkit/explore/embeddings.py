"""A map of a model's own table of embeddings, its neighbours and its analogies.

Home notebook: 02_embeddings_and_positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from llmkit.checks import check_positive
from llmkit.viz.embedding_map import EmbeddingMap


def embeddings(
    model,
    tokenizer,
    words: Sequence[str] | None = None,
    limit: int = 4000,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> EmbeddingMap:
    """Draw the rows of a model's token table as a map.

    Args:
        model: a model of the kit, or a `transformers` model.
        tokenizer: its tokenizer.
        words: tokens to draw; None takes whole words of letters, the first `limit` of
            the vocabulary.
        limit: the most words, if `words` is None.
        groups: name -> tokens that get a shape and a colour of their own; they are
            drawn even where `limit` would have left them out.

    Returns:
        The widget; `widget.nearest("king")` and `widget.analogy("man", "king",
        "woman")` ask the full space.

    Raises:
        ValueError: a word is no single token of this tokenizer.
    """
    check_positive("limit", limit)
    table = token_table(model)
    if words is None:
        words = whole_words(tokenizer, limit)
    extra = [word for members in (groups or {}).values() for word in members]
    words = list(dict.fromkeys([*words, *extra]))
    ids = [_single_id(tokenizer, word) for word in words]
    return EmbeddingMap(words, table[ids], groups)


def token_table(model) -> np.ndarray:
    """Return a model's table of token embeddings, float32, (V, D).

    Args:
        model: of the kit or of `transformers`.
    """
    if hasattr(model, "get_input_embeddings"):
        weight = model.get_input_embeddings().weight
    else:
        weight = model.token_embedding.weight
    return weight.detach().float().cpu().numpy()


def whole_words(tokenizer, limit: int) -> list[str]:
    """Return the first whole words of a vocabulary: letters only, three or more.

    Args:
        tokenizer: with `vocab` (token to id), or `get_vocab()`.
        limit: the most words.

    Returns:
        Words in the order of their ids, which in a WordPiece vocabulary is roughly
        from common to rare.
    """
    vocab = tokenizer.vocab if hasattr(tokenizer, "vocab") else tokenizer.get_vocab()
    ordered = sorted(vocab, key=vocab.__getitem__)
    # a byte-level vocabulary marks the start of a word
    marked = any(token.startswith("Ġ") for token in ordered[:2000])
    found = []
    for token in ordered:
        if marked and not token.startswith("Ġ"):
            continue
        word = token.removeprefix("Ġ")
        if len(word) >= 3 and word.isascii() and word.isalpha():
            found.append(word)
    return list(dict.fromkeys(found))[:limit]


def _single_id(tokenizer, word: str) -> int:
    vocab = tokenizer.vocab if hasattr(tokenizer, "vocab") else tokenizer.get_vocab()
    for token in (word, f"Ġ{word}"):
        if token in vocab:
            return vocab[token]
    raise ValueError(
        f"words must be single tokens of this tokenizer; {word!r} is not. "
        "It is read in pieces, so the table has no row for it."
    )
