"""Muon: step by the same length in every direction of a matrix.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the
rate's factor is that of Liu et al. 2025, "Muon is Scalable for LLM Training", section
2.2. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llmkit.checks import check_positive
from llmkit.training.optimizers import Rule, fast_adamw


def muon(
    model: nn.Module,
    lr: float,
    adamw_lr: float,
    weight_decay: float = 0.1,
    bf16: bool = False,
) -> list[torch.optim.Optimizer]:
    """Make Muon for the matrices of the blocks, and AdamW for all else.

    Embeddings are tables of rows, not maps from space to space, so Muon's step means
    nothing for them.

    Args:
        model: a model with `blocks`.
        lr: Muon's greatest rate.
        adamw_lr: AdamW's.
        weight_decay: how fast unused weights shrink.
        bf16: whether Muon multiplies in bfloat16, fast where `has_bf16` says so.

    Returns:
        The two optimisers; `train` steps both. Frozen weights are in neither.

    Raises:
        TypeError: the model has no `blocks`.
    """
    if not hasattr(model, "blocks"):
        raise TypeError(
            f"muon needs a model with `blocks`; got {type(model).__name__}. "
            "Use adamw(model, lr)"
        )
    weights = [p for p in model.parameters() if p.requires_grad]
    in_blocks = {id(p) for p in model.blocks.parameters()}
    matrices = [p for p in weights if p.dim() == 2 and id(p) in in_blocks]
    inside = {id(p) for p in matrices}
    others = [p for p in weights if id(p) not in inside]
    return [
        Muon(matrices, lr, weight_decay, bf16=bf16),
        fast_adamw(others, adamw_lr, weight_decay),
    ]


class Muon(Rule):
    """Step by the same length in every direction of a matrix.

    The averaged gradient of a matrix is dominated by a few directions. Muon replaces
    it by the nearest matrix whose singular values are all about 1.

    Args:
        params: matrices.
        lr: the greatest learning rate.
        weight_decay: how fast unused weights shrink.
        momentum: how long the average remembers.
        bf16: whether the products are computed in bfloat16; "about 1" is soon found.
    """

    def __init__(
        self,
        params,
        lr: float,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        bf16: bool = False,
    ):
        check_positive("lr", lr)
        settings = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, {**settings, "bf16": bf16})
        for group in self.param_groups:
            for p in group["params"]:
                if p.dim() != 2:
                    raise ValueError(
                        f"Muon steps matrices only; got a shape of {tuple(p.shape)}. "
                        "Use muon(model, …), which gives the others to AdamW."
                    )

    def change(self, weight: Tensor, grad: Tensor, memory: dict, group: dict) -> None:
        """Step one matrix; see `Rule.change`."""
        if not memory:
            memory["average"] = torch.zeros_like(weight)
        average = memory["average"].lerp_(grad, 1 - group["momentum"])
        # Nesterov: look one step ahead along the average
        ahead = grad.lerp(average, group["momentum"])
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        # entries of a matrix of rank r and unit singular values shrink with its
        # longer side; the factor brings them to AdamW's usual 0.2
        factor = 0.2 * max(weight.shape) ** 0.5
        dtype = torch.bfloat16 if group["bf16"] else None
        level = orthogonalize(ahead, dtype=dtype)
        weight.add_(level, alpha=-group["lr"] * factor)


def orthogonalize(
    matrix: Tensor, rounds: int = 5, dtype: torch.dtype | None = None
) -> Tensor:
    """Push all singular values of a matrix towards 1, by products alone.

    Each round applies an odd polynomial to the singular values. Its coefficients are
    chosen for speed: the values end between about 0.7 and 1.2, which is near enough.

    Args:
        matrix: (M, N).
        rounds: how often the polynomial is applied.
        dtype: what the products are computed in; None: that of the matrix.

    Returns:
        (M, N), with the same singular vectors.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    # no singular value is above 1 once the matrix is divided by its length
    x = (x / (x.norm() + 1e-7)).to(dtype or matrix.dtype)
    for _ in range(rounds):
        square = x @ x.T
        square = torch.addmm(square, square, square, beta=b, alpha=c)
        x = torch.addmm(x, square, x, beta=a)  # a x + (b x x' + c x x' x x') x
    return (x.T if tall else x).to(matrix.dtype)
