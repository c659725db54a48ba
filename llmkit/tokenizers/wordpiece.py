"""WordPiece: the tokenizer of BERT. The longest piece that fits, from the left.

Schuster & Nakajima 2012; Devlin et al. 2019, section 4. A piece that continues a word
begins with "##". Home notebook: 01_tokenization.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from llmkit.checks import check_type
from llmkit.tokenizers.base import Tokenizer, as_texts
from llmkit.tokenizers.merging import Merge, learn_merges
from llmkit.tokenizers.normalizing import normalize, split_words

BERT_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class WordPieceTokenizer(Tokenizer):
    """WordPiece behind BERT's normaliser.

    Args:
        vocab: each token's id; it must hold the unknown token.
        special_tokens: texts or `SpecialToken`s that are matched whole; by default
            those of BERT that are in `vocab`.
        lowercase: whether to write all letters small.
        strip_accents: whether to drop accents; None does what `lowercase` does.
        clean_text: whether to drop control characters.
        handle_chinese_chars: whether each CJK character is a word.
        unk_token: what a word becomes that cannot be put together.
        prefix: what marks a piece inside a word.
        max_chars_per_word: a longer word becomes `unk_token` at once.
        cleanup: whether `decode` takes out the space before punctuation.
        **extra: `roles`, `template`, `pair_template` as in `Tokenizer`; by default
            `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`.
    """

    def __init__(
        self,
        vocab: dict[str, int],
        special_tokens=None,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        clean_text: bool = True,
        handle_chinese_chars: bool = True,
        unk_token: str = "[UNK]",
        prefix: str = "##",
        max_chars_per_word: int = 100,
        cleanup: bool = True,
        **extra,
    ):
        if special_tokens is None:
            special_tokens = [t for t in BERT_SPECIALS if t in vocab]
        if unk_token not in vocab:
            raise ValueError(f"vocab must hold the unknown token {unk_token!r}")
        if "template" not in extra and "[CLS]" in vocab and "[SEP]" in vocab:
            extra["template"] = ("[CLS]", "$A", "[SEP]")
            extra["pair_template"] = ("[CLS]", "$A", "[SEP]", "$B", ("[SEP]", 1))
        extra["roles"] = {"unk": unk_token, **(extra.get("roles") or {})}
        super().__init__(vocab, special_tokens, **extra)
        self.options = {
            "lowercase": lowercase,
            "strip_accents": strip_accents,
            "clean_text": clean_text,
            "handle_chinese_chars": handle_chinese_chars,
        }
        self.unk_token = unk_token
        self.prefix = prefix
        self.max_chars_per_word = max_chars_per_word
        self.cleanup = cleanup
        self._longest = max(map(len, self.vocab), default=0)
        self._cache: dict[str, tuple[tuple[int, int, int], ...]] = {}

    @classmethod
    def of_words(
        cls,
        words: Iterable[str],
        special_tokens: Iterable[str] = BERT_SPECIALS,
        **options,
    ) -> WordPieceTokenizer:
        """Make a tokenizer for a small world in which every word is known.

        Args:
            words: all words and marks, each once; each becomes one token, and every
                other word the unknown token.
            special_tokens: they get the first ids; the unknown token is among them.
            **options: `lowercase`, `template`, … as in the constructor.

        Returns:
            The tokenizer.

        Raises:
            ValueError: a word would be changed or cut before it is looked up.
        """
        special_tokens = tuple(special_tokens)
        vocab = {token: i for i, token in enumerate(special_tokens)}
        for word in words:
            vocab.setdefault(word, len(vocab))
        made = cls(vocab, special_tokens=special_tokens, **options)
        for word in list(vocab)[len(special_tokens) :]:
            if made.words(word) != [word]:
                raise ValueError(
                    "words must be whole words as the normaliser leaves them; got "
                    f"{word!r}, which becomes {made.words(word)}. lowercase=False "
                    "keeps capitals"
                )
        return made

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int = 1000,
        special_tokens: Iterable[str] = BERT_SPECIALS,
        min_frequency: int = 1,
        **options,
    ) -> WordPieceTokenizer:
        """Learn a vocabulary from texts, by joining the most frequent pair.

        Google never published its trainer, which weighed a pair by its parts. This is
        what Hugging Face's does: BPE on characters marked with "##".

        Args:
            texts: one text or many.
            vocab_size: how many tokens to have, special tokens and characters included.
            special_tokens: they get the first ids; the unknown token is among them.
            min_frequency: how often a pair must occur to be joined.
            **options: `lowercase`, `strip_accents`, … as in the constructor.

        Returns:
            The tokenizer.
        """
        vocab: dict[str, int] = {}
        for _ in cls.steps(
            texts, vocab_size, special_tokens, min_frequency, vocab=vocab, **options
        ):
            pass
        return cls(vocab, special_tokens=tuple(special_tokens), **options)

    @classmethod
    def steps(
        cls,
        texts: str | Iterable[str],
        vocab_size: int = 1000,
        special_tokens: Iterable[str] = BERT_SPECIALS,
        min_frequency: int = 1,
        vocab: dict[str, int] | None = None,
        **options,
    ) -> Iterator[Merge]:
        """Yield each merge of a training as it is found; arguments as in `train`.

        `vocab`, if given, is an empty dictionary that fills with the tokens' ids.
        """
        prefix = options.get("prefix", "##")
        empty = cls({"[UNK]": 0}, (), **{**options, "unk_token": "[UNK]"})
        counts = Counter(word for text in as_texts(texts) for word in empty.words(text))
        words = {
            (word[0], *(prefix + c for c in word[1:])): counts[word]
            for word in sorted(counts)
        }
        vocab = {} if vocab is None else vocab
        # plain characters first, then those inside a word, each in alphabetical order
        first = sorted({c for word in counts for c in word})
        inside = sorted({t for word in words for t in word[1:]})
        for token in (*special_tokens, *first, *inside):
            vocab.setdefault(token, len(vocab))
        if vocab_size < len(vocab):
            raise ValueError(
                f"vocab_size must be at least {len(vocab)}, the special tokens and "
                f"characters of these texts; got {vocab_size}"
            )
        return learn_merges(words, vocab, vocab_size, min_frequency, prefix)

    def words(self, text: str) -> list[str]:
        """Return the normalised words of a text."""
        clean, _ = normalize(text, **self.options)
        return [clean[start:end] for start, end in split_words(clean)]

    def encode(self, text: str, allow_special: bool = True) -> list[int]:
        """Turn a text into ids, without `[CLS]` and `[SEP]`; call for those.

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
                continue
            for word in self.words(piece):
                ids.extend(i for i, _, _ in self._pieces(word))
        return ids

    def decode(self, ids: Iterable[int], skip_special: bool = False) -> str:
        """Turn ids back into text; what the normaliser took away stays away.

        Args:
            ids: token ids.
            skip_special: whether to leave the special tokens out.

        Returns:
            The text.
        """
        text = ""
        for token_id in self._kept(ids, skip_special):
            token = self.id_to_token(token_id)
            if text and token.startswith(self.prefix):
                token = token[len(self.prefix) :]
            elif text:
                token = " " + token
            text += _tidy(token) if self.cleanup else token
        return text

    def _spans(self, text: str, at: int) -> Iterator[tuple[int, tuple[int, int], int]]:
        clean, sources = normalize(text, **self.options)
        for number, (start, end) in enumerate(split_words(clean)):
            for token_id, first, last in self._pieces(clean[start:end]):
                begin, stop = sources[start + first], sources[start + last - 1] + 1
                yield token_id, (at + begin, at + stop), number

    def _pieces(self, word: str) -> tuple[tuple[int, int, int], ...]:
        """Return id, start and end of each piece of a word."""
        pieces = self._cache.get(word)
        if pieces is None:
            pieces = self._longest_match(word)
            if len(self._cache) > 100_000:
                self._cache.clear()
            self._cache[word] = pieces
        return pieces

    def _longest_match(self, word: str) -> tuple[tuple[int, int, int], ...]:
        unknown = ((self.vocab[self.unk_token], 0, len(word)),)
        if len(word) > self.max_chars_per_word:
            return unknown
        pieces = []
        start = 0
        while start < len(word):
            mark = self.prefix if start else ""
            for end in range(min(len(word), start + self._longest), start, -1):
                token_id = self.vocab.get(mark + word[start:end])
                if token_id is not None:
                    pieces.append((token_id, start, end))
                    start = end
                    break
            else:
                return unknown  # one part that fits nowhere makes the word unknown
        return tuple(pieces)


def _tidy(token: str) -> str:
    """Take out the spaces that English does not write before a mark."""
    for old, new in (
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" do not", " don't"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ):
        token = token.replace(old, new)
    return token
