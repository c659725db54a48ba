"""What is reported about a model, with intervals, and what it has to beat."""

from llmkit.metrics.answers import exact_match, normalize_answer, token_f1
from llmkit.metrics.baselines import NGram
from llmkit.metrics.bleu import bleu, sentence_bleu
from llmkit.metrics.calibration import brier, calibration_error, reliability
from llmkit.metrics.chrf import chrf, sentence_chrf
from llmkit.metrics.classes import (
    class_scores,
    confusion_matrix,
    f1,
    precision,
    recall,
)
from llmkit.metrics.entities import entities, entity_scores
from llmkit.metrics.intervals import Interval, bootstrap_interval, wilson_interval
from llmkit.metrics.neighbours import NeighbourCounts
from llmkit.metrics.paired import PairedTest, paired_test
from llmkit.metrics.report import compare, score
from llmkit.metrics.rouge import longest_common, rouge
from llmkit.metrics.scores import (
    accuracy,
    bits_per_byte,
    bootstrap_mean,
    perplexity,
)
from llmkit.metrics.thresholds import decisions

__all__ = [
    "Interval",
    "NGram",
    "NeighbourCounts",
    "PairedTest",
    "accuracy",
    "bits_per_byte",
    "bleu",
    "bootstrap_interval",
    "bootstrap_mean",
    "brier",
    "calibration_error",
    "chrf",
    "class_scores",
    "compare",
    "confusion_matrix",
    "decisions",
    "entities",
    "entity_scores",
    "exact_match",
    "f1",
    "longest_common",
    "normalize_answer",
    "paired_test",
    "perplexity",
    "precision",
    "recall",
    "reliability",
    "rouge",
    "score",
    "sentence_bleu",
    "sentence_chrf",
    "token_f1",
    "wilson_interval",
]
