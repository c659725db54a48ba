"""Keep one bad batch from throwing the weights far away.

Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", section
3.2. Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from llmkit.checks import check_positive


def clip_gradients(weights: Iterable[nn.Parameter], longest: float = math.inf) -> float:
    """Shorten the gradient where it is too long; its direction stays.

    All gradients together are taken as one long vector.

    Args:
        weights: those without a gradient are passed over.
        longest: the greatest length allowed.

    Returns:
        The length before.
    """
    check_positive("longest", longest)
    grads = [w.grad for w in weights if w.grad is not None]
    if not grads:
        return 0.0
    lengths = torch.stack([torch.linalg.vector_norm(g) for g in grads])
    length = torch.linalg.vector_norm(lengths).item()
    if length > longest:
        for grad in grads:
            grad.mul_(longest / (length + 1e-6))
    return length
