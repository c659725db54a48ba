"""Text to ids and back: characters, byte-level BPE and WordPiece, without torch."""

from llmkit.tokenizers.base import Encoding, Tokenizer
from llmkit.tokenizers.borrowed import as_tokenizer
from llmkit.tokenizers.bpe import ByteBPETokenizer
from llmkit.tokenizers.characters import CharTokenizer
from llmkit.tokenizers.merging import Merge
from llmkit.tokenizers.reading import parse as parse_tokenizer
from llmkit.tokenizers.reading import read as load_tokenizer
from llmkit.tokenizers.special import SpecialToken
from llmkit.tokenizers.wordpiece import WordPieceTokenizer

__all__ = [
    "ByteBPETokenizer",
    "CharTokenizer",
    "Encoding",
    "Merge",
    "SpecialToken",
    "Tokenizer",
    "WordPieceTokenizer",
    "as_tokenizer",
    "load_tokenizer",
    "parse_tokenizer",
]
