"""What every tokenizer of the kit shares: its vocabulary, special tokens, templates.

A tokenizer turns text into ids and back. `encode` gives plain ids; calling the
tokenizer gives an `Encoding`, with special tokens put around the text and the place
of each token in it. Home notebook: 01_tokenization.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from llmkit.checks import check_type
from llmkit.tokenizers.special import (
    ROLES,
    SpecialToken,
    name_special,
    special_pattern,
)


@dataclass
class Encoding:
    """A text as tokens; all lists have the same length.

    `offsets` count characters of the text that a token came from (of the pair's
    second text where `type_ids` or `sequence_ids` say so); a special token from the
    template has (0, 0). `word_ids` number the words before they were cut into tokens.
    """

    ids: list[int] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    offsets: list[tuple[int, int]] = field(default_factory=list)
    type_ids: list[int] = field(default_factory=list)
    special_tokens_mask: list[int] = field(default_factory=list)
    word_ids: list[int | None] = field(default_factory=list)
    sequence_ids: list[int | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def append(self, token_id, token, offset, type_id, special, word, sequence) -> None:
        """Add one token to every list."""
        self.ids.append(token_id)
        self.tokens.append(token)
        self.offsets.append(offset)
        self.type_ids.append(type_id)
        self.special_tokens_mask.append(int(special))
        self.word_ids.append(word)
        self.sequence_ids.append(sequence)


class Tokenizer:
    """The common part; a subclass adds `encode`, `decode` and `_spans`.

    Args:
        vocab: each token's id.
        special_tokens: texts that are matched whole, or `SpecialToken`s.
        roles: which token plays which role, such as `{"pad": "[PAD]"}`; what is left
            out is found by the usual names.
        template: what to put around one text, such as `("[CLS]", "$A", "[SEP]")`; each
            entry may also be a pair `(token, type_id)`.
        pair_template: the same for two texts, with `$A` and `$B`.
    """

    trim_offsets = False  # whether offsets leave out the whitespace of a token

    def __init__(
        self, vocab, special_tokens=(), roles=None, template=(), pair_template=()
    ):
        self.vocab: dict[str, int] = dict(vocab)
        self.special_tokens = name_special(special_tokens, self.vocab)
        self._tokens = {i: t for t, i in self.vocab.items()}
        if len(self._tokens) < len(self.vocab):
            raise ValueError("vocab must give every token an id of its own")
        self._by_text = {s.text: s for s in self.special_tokens}
        self._special_ids = {s.id for s in self.special_tokens if s.special}
        self._special_pattern = special_pattern(self.special_tokens)
        self.roles = self._find_roles(roles or {})
        self.template = _parts(template)
        self.pair_template = _parts(pair_template)
        for name, _ in (*self.template, *self.pair_template):
            if name not in ("$A", "$B") and name not in self.vocab:
                raise ValueError(f"template names {name!r}, which is not in vocab")

    def __len__(self) -> int:
        return self.vocab_size

    def __repr__(self) -> str:
        return f"{type(self).__name__}(vocab_size={self.vocab_size})"

    @property
    def vocab_size(self) -> int:
        """One more than the greatest id, so the size an embedding table needs."""
        return max(self._tokens, default=-1) + 1

    pad_id = property(lambda self: self._role("pad"), doc="id of the padding token")
    unk_id = property(lambda self: self._role("unk"), doc="id of the unknown token")
    bos_id = property(lambda self: self._role("bos"), doc="id of the first token")
    eos_id = property(lambda self: self._role("eos"), doc="id of the last token")
    cls_id = property(lambda self: self._role("cls"), doc="id of the summary token")
    sep_id = property(lambda self: self._role("sep"), doc="id of the separator")
    mask_id = property(lambda self: self._role("mask"), doc="id of the mask")

    def id_to_token(self, token_id: int) -> str:
        """Return the token with this id.

        Args:
            token_id: 0 to vocab_size - 1.

        Raises:
            ValueError: there is no such id.
        """
        try:
            return self._tokens[int(token_id)]
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f"token_id must be one of the {len(self._tokens)} ids "
                f"(0 to {self.vocab_size - 1}); got {token_id!r}"
            ) from None

    def token_to_id(self, token: str) -> int | None:
        """Return the id of a token, or None if there is no such token."""
        return self.vocab.get(token)

    def encode(self, text: str, allow_special: bool = True) -> list[int]:
        """Turn a text into ids, with nothing put around it.

        Args:
            text: any text.
            allow_special: whether a special token's name in the text stands for the
                token. Use False for text that you do not trust.

        Returns:
            The ids.
        """
        raise NotImplementedError

    def decode(self, ids: Iterable[int], skip_special: bool = False) -> str:
        """Turn ids back into text.

        Args:
            ids: token ids.
            skip_special: whether to leave the special tokens out.

        Returns:
            The text.
        """
        raise NotImplementedError

    def __call__(
        self, text: str, pair: str | None = None, add_special_tokens: bool = True
    ) -> Encoding:
        """Turn a text, or two, into an `Encoding` with offsets.

        Args:
            text: the first text.
            pair: a second text, such as the passage that belongs to a question.
            add_special_tokens: whether to put the template's tokens around them.

        Returns:
            The `Encoding`.
        """
        check_type("text", text, str)
        if pair is not None:
            check_type("pair", pair, str)
        plain = (("$A", 0),) if pair is None else (("$A", 0), ("$B", 1))
        template = self.template if pair is None else self.pair_template
        if pair is not None and not template and self.template:
            raise ValueError(
                f"pair needs a template for two texts, which this "
                f"{type(self).__name__} lacks; give pair_template, or join the texts"
            )
        if not add_special_tokens or not template:
            template = plain
        encoding = Encoding()
        for name, type_id in template:
            if name in ("$A", "$B"):
                source = text if name == "$A" else pair
                self._add_text(encoding, source, type_id, int(name == "$B"))
            else:
                token_id = self.vocab[name]
                encoding.append(token_id, name, (0, 0), type_id, True, None, None)
        return encoding

    def save(self, path: str | Path) -> Path:
        """Write the tokenizer as Hugging Face's `tokenizer.json`.

        Args:
            path: a file that ends in `.json`, or a folder; a folder also gets a
                `tokenizer_config.json`, so that `transformers` can load it.

        Returns:
            The path of the `tokenizer.json`.
        """
        from llmkit.tokenizers.writing import write

        return write(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Read a `tokenizer.json`, or the one in a folder.

        Args:
            path: the file or the folder.

        Raises:
            ValueError: it holds a tokenizer of another kind; `load_tokenizer` finds
                the kind by itself.
        """
        from llmkit.tokenizers.reading import read

        tokenizer = read(path)
        if not isinstance(tokenizer, cls):
            raise ValueError(
                f"{path} holds a {type(tokenizer).__name__}, not a {cls.__name__}; "
                "use llmkit.tokenizers.load_tokenizer"
            )
        return tokenizer

    def _spans(self, text: str, at: int) -> Iterator[tuple[int, tuple[int, int], int]]:
        """Yield id, (start, end) and word number for a text without special tokens.

        `at` is where the text stands in the whole; offsets count from there.
        """
        raise NotImplementedError

    def _add_text(self, encoding: Encoding, text, type_id: int, sequence: int) -> None:
        word = -1
        for start, piece, special in self._split_special(text):
            if special is not None:
                word += 1
                left = len(piece) - len(piece.lstrip()) if self.trim_offsets else 0
                kept = len(piece.strip()) if self.trim_offsets else len(piece)
                span = (start + left, start + left + kept)
                encoding.append(
                    special.id, special.text, span, type_id, False, word, sequence
                )
                continue
            base = word + 1
            for token_id, span, number in self._spans(piece, start):
                word = base + number
                token = self._tokens[token_id]
                encoding.append(token_id, token, span, type_id, False, word, sequence)

    def _split_special(
        self, text: str, allow_special: bool = True
    ) -> Iterator[tuple[int, str, SpecialToken | None]]:
        """Yield the start, the text and, if it is one, the special token."""
        end = 0
        if allow_special and self._special_pattern is not None:
            for match in self._special_pattern.finditer(text):
                if match.start() > end:
                    yield end, text[end : match.start()], None
                found = match.group()
                name = self._by_text.get(found) or self._by_text[found.strip()]
                yield match.start(), found, name
                end = match.end()
        if end < len(text):
            yield end, text[end:], None

    def _kept(self, ids: Iterable[int], skip_special: bool) -> Iterable[int]:
        """Leave the special tokens out, if asked."""
        if not skip_special:
            return ids
        # a set does not find a tensor's element, only the number in it
        return (i for i in ids if int(i) not in self._special_ids)

    def _role(self, role: str) -> int | None:
        token = self.roles.get(role)
        return None if token is None else self.vocab[token]

    def _find_roles(self, given: dict) -> dict[str, str]:
        roles = {}
        for role, names in ROLES.items():
            token = given.get(role)
            if token is not None and token not in self.vocab:
                raise ValueError(f"the {role} token {token!r} is not in vocab")
            token = token or next((n for n in names if n in self.vocab), None)
            if token is not None:
                roles[role] = token
        return roles


def as_texts(texts: str | Iterable[str]) -> Iterable[str]:
    """Take one text for a list with one text in it.

    Without this, a text given by mistake would be read as a list of characters.
    """
    return [texts] if isinstance(texts, str) else texts


def _parts(template) -> tuple[tuple[str, int], ...]:
    return tuple(
        (part, int(part == "$B")) if isinstance(part, str) else (part[0], part[1])
        for part in template
    )
