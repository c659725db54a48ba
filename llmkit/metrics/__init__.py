"""What is reported about a model, with intervals, and what it has to beat."""

from llmkit.metrics.baselines import NGram
from llmkit.metrics.scores import (
    Estimate,
    accuracy,
    bits_per_byte,
    bootstrap_mean,
    perplexity,
)

__all__ = [
    "Estimate",
    "NGram",
    "accuracy",
    "bits_per_byte",
    "bootstrap_mean",
    "perplexity",
]
