"""One token for each character: the simplest tokenizer there is.

Home notebook: 01_tokenization.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmkit.checks import check_type
from llmkit.tokenizers.base import Tokenizer, as_texts


class CharTokenizer(Tokenizer):
    """A vocabulary of characters.

    Args:
        vocab: each character's id.
        special_tokens: texts or `SpecialToken`s that are matched whole.
        **extra: `roles`, `template`, `pair_template` as in `Tokenizer`. With an
            unknown token among the roles, new characters become that token; without
            one they are an error.
    """

    def __init__(self, vocab: dict[str, int], special_tokens=(), **extra):
        super().__init__(vocab, special_tokens, **extra)
        known = {s.text for s in self.special_tokens} | set(self.roles.values())
        for token in self.vocab:
            if len(token) != 1 and token not in known:
                raise ValueError(
                    "vocab of a CharTokenizer must hold single characters and special "
                    f"tokens; got {token!r}"
                )

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int | None = None,
        special_tokens: Iterable[str] = (),
    ) -> CharTokenizer:
        """Collect the characters of some texts, in the order of their code points.

        Args:
            texts: one text or many.
            vocab_size: how many tokens to keep at most; the most frequent characters
                stay. None keeps all.
            special_tokens: they get the first ids.

        Returns:
            The tokenizer.
        """
        counts: dict[str, int] = {}
        for text in as_texts(texts):
            for character in text:
                counts[character] = counts.get(character, 0) + 1
        specials = tuple(dict.fromkeys(special_tokens))
        kept = sorted(counts, key=lambda c: (-counts[c], c))
        if vocab_size is not None:
            if vocab_size <= len(specials):
                raise ValueError(
                    f"vocab_size must be above the number of special tokens, "
                    f"{len(specials)}; got {vocab_size}"
                )
            kept = kept[: vocab_size - len(specials)]
        names = dict.fromkeys((*specials, *sorted(kept)))
        return cls({t: i for i, t in enumerate(names)}, special_tokens=specials)

    def encode(self, text: str, allow_special: bool = True) -> list[int]:
        """Turn a text into ids, one for each character.

        Args:
            text: any text.
            allow_special: whether a special token's name in the text stands for the
                token.

        Returns:
            The ids.

        Raises:
            ValueError: a character is not in the vocabulary and there is no unknown
                token.
        """
        check_type("text", text, str)
        ids: list[int] = []
        for start, piece, special in self._split_special(text, allow_special):
            if special is not None:
                ids.append(special.id)
            else:
                ids.extend(self._id(c, start + n) for n, c in enumerate(piece))
        return ids

    def decode(self, ids: Iterable[int], skip_special: bool = False) -> str:
        """Turn ids back into text.

        Args:
            ids: token ids.
            skip_special: whether to leave the special tokens out.

        Returns:
            The text.
        """
        return "".join(map(self.id_to_token, self._kept(ids, skip_special)))

    def _spans(self, text: str, at: int) -> Iterator[tuple[int, tuple[int, int], int]]:
        for n, character in enumerate(text, start=at):
            yield self._id(character, n), (n, n + 1), 0

    def _id(self, character: str, place: int) -> int:
        token_id = self.vocab.get(character, self.unk_id)
        if token_id is None:
            raise ValueError(
                f"text holds {character!r} at {place}, which is not in vocab; train "
                'with special_tokens=("<unk>",) to allow unknown characters'
            )
        return token_id
