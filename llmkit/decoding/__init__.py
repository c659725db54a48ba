"""Choosing tokens: filters on a distribution, and loops that draw from it."""

from llmkit.decoding.beam import BeamSearch, Hypothesis, beam_search
from llmkit.decoding.filters import (
    Sampling,
    min_p,
    next_token_probabilities,
    no_repeat_ngram,
    repetition_penalty,
    temperature,
    top_k,
    top_p,
    typical,
)
from llmkit.decoding.generate import choose, generate, left_pad, stream

__all__ = [
    "BeamSearch",
    "Hypothesis",
    "Sampling",
    "beam_search",
    "choose",
    "generate",
    "left_pad",
    "min_p",
    "next_token_probabilities",
    "no_repeat_ngram",
    "repetition_penalty",
    "stream",
    "temperature",
    "top_k",
    "top_p",
    "typical",
]
