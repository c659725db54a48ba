"""What fine-tuning minimises, also when one class is rare.

Weights for rare classes: King and Zeng 2001, "Logistic Regression in Rare Events
Data", section 4.2. Home notebook: 10_fine_tuning_bert.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from llmkit.checks import check_count, check_shape
from llmkit.losses import cross_entropy


def class_weights(labels: Sequence[int], n_classes: int) -> Tensor:
    """Weigh classes so that each counts alike in all, however rare it is.

    Args:
        labels: of the training examples.
        n_classes: C.

    Returns:
        (C,), whose mean over the examples is 1: N / (C * how often the class occurs).

    Raises:
        ValueError: a class does not occur.
    """
    check_count("n_classes", n_classes)
    counts = torch.bincount(torch.as_tensor(labels), minlength=n_classes)
    if len(counts) > n_classes:
        raise ValueError(
            f"labels must lie between 0 and {n_classes - 1}; got {len(counts) - 1}"
        )
    if (counts == 0).any():
        missing = int((counts == 0).nonzero()[0])
        raise ValueError(
            f"every class must occur; class {missing} has no example among "
            f"{len(labels)}. Draw more, or leave the class out"
        )
    return len(labels) / (n_classes * counts.float())


def classification_loss(
    weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Callable[[nn.Module, tuple], Tensor]:
    """Make the loss that `train` asks for.

    Args:
        weights: (C,), how much an example of each class counts; None: all alike.
        label_smoothing: this share of each target is spread over all classes.

    Returns:
        A function from a classifier and a batch (ids, attention_mask, labels) to the
        weighted mean of the cross-entropies.
    """

    def loss(model: nn.Module, batch: tuple) -> Tensor:
        ids, mask, labels = batch
        # float: in bfloat16 a sum of exponentials loses digits
        logits = model(ids, attention_mask=mask).logits.float()
        losses = cross_entropy(
            logits, labels, label_smoothing=label_smoothing, reduction="none"
        )
        if weights is None:
            return losses.mean()
        check_shape("weights", weights, "C", C=logits.shape[-1])
        share = weights.to(logits.device)[labels]
        return (share * losses).sum() / share.sum()

    return loss
