"""Run a model without leaving a mark on it, also from several threads.

Callbacks of widgets may run on a thread of their own, and PyTorch's "no gradient" holds
only for the thread that asked for it. So it is asked for here, inside, and one lock for
each model keeps two runs from meeting in its hooks and settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from llmkit.nn import evaluating, model_lock


@contextmanager
def running(model: nn.Module) -> Iterator[None]:
    """Hold the model's lock, in evaluation mode and without gradients.

    Args:
        model: any module. Afterwards each of its parts trains or rests as before.

    Yields:
        Nothing; run the model inside.
    """
    with model_lock(model), torch.no_grad(), evaluating(model):
        yield
