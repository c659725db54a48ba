"""Hooks on model, weights and optimiser: everything that happens within a step.

A hook only looks; what it keeps is read after the step. Home notebook:
06_loss_and_optimization.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn


class Listener:
    """Listens to a model while it is trained.

    Args:
        model: the model.
        optimizers: those that step it.
        heard: called before each training pass with the arguments, by name.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        heard: Callable[[dict], None],
    ):
        self.model, self.optimizers, self.heard = model, optimizers, heard
        self.step = 0
        self.deaf = False  # while the doctor itself asks the model
        self.look = True  # whether the weights are compared before and after this step
        self.answers: list[Tensor] = []  # logits of the passes of this step
        self.clipped: float | None = None
        self.before: dict[nn.Parameter, Tensor] = {}
        self.after: Callable[[], None] | None = None
        self.stale: int | None = None
        self.asleep: int | None = None
        self.awake: int | None = None
        self.bad: tuple[int, str, str] | None = None
        self._first_gradient = False  # whether the next gradient is a step's first
        self._signature = inspect.signature(model.forward)
        self._dropouts = [
            m for m in model.modules() if isinstance(m, nn.Dropout) and m.p > 0
        ]
        self._hooks: list = []
        self._listen()

    def _listen(self) -> None:
        add = self._hooks.append
        add(self.model.register_forward_pre_hook(self._asked, with_kwargs=True))
        add(self.model.register_forward_hook(self._answered))
        for name, module in self.model.named_modules():
            if not list(module.children()):
                add(module.register_forward_hook(partial(self._left, name)))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.requires_grad:
                        add(p.register_hook(partial(self._arrived, p)))
            if hasattr(optimizer, "register_step_pre_hook"):
                add(optimizer.register_step_pre_hook(self._will_step))
                add(optimizer.register_step_post_hook(self._has_stepped))

    def leave(self) -> None:
        """Take all hooks off."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def begin(self, step: int, look: bool) -> None:
        """Forget the last step.

        Args:
            step: the number of the next one.
            look: whether the weights are compared before and after it.
        """
        self.step, self.look = step, look
        self.answers, self.clipped, self.before = [], None, {}

    # --- forward -----------------------------------------------------------------
    def _asked(self, model, args, kwargs):
        if self.deaf:
            return
        dropping = any(m.training for m in self._dropouts)
        if not torch.is_grad_enabled():
            if dropping and self.awake is None:
                self.awake = self.step
            return
        if self._dropouts and not dropping and self.asleep is None:
            self.asleep = self.step
        try:
            given = self._signature.bind_partial(*args, **kwargs).arguments
        except TypeError:  # the model will say what is wrong with its arguments
            return
        self.heard(dict(given))

    def _answered(self, model, args, out):
        if self.deaf or not torch.is_grad_enabled():
            return
        logits = out if isinstance(out, Tensor) else getattr(out, "logits", None)
        if isinstance(logits, Tensor):
            self.answers.append(logits.detach())

    def _left(self, name, module, args, out):
        if self.deaf or self.bad is not None or not isinstance(out, Tensor):
            return
        if not out.is_floating_point() or not torch.is_grad_enabled():
            return
        if _broken(out):
            given = args[0] if args and isinstance(args[0], Tensor) else None
            spoilt = given is not None and _broken(given)
            place = f"the input of {name}" if spoilt else name
            self.bad = (self.step, place, "forward")
        elif out.requires_grad:
            out.register_hook(partial(self._returned, name))

    def _returned(self, name, grad):
        if self.bad is None and _broken(grad):
            self.bad = (self.step, name, "backward")

    # --- backward and step -------------------------------------------------------
    def _arrived(self, p, grad):
        """See a gradient before it is added to what is there already."""
        if not self._first_gradient or self.deaf:
            return
        self._first_gradient = False
        if self.stale is None and p.grad is not None and bool(p.grad.any()):
            self.stale = self.step

    def _will_step(self, optimizer, args, kwargs):
        mine = [p for g in optimizer.param_groups for p in g["params"]]
        mine = [p for p in mine if p.grad is not None]
        if mine:
            norms = torch._foreach_norm([p.grad for p in mine])
            square = sum(float(n) ** 2 for n in norms)
            self.clipped = ((self.clipped or 0.0) ** 2 + square) ** 0.5
        if self.look:
            self.before |= {p: p.detach().clone() for p in mine if p.dim() >= 2}

    def _has_stepped(self, optimizer, args, kwargs):
        self._first_gradient = True


def _broken(x: Tensor) -> bool:
    """Tell whether a number is none; -inf is how hidden scores are written."""
    return x.is_floating_point() and not bool((x < torch.inf).all())
