"""What is reported about a model, with intervals, and what it has to beat."""

from llmkit.metrics.baselines import NGram
from llmkit.metrics.intervals import Interval, bootstrap_interval, wilson_interval
from llmkit.metrics.paired import PairedTest, paired_test
from llmkit.metrics.scores import (
    accuracy,
    bits_per_byte,
    bootstrap_mean,
    perplexity,
)

__all__ = [
    "Interval",
    "NGram",
    "PairedTest",
    "accuracy",
    "bits_per_byte",
    "bootstrap_interval",
    "bootstrap_mean",
    "paired_test",
    "perplexity",
    "wilson_interval",
]
