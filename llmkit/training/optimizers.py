"""Which way to step: AdamW, and Muon for the matrices inside the blocks.

AdamW: Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm
2. Muon: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks";
the rate's factor is that of Liu et al. 2025, "Muon is Scalable for LLM Training",
section 2.2. Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llmkit.checks import check_positive


def adamw(
    model: nn.Module,
    lr: float,
    weight_decay: float = 0.1,
    betas: tuple[float, float] = (0.9, 0.95),
) -> torch.optim.AdamW:
    """Make AdamW with decay on matrices only.

    Biases and norms are single numbers per feature: pulling them towards 0 would only
    switch features off.

    Args:
        model: whose weights are trained.
        lr: the greatest learning rate.
        weight_decay: how fast unused weights shrink.
        betas: how long the two averages remember.

    Returns:
        PyTorch's optimiser, with two groups.
    """
    check_positive("lr", lr)
    weights = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in weights if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=betas)


def muon(
    model: nn.Module,
    lr: float,
    adamw_lr: float,
    weight_decay: float = 0.1,
) -> list[torch.optim.Optimizer]:
    """Make Muon for the matrices of the blocks, and AdamW for all else.

    Embeddings are tables of rows, not maps from space to space, so Muon's step means
    nothing for them.

    Args:
        model: a model with `blocks`.
        lr: Muon's greatest rate.
        adamw_lr: AdamW's.
        weight_decay: how fast unused weights shrink.

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
    groups = [
        {"params": [p for p in others if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in others if p.dim() < 2], "weight_decay": 0.0},
    ]
    return [
        Muon(matrices, lr, weight_decay),
        torch.optim.AdamW(groups, lr=adamw_lr, betas=(0.9, 0.95)),
    ]


class Muon(torch.optim.Optimizer):
    """Step by the same length in every direction of a matrix.

    The averaged gradient of a matrix is dominated by a few directions. Muon replaces
    it by the nearest matrix whose singular values are all about 1.

    Args:
        params: matrices.
        lr: the greatest learning rate.
        weight_decay: how fast unused weights shrink.
        momentum: how long the average remembers.
    """

    def __init__(self, params, lr: float, weight_decay=0.1, momentum: float = 0.95):
        check_positive("lr", lr)
        super().__init__(
            params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        )
        for group in self.param_groups:
            for p in group["params"]:
                if p.dim() != 2:
                    raise ValueError(
                        f"Muon steps matrices only; got a shape of {tuple(p.shape)}. "
                        "Use muon(model, …), which gives the others to AdamW."
                    )

    @torch.no_grad()
    def step(self, closure=None):
        """Change the weights once; `closure`, if given, computes the loss anew."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                state = self.state[p]
                if not state:
                    state["average"] = torch.zeros_like(p)
                average = state["average"]
                average.lerp_(p.grad, 1 - group["momentum"])
                # Nesterov: look one step ahead along the average
                ahead = p.grad.lerp(average, group["momentum"])
                p.mul_(1 - group["lr"] * group["weight_decay"])
                # entries of a matrix of rank r and unit singular values shrink with
                # its longer side; the factor brings them to AdamW's usual 0.2
                factor = 0.2 * max(p.shape) ** 0.5
                p.add_(orthogonalize(ahead), alpha=-group["lr"] * factor)
        return loss


def orthogonalize(matrix: Tensor, rounds: int = 5) -> Tensor:
    """Push all singular values of a matrix towards 1, by products alone.

    Each round applies an odd polynomial to the singular values. Its coefficients are
    chosen for speed: the values end between about 0.7 and 1.2, which is near enough.

    Args:
        matrix: (M, N).
        rounds: how often the polynomial is applied.

    Returns:
        (M, N), with the same singular vectors.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    # no singular value is above 1 once the matrix is divided by its length
    x = x / (x.norm() + 1e-7)
    for _ in range(rounds):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x
