"""A tokenizer of `transformers` behind the kit's own interface.

For kinds that the kit does not write out itself (SentencePiece, Unigram, Llama 2's
byte fallback): they can be used everywhere, only not opened up and trained.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from llmkit.checks import check_type
from llmkit.tokenizers.base import Encoding, Tokenizer
from llmkit.tokenizers.special import ROLES


class BorrowedTokenizer(Tokenizer):
    """Passes each call on to a tokenizer of `transformers`.

    Args:
        source: what `transformers.AutoTokenizer.from_pretrained` returns.
    """

    def __init__(self, source):
        if not hasattr(source, "get_vocab") or not hasattr(
            source, "convert_ids_to_tokens"
        ):
            raise TypeError(
                "source must be a tokenizer of transformers; got "
                f"{type(source).__name__}"
            )
        self.source = source
        roles = {role: getattr(source, f"{role}_token", None) for role in ROLES}
        vocab = source.get_vocab()
        known = {role: t for role, t in roles.items() if t in vocab}
        super().__init__(vocab, roles=known)
        # roles that the source does not have are not guessed from names
        self.roles = known
        backend = getattr(source, "backend_tokenizer", None)
        self.byte_level = "ByteLevel" in str(getattr(backend, "decoder", ""))
        self.added = set(getattr(source, "get_added_vocab", dict)())

    def encode(self, text: str, allow_special: bool = True) -> list[int]:
        """Turn a text into ids, with nothing put around it; see `Tokenizer.encode`."""
        kept = {} if allow_special else {"split_special_tokens": True}
        return self.source(text, add_special_tokens=False, **kept)["input_ids"]

    def decode(self, ids: Iterable[int], skip_special: bool = False) -> str:
        """Turn ids back into text; see `Tokenizer.decode`."""
        return self.source.decode(
            [int(i) for i in ids],
            skip_special_tokens=skip_special,
            clean_up_tokenization_spaces=False,
        )

    def __call__(
        self, text: str, pair: str | None = None, add_special_tokens: bool = True
    ) -> Encoding:
        """Turn a text, or two, into an `Encoding`; see `Tokenizer.__call__`.

        Where the source counts no offsets, all of them are (0, 0).
        """
        fast = bool(getattr(self.source, "is_fast", False))
        found = self.source(
            text,
            pair,
            add_special_tokens=add_special_tokens,
            return_offsets_mapping=fast,
            return_token_type_ids=True,
            return_special_tokens_mask=True,
        )
        ids = list(found["input_ids"])
        special = list(found["special_tokens_mask"])
        return Encoding(
            ids=ids,
            tokens=self.source.convert_ids_to_tokens(ids),
            offsets=[tuple(o) for o in found["offset_mapping"]]
            if fast
            else [(0, 0)] * len(ids),
            type_ids=list(found.get("token_type_ids") or [0] * len(ids)),
            special_tokens_mask=special,
            word_ids=found.word_ids() if fast else [None] * len(ids),
            sequence_ids=found.sequence_ids()
            if fast
            else [None if s else 0 for s in special],
        )

    def save(self, path: str | Path) -> Path:
        """Write the source's own files into a folder."""
        Path(path).mkdir(parents=True, exist_ok=True)
        self.source.save_pretrained(path)
        return Path(path) / "tokenizer.json"


def as_tokenizer(tokenizer) -> Tokenizer:
    """Take a tokenizer of the kit as it is, and borrow one of `transformers`.

    Args:
        tokenizer: either, or a class of the reader's own that is called with a text
            and has `decode`.

    Returns:
        Something with the kit's interface.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(tokenizer, Tokenizer):
        return tokenizer
    if hasattr(tokenizer, "convert_ids_to_tokens"):
        return BorrowedTokenizer(tokenizer)
    if not (callable(tokenizer) and hasattr(tokenizer, "decode")):
        check_type(
            "tokenizer", tokenizer, Tokenizer, "One of transformers is fine too."
        )
    return tokenizer
