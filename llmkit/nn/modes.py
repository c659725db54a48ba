"""Training or evaluating: a setting that each part of a model has for itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode, and each of its parts back as it was.

    `model.eval()` and later `model.train()` would also wake the parts that someone
    keeps in evaluation mode on purpose, such as a frozen encoder.

    Args:
        model: any module.

    Yields:
        Nothing; run the model inside.
    """
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
