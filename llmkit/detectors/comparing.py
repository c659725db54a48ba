"""Compare what a model says about one text with what it says about another.

Home notebook: 11_evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from llmkit.detectors.asking import Asker, per_position, token_vectors
from llmkit.detectors.finding import Finding

# rounding: the same shapes take the same path, other shapes sum in another order
SAME_SHAPE, OTHER_SHAPE = 100, 1000  # times the smallest step of the number type
FAINT = 1e-9  # what is hidden has weight 0, so its gradient is 0, not just small


def answers_of(asker: Asker, ids: Tensor, **more) -> dict[str, Tensor]:
    """Run the model without gradients; the answers come as float64 on the CPU."""
    with torch.no_grad():
        return {k: v.double().cpu() for k, v in asker.ask(ids, **more).items()}


def first_of(*checks: Callable[[], Finding | None]) -> list[Finding]:
    """Run checks until one finds something; return it in a list, else an empty one.

    A finding that is not sound counts as false, hence the list.
    """
    for check in checks:
        finding = check()
        if finding is not None:
            return [finding]
    return []


def repeatable(a: dict, b: dict, asker: Asker) -> Finding | None:
    """Return a finding if two runs on the same text differ."""
    gap, _ = gap_between(a, b, lambda name, x: x)
    if gap > SAME_SHAPE * torch.finfo(asker.dtype).eps:
        return Finding(
            False,
            "Asked the same twice, the model answers differently, although it is in "
            "evaluation mode: something is drawn at random, such as a dropout that "
            "ignores the mode.",
            gap,
        )
    return None


def gap_between(a: dict, b: dict, part: Callable) -> tuple[float, int]:
    """Return the greatest difference, as a share of the greatest number, and where."""
    worst, place = 0.0, 0
    for name in a.keys() & b.keys():
        x, y = part(name, a[name]), part(name, b[name])
        if x is None or y is None or not x.numel():
            continue
        gap = (x - y).abs()
        # -inf in both is no difference, and not a number is one
        gap = torch.where(x == y, 0.0, gap).nan_to_num(torch.inf, posinf=torch.inf)
        size = x[x.isfinite()].abs().max().item() if x.isfinite().any() else 1.0
        share = gap.max().item() / max(size, 1e-12)
        if share > worst:
            worst = share
            rows = gap.flatten(2).amax(2) if gap.dim() > 2 else gap
            place = int(rows.amax(0).argmax()) if gap.dim() > 1 else 0
    return worst, place


def slopes_of(asker, ids, generator, **more) -> Iterator[tuple[int, Tensor]]:
    """Yield each position but the last, and its answer's gradient, (B, T, D)."""
    length = ids.shape[1]
    with torch.enable_grad(), token_vectors(asker.model, ids) as caught:
        answers = asker.ask(ids, **more)
        mine = [a for n, a in answers.items() if per_position(n, a, length)]
        mine = [a for a in mine if a.requires_grad]
        if not caught or not mine:
            return
        for place in range(length - 1):
            told = [a[:, place] for a in mine]
            # random weights: the sum of a normalised vector would have no gradient
            weighted = [(a * random_like(a, generator)).sum() for a in told]
            (slope,) = torch.autograd.grad(
                sum(weighted), caught[0], retain_graph=True, allow_unused=True
            )
            if slope is not None:
                yield place, slope.double().cpu()


def random_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Draw normal numbers of the shape, type and device of `x`."""
    return torch.randn(x.shape, generator=generator).to(x)
