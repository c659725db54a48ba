"""Choosing tokens: filters on a distribution, and loops that draw from it."""

from llmkit.decoding.beam import BeamSearch, Hypothesis, beam_search
from llmkit.decoding.filters import (
    Sampling,
    min_p,
    next_token_probabilities,
    temperature,
    top_k,
    top_p,
    typical,
)
from llmkit.decoding.generate import choose, generate, left_pad, stream
from llmkit.decoding.history import bad_words, no_repeat_ngram, repetition_penalty
from llmkit.decoding.int8 import dequantize_rows, n_bytes, quantize_rows, to_int8
from llmkit.decoding.speculative import (
    Round,
    Speculation,
    accept_or_resample,
    speculative,
)
from llmkit.decoding.swift import swift

__all__ = [
    "BeamSearch",
    "Hypothesis",
    "Round",
    "Sampling",
    "Speculation",
    "accept_or_resample",
    "bad_words",
    "beam_search",
    "choose",
    "dequantize_rows",
    "generate",
    "left_pad",
    "min_p",
    "n_bytes",
    "next_token_probabilities",
    "no_repeat_ngram",
    "quantize_rows",
    "repetition_penalty",
    "speculative",
    "stream",
    "swift",
    "temperature",
    "to_int8",
    "top_k",
    "top_p",
    "typical",
]
