"""What a model is used for: a head on top, fine-tuned on a few labelled texts."""

from llmkit.tasks.augment import augmented, drop_words, swap_words
from llmkit.tasks.beside_trainer import train_with_trainer
from llmkit.tasks.classifier import Classifier
from llmkit.tasks.curves import (
    CurvePoint,
    CurveRun,
    accuracy_by,
    curve_points,
    learning_curve,
    seeds_interval,
)
from llmkit.tasks.examples import (
    Example,
    encode_examples,
    pad_batch,
    shuffled_batches,
    take_balanced,
)
from llmkit.tasks.fine_tune import FineTuning, fine_tune, predict, text_vectors
from llmkit.tasks.freezing import freeze, layer_rates
from llmkit.tasks.objective import class_weights, classification_loss
from llmkit.tasks.pooling import first_pool, last_pool, max_pool, mean_pool
from llmkit.tasks.study import Measured, Study

__all__ = [
    "Classifier",
    "CurvePoint",
    "CurveRun",
    "Example",
    "FineTuning",
    "Measured",
    "Study",
    "accuracy_by",
    "augmented",
    "class_weights",
    "classification_loss",
    "curve_points",
    "drop_words",
    "encode_examples",
    "fine_tune",
    "first_pool",
    "freeze",
    "last_pool",
    "layer_rates",
    "learning_curve",
    "max_pool",
    "mean_pool",
    "pad_batch",
    "predict",
    "seeds_interval",
    "shuffled_batches",
    "swap_words",
    "take_balanced",
    "text_vectors",
    "train_with_trainer",
]
