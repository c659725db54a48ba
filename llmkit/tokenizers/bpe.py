"""Byte-level byte-pair encoding: the tokenizer of GPT-2, Llama 3, Qwen and RoBERTa.

Sennrich, Haddow & Birch 2016; on bytes since Radford et al. 2019, section 2.2. It
starts from the 256 bytes, so no text is unknown, and learns which neighbours to join.
Home notebook: 01_tokenization.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise

from llmkit.checks import check_type
from llmkit.tokenizers.applying import NEVER, WordCache, merge_ids
from llmkit.tokenizers.base import Tokenizer, as_texts
from llmkit.tokenizers.merging import Merge, learn_merges
from llmkit.tokenizers.normalizing import Prepared, prepare
from llmkit.tokenizers.splitting import (
    GPT2_PATTERN,
    byte_characters,
    find_words,
    from_bytes,
    to_bytes,
    token_to_bytes,
    word_spans,
)


class ByteBPETokenizer(Tokenizer):
    """Byte-level BPE.

    `decode(encode(text)) == text` for any Python string, lone surrogates included.

    Args:
        vocab: each token's id; a token is written with `byte_characters`.
        merges: pairs of tokens, in the order in which they were learned.
        special_tokens: texts or `SpecialToken`s that are matched whole.
        pattern: the regular expression that finds the words.
        add_prefix_space: whether a text that begins without a space gets one.
        trim_offsets: whether offsets leave out the spaces of a token.
        keep_first_space: whether, all the same, a first token keeps its only space;
            None does what `add_prefix_space` does.
        compose: whether letters and accents are first joined (NFC), as Qwen does.
        ignore_merges: whether a word that is a token stays one, whatever the merges
            say (Llama 3).
        **extra: `roles`, `template`, `pair_template` as in `Tokenizer`.
    """

    def __init__(
        self,
        vocab: dict[str, int],
        merges: Iterable[tuple[str, str]],
        special_tokens=(),
        pattern: str = GPT2_PATTERN,
        add_prefix_space: bool = False,
        trim_offsets: bool = False,
        keep_first_space: bool | None = None,
        compose: bool = False,
        ignore_merges: bool = False,
        **extra,
    ):
        super().__init__(vocab, special_tokens, **extra)
        self.merges = [tuple(pair) for pair in merges]
        self.pattern = pattern
        self.add_prefix_space = add_prefix_space
        self.trim_offsets = trim_offsets
        self.keep_first_space = (
            add_prefix_space if keep_first_space is None else keep_first_space
        )
        self.compose = compose
        self.ignore_merges = ignore_merges
        self._ranks: dict[tuple[int, int], int] = {}
        self._merged: list[int] = []
        for rank, (left, right) in enumerate(self.merges):
            try:
                ids = self.vocab[left], self.vocab[right], self.vocab[left + right]
            except KeyError as error:
                raise ValueError(
                    f"merge {rank} joins {left!r} and {right!r}, but "
                    f"{error.args[0]!r} is not in vocab"
                ) from None
            self._ranks[ids[:2]] = rank
            self._merged.append(ids[2])
        self._byte_ids = [self.vocab.get(c) for c in byte_characters()]
        self._bytes = {i: token_to_bytes(t) for t, i in self.vocab.items()}
        for special in self.special_tokens:
            self._bytes[special.id] = to_bytes(special.text)
        self._cache = WordCache(self._encode_word)

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int = 1000,
        special_tokens: Iterable[str] = (),
        min_frequency: int = 1,
        pattern: str = GPT2_PATTERN,
    ) -> ByteBPETokenizer:
        """Learn a vocabulary from texts.

        Args:
            texts: one text or many. No word reaches from one into the next.
            vocab_size: how many tokens to have, special tokens and bytes included.
            special_tokens: they get the first ids. Where their names stand in the
                texts they are counted as ordinary text.
            min_frequency: how often a pair must occur to be joined.
            pattern: the regular expression that finds the words.

        Returns:
            The tokenizer. It has fewer tokens than asked for when the texts run out of
            pairs.
        """
        specials = tuple(special_tokens)
        vocab: dict[str, int] = {}
        steps = cls._learn(texts, vocab, vocab_size, specials, min_frequency, pattern)
        # A pair learned twice counts where it came last, as in Hugging Face.
        latest = {(m.left, m.right): m.rank for m in steps}
        merges = sorted(latest, key=latest.__getitem__)
        return cls(vocab, merges, special_tokens=specials, pattern=pattern)

    @classmethod
    def steps(
        cls,
        texts: str | Iterable[str],
        vocab_size: int = 1000,
        special_tokens: Iterable[str] = (),
        min_frequency: int = 1,
        pattern: str = GPT2_PATTERN,
    ) -> Iterator[Merge]:
        """Yield each merge of a training as it is found; arguments as in `train`."""
        return cls._learn(
            texts, {}, vocab_size, tuple(special_tokens), min_frequency, pattern
        )

    def encode(self, text: str, allow_special: bool = True) -> list[int]:
        """Turn a text into ids.

        Args:
            text: any text.
            allow_special: whether a special token's name in the text stands for the
                token. Use False for text that you do not trust.

        Returns:
            The ids.
        """
        check_type("text", text, str)
        ids: list[int] = []
        for _, piece, special in self._split_special(text, allow_special):
            if special is not None:
                ids.append(special.id)
            else:
                words = find_words(self._prepare(piece).text, self.pattern)
                ids.extend(chain.from_iterable(map(self._cache.__getitem__, words)))
        return ids

    def encode_iterable(self, chunks: Iterable[str]) -> Iterator[int]:
        """Yield the ids of a long text that arrives in pieces, in constant memory.

        The ids are those of `encode("".join(chunks))`, wherever the text was cut.
        Memory holds one piece and the longest word.

        Args:
            chunks: pieces of text, such as the lines of an open file.

        Yields:
            One id after another.
        """
        rest, begun = "", False
        for chunk in chain(chunks, (None,)):
            rest += chunk or ""
            done = 0
            settled = self._settled(rest, begun, final=chunk is None)
            for end, ids, inside in settled:
                yield from ids
                done, begun = end, inside
            rest = rest[done:]

    def decode(self, ids: Iterable[int], skip_special: bool = False) -> str:
        """Turn ids back into text.

        Bytes that do not make up a character become U+FFFD, the replacement character.

        Args:
            ids: token ids.
            skip_special: whether to leave the special tokens out.

        Returns:
            The text.
        """
        return from_bytes(
            b"".join(map(self.token_bytes, self._kept(ids, skip_special)))
        )

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for.

        Args:
            token_id: 0 to vocab_size - 1.
        """
        try:
            return self._bytes[int(token_id)]
        except KeyError:
            self.id_to_token(token_id)  # says what is wrong with it
            raise

    def replay(self, text: str) -> Iterator[tuple[int | None, list[bytes]]]:
        """Cut a text into bytes and join them again, one merge at a time.

        Args:
            text: any text; special tokens are not looked for.

        Yields:
            The rank of the merge that was just applied (None at first) and the tokens
            so far, as bytes. A merge is applied in all words at once.
        """
        words = find_words(self._prepare(text).text, self.pattern)
        parts = [[self._byte_ids[b] for b in to_bytes(word)] for word in words]
        yield None, [self._bytes[i] for part in parts for i in part]
        while True:
            best = min((self._best(part) for part in parts), default=NEVER)
            if best == NEVER:
                return
            for part in parts:
                while self._best(part) == best:
                    self._join(part, best)
            yield best, [self._bytes[i] for part in parts for i in part]

    @staticmethod
    def _learn(texts, vocab, vocab_size, special_tokens, min_frequency, pattern):
        least = len(set(special_tokens)) + 256
        if not isinstance(vocab_size, int) or vocab_size < least:
            raise ValueError(
                f"vocab_size must be a whole number of at least {least} (256 bytes and "
                f"{least - 256} special tokens); got {vocab_size!r}"
            )
        alphabet = byte_characters()
        for token in (*special_tokens, *sorted(alphabet)):
            vocab.setdefault(token, len(vocab))
        found = (find_words(text, pattern) for text in as_texts(texts))
        counts = Counter(chain.from_iterable(found))
        words = {
            tuple(alphabet[b] for b in to_bytes(word)): n for word, n in counts.items()
        }
        return learn_merges(words, vocab, vocab_size, min_frequency)

    def _spans(self, text: str, at: int) -> Iterator[tuple[int, tuple[int, int], int]]:
        shown = self._prepare(text)
        for number, (begin, end) in enumerate(word_spans(shown.text, self.pattern)):
            word = shown.text[begin:end]
            # the character that each byte of the word belongs to
            owner = None if word.isascii() else _owners(word)
            first = 0
            for token_id in self._cache[word]:
                last = first + len(self._bytes[token_id])
                span = (
                    (first, last)
                    if owner is None
                    else (owner[first], owner[last - 1] + 1)
                )
                first = last
                start, stop = shown.place(begin + span[0], begin + span[1])
                span = (at + start, at + stop)
                if self.trim_offsets:
                    span = self._trimmed(self._tokens[token_id], *span)
                yield token_id, span, number

    def _trimmed(self, token: str, start: int, end: int) -> tuple[int, int]:
        """Leave the spaces at a token's edges out of its offsets."""
        left = len(token) - len(token.lstrip("\u0120"))
        right = len(token) - len(token.rstrip("\u0120"))
        if start == 0 and left == 1 and self.keep_first_space:
            left = 0
        start = min(start + left, end)
        return start, max(end - right, start)

    def _settled(self, text: str, begun: bool, final: bool):
        """Yield what no later text can change: its end, its ids, if a word has begun.

        More text can lengthen the last word, turn three words into a contraction, or
        complete the name of a special token; of two spaces in front of such a name,
        the first would not have stood alone.
        """
        longest = max((len(s.text) for s in self.special_tokens), default=0)
        limit = len(text) if final else len(text) - longest - 1
        for start, piece, special in self._split_special(text):
            end = start + len(piece)
            if special is not None:
                if end > limit:
                    return
                yield end, (special.id,), False
                begun = False
                continue
            shown = self._prepare(piece, begun)
            spans = list(word_spans(shown.text, self.pattern))
            if end == len(text) and not final:
                spans = spans[:-4]
            ids: list[int] = []
            for first, last in spans:
                ids.extend(self._cache[shown.text[first:last]])
                stop = shown.used(last)
                if stop is None:
                    continue  # this place lies inside a letter with its accents
                if start + stop > limit:
                    return
                yield start + stop, ids, True
                ids = []

    def _prepare(self, text: str, begun: bool = False) -> Prepared:
        """Return the text as the merges see it.

        `begun` says that the text continues one that had its space in front.
        """
        return prepare(text, self.compose, self.add_prefix_space and not begun)

    def _encode_word(self, word: str) -> tuple[int, ...]:
        """Cut one word into bytes and apply the merges, lowest rank first."""
        if self.ignore_merges:
            token = "".join(byte_characters()[b] for b in to_bytes(word))
            if token in self.vocab:
                return (self.vocab[token],)
        ids = [self._byte_ids[b] for b in to_bytes(word)]
        if None in ids:
            byte = to_bytes(word)[ids.index(None)]
            raise ValueError(
                f"text holds the byte {byte:#04x}, in {word!r}, which vocab lacks; "
                "a byte-level vocabulary needs all 256 bytes"
            )
        return tuple(merge_ids(ids, self._ranks, self._merged))

    def _best(self, ids: list[int]) -> int:
        ranks = map(self._ranks.get, pairwise(ids))
        return min((r for r in ranks if r is not None), default=NEVER)

    def _join(self, ids: list[int], rank: int) -> None:
        pairs = pairwise(ids)
        at = next(n for n, pair in enumerate(pairs) if self._ranks.get(pair) == rank)
        ids[at : at + 2] = [self._merged[rank]]


def _owners(word: str) -> list[int]:
    """Return, for each byte of a word, the index of its character."""
    return [n for n, character in enumerate(word) for _ in to_bytes(character)]
