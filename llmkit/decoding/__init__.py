"""Choosing tokens: filters on a distribution, and loops that draw from it."""

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

__all__ = [
    "Sampling",
    "min_p",
    "next_token_probabilities",
    "no_repeat_ngram",
    "repetition_penalty",
    "temperature",
    "top_k",
    "top_p",
    "typical",
]
