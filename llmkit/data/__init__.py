"""Texts: what Python itself brings, what the kit ships, and the Hub by name."""

from llmkit.data.corpus import load_corpus
from llmkit.data.documents import Document
from llmkit.data.packing import Packing, Window, padding_share
from llmkit.data.pairs import Pair, sentence_pairs, split_sentences
from llmkit.data.pydocs import load_pydocs
from llmkit.data.sentences import Language, load_languages, load_sentences
from llmkit.data.shipped import datasheet, load_shipped, shipped_names
from llmkit.data.streaming import Stream
from llmkit.data.tasks import load_task
from llmkit.data.topics import TOPICS, load_topics

__all__ = [
    "TOPICS",
    "Document",
    "Language",
    "Packing",
    "Pair",
    "Stream",
    "Window",
    "datasheet",
    "load_corpus",
    "load_languages",
    "load_pydocs",
    "load_sentences",
    "load_shipped",
    "load_task",
    "load_topics",
    "padding_share",
    "sentence_pairs",
    "shipped_names",
    "split_sentences",
]
