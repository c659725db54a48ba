"""What is reported about a model, with intervals."""

from llmkit.metrics.scores import (
    Estimate,
    accuracy,
    bits_per_byte,
    bootstrap_mean,
    perplexity,
)

__all__ = [
    "Estimate",
    "accuracy",
    "bits_per_byte",
    "bootstrap_mean",
    "perplexity",
]
