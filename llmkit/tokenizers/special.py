"""Special tokens: what they are called, and how they are found in a text.

Home notebook: 01_tokenization.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The names under which the special roles go, first match wins.
ROLES = {
    "pad": ("[PAD]", "<pad>", "<|pad|>"),
    "unk": ("[UNK]", "<unk>", "<|unk|>"),
    "bos": ("<s>", "<bos>", "<|bos|>", "<|begin_of_text|>", "<|endoftext|>"),
    "eos": ("</s>", "<eos>", "<|eos|>", "<|end_of_text|>", "<|endoftext|>"),
    "cls": ("[CLS]", "<cls>"),
    "sep": ("[SEP]", "<sep>"),
    "mask": ("[MASK]", "<mask>"),
}


@dataclass(frozen=True, kw_only=True)
class SpecialToken:
    """A token that is matched as a whole, before anything else looks at the text."""

    text: str
    id: int
    special: bool = True  # False: an added word that `decode` never skips
    lstrip: bool = False  # it also takes the whitespace on its left
    rstrip: bool = False  # … and on its right
    single_word: bool = False  # it is matched only between non-word characters


def name_special(tokens, vocab: dict[str, int]) -> tuple[SpecialToken, ...]:
    """Turn texts into special tokens; those without an id get the next ones.

    Args:
        tokens: texts, or `SpecialToken`s.
        vocab: each token's id; new ones are added to it.

    Returns:
        One `SpecialToken` for each.

    Raises:
        ValueError: a text is empty, or takes the whitespace beside it and is nothing
            else.
    """
    found = []
    for token in tokens:
        if isinstance(token, str):
            vocab.setdefault(token, max(vocab.values(), default=-1) + 1)
            token = SpecialToken(text=token, id=vocab[token])
        vocab.setdefault(token.text, token.id)
        bare = not token.text.strip()  # runs of spaces are tokens of GPT-NeoX
        if not token.text or (bare and (token.lstrip or token.rstrip)):
            raise ValueError(
                "a special token must have a text, and more than whitespace if it "
                f"takes the whitespace beside it; got {token.text!r}"
            )
        found.append(token)
    return tuple(found)


def special_pattern(tokens: tuple[SpecialToken, ...]) -> re.Pattern | None:
    """Match any special token; where several begin at one place, the longest.

    Args:
        tokens: the special tokens.

    Returns:
        The pattern, or None where there are none.
    """
    if not tokens:
        return None
    forms = []
    for token in sorted(tokens, key=lambda t: -len(t.text)):
        form = re.escape(token.text)
        if token.single_word:
            form = rf"(?<!\w){form}(?!\w)"
        forms.append(
            (r"\s*" if token.lstrip else "") + form + (r"\s*" if token.rstrip else "")
        )
    return re.compile("|".join(forms))
