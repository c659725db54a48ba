"""Which way to step: SGD, Adam and AdamW, each written out.

SGD with momentum: Sutskever et al. 2013, "On the importance of initialization and
momentum in deep learning", section 2. Adam: Kingma and Ba 2015, algorithm 1. AdamW:
Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2. Home
notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from llmkit.checks import check_positive, check_range


class Rule(torch.optim.Optimizer):
    """What all rules share: go through the weights that have a gradient.

    A rule says in `change` what happens to one weight. It keeps what it must remember
    about that weight in `memory`, which PyTorch saves with the optimiser.
    """

    @torch.no_grad()
    def step(self, closure=None):
        """Change the weights once; `closure`, if given, computes the loss anew."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self.change(weight, weight.grad, self.state[weight], group)
        return loss

    def change(self, weight: Tensor, grad: Tensor, memory: dict, group: dict) -> None:
        """Step one weight.

        Args:
            weight: any shape, changed in place.
            grad: its gradient, the same shape; it must not be changed.
            memory: what this rule remembers about this weight; empty at first.
            group: the settings, such as `group["lr"]`.
        """
        raise NotImplementedError


class SGD(Rule):
    """Step against the gradient, or against a running sum of gradients.

    Args:
        params: the weights, or groups of them.
        lr: the greatest learning rate.
        momentum: the share of the last step that is made again; 0 for none.
        nesterov: whether to look one step ahead along the running sum.
        weight_decay: pulls weights towards 0 through the gradient.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(
        self,
        params,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        check_positive("lr", lr)
        check_range("momentum", momentum, 0.0, 1.0)
        if nesterov and not momentum:
            raise ValueError("nesterov needs momentum above 0, such as 0.9; got 0")
        settings = {"lr": lr, "momentum": momentum, "nesterov": nesterov}
        super().__init__(params, {**settings, "weight_decay": weight_decay})

    def change(self, weight: Tensor, grad: Tensor, memory: dict, group: dict) -> None:
        """Step one weight; see `Rule.change`."""
        grad = grad + group["weight_decay"] * weight
        if group["momentum"]:
            if "velocity" not in memory:
                memory["velocity"] = torch.zeros_like(weight)
            velocity = memory["velocity"].mul_(group["momentum"]).add_(grad)
            ahead = grad + group["momentum"] * velocity
            grad = ahead if group["nesterov"] else velocity
        weight.sub_(group["lr"] * grad)


class Adam(Rule):
    """Step each weight by about the rate, whatever the size of its gradient.

    The running mean of the gradient is divided by the root of the running mean of its
    square: a weight whose gradient keeps its sign takes whole steps, one whose
    gradient flips takes hardly any.

    Args:
        params: the weights, or groups of them.
        lr: the greatest learning rate.
        betas: how much of the two running means is kept at each step.
        eps: added below the line, so that a gradient of 0 does not divide by 0.
        weight_decay: pulls weights towards 0 through the gradient. There it is
            divided by the gradient's size too, which `AdamW` puts right.
    """

    def __init__(
        self,
        params,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        check_positive("lr", lr)
        for beta in betas:
            check_range("betas", beta, 0.0, 1.0)
        settings = {"lr": lr, "betas": tuple(betas), "eps": eps}
        super().__init__(params, {**settings, "weight_decay": weight_decay})

    def change(self, weight: Tensor, grad: Tensor, memory: dict, group: dict) -> None:
        """Step one weight; see `Rule.change`."""
        self.adapt(weight, grad + group["weight_decay"] * weight, memory, group)

    def adapt(self, weight: Tensor, grad: Tensor, memory: dict, group: dict) -> None:
        """Step by the ratio of the two running means."""
        if not memory:
            memory["steps"] = 0
            memory["mean"] = torch.zeros_like(weight)
            memory["square"] = torch.zeros_like(weight)
        memory["steps"] += 1
        beta1, beta2 = group["betas"]
        mean = memory["mean"].mul_(beta1).add_((1 - beta1) * grad)
        square = memory["square"].mul_(beta2).add_((1 - beta2) * grad.square())
        # both began at 0 and are too small at first, by a factor that is known
        mean = mean / (1 - beta1 ** memory["steps"])
        square = square / (1 - beta2 ** memory["steps"])
        weight.sub_(group["lr"] * mean / (square.sqrt() + group["eps"]))


class AdamW(Adam):
    """Adam, with the decay beside the step and not inside it.

    Args:
        params: the weights, or groups of them.
        lr: the greatest learning rate.
        betas: how much of the two running means is kept at each step.
        eps: added below the line.
        weight_decay: the share of each weight that is taken off, times the rate.
    """

    def __init__(
        self,
        params,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(params, lr, betas, eps, weight_decay)

    def change(self, weight: Tensor, grad: Tensor, memory: dict, group: dict) -> None:
        """Step one weight; see `Rule.change`."""
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        self.adapt(weight, grad, memory, group)


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
        PyTorch's optimiser, with two groups. It computes what `AdamW` does, all
        steps of a weight in one pass through memory where the device can.
    """
    weights = [p for p in model.parameters() if p.requires_grad]
    return fast_adamw(weights, lr, weight_decay, betas)


def fast_adamw(
    weights: Iterable[nn.Parameter],
    lr: float,
    weight_decay: float = 0.1,
    betas: tuple[float, float] = (0.9, 0.95),
) -> torch.optim.AdamW:
    """Make PyTorch's AdamW for some weights, with decay on matrices only.

    Args:
        weights: what is trained.
        lr: the greatest learning rate.
        weight_decay: how fast unused weights shrink.
        betas: how long the two averages remember.

    Returns:
        The optimiser, with a group that decays and one that does not.
    """
    check_positive("lr", lr)
    weights = list(weights)
    groups = [
        {"params": [p for p in weights if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in weights if p.dim() < 2], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in ("cpu", "cuda") for p in weights)
    return torch.optim.AdamW(groups, lr=lr, betas=betas, fused=fused)
