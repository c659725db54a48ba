"""Whole models, composed from the parts of `llmkit.nn`."""

from llmkit.models.bert import BERT, BERTConfig
from llmkit.models.gpt import GPT, GPTConfig
from llmkit.models.llama import Llama, LlamaConfig
from llmkit.models.modern import Modern, ModernConfig
from llmkit.models.modern_ngrams import ModernNGrams, ModernNGramsConfig
from llmkit.models.output import ModelOutput
from llmkit.models.seq2seq import Seq2Seq, Seq2SeqConfig

# what reads from left to right and foresees the next token
DECODERS = (GPT, Llama, Modern)

__all__ = [
    "BERT",
    "DECODERS",
    "GPT",
    "BERTConfig",
    "GPTConfig",
    "Llama",
    "LlamaConfig",
    "ModelOutput",
    "Modern",
    "ModernConfig",
    "ModernNGrams",
    "ModernNGramsConfig",
    "Seq2Seq",
    "Seq2SeqConfig",
]
