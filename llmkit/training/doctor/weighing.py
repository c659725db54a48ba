"""What weights, gradients and settings show, as plain numbers for the record.

Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

import math
from statistics import median

import torch
from torch import Tensor, nn

from llmkit.detectors import no_peeking
from llmkit.training.doctor.record import Record


def weigh_first(record: Record, optimizers, allow_frozen: bool) -> None:
    """Look at the weights before the first step.

    Args:
        record: is filled.
        optimizers: those that step the model.
        allow_frozen: whether weights without gradient are meant to be so.
    """
    model = record.model
    named = dict(model.named_parameters())
    total = sum(p.numel() for p in named.values())
    held = {id(p) for o in optimizers for g in o.param_groups for p in g["params"]}
    free = [p for p in named.values() if p.requires_grad]
    outside = sum(p.numel() for p in free if id(p) not in held)
    record.outside = (outside, max(sum(p.numel() for p in free), 1))
    if not allow_frozen:
        frozen = sum(p.numel() for p in named.values() if not p.requires_grad)
        record.frozen = (frozen, max(total, 1))
    for name, p in matrices(model):
        low, high = p.min().item(), p.max().item()
        if low == high:
            record.alike[name] = low
        else:
            size = p.detach().float().square().mean().sqrt().item()
            record.gains[name] = size * math.sqrt(p.shape[1])
    norms = [m for m in model.modules() if "Norm" in type(m).__name__]
    scales = [m.weight for m in norms if getattr(m, "weight", None) is not None]
    if scales:
        record.fresh = all(bool((w == 1).all()) for w in scales)


def matrices(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the trainable matrices of a model, tables of tokens left out."""
    tables = {
        id(p)
        for m in model.modules()
        if isinstance(m, nn.Embedding)
        for p in m.parameters()
    }
    return [
        (name, p)
        for name, p in model.named_parameters()
        if p.dim() == 2
        and p.requires_grad
        and id(p) not in tables
        and "position" not in name
    ]


def lengths(model: nn.Module) -> dict[str, float]:
    """Return the length of each matrix."""
    return {name: p.detach().float().norm().item() for name, p in matrices(model)}


def growth(model: nn.Module, first: dict[str, float]) -> float | None:
    """Return how many times its first length a typical matrix has.

    Args:
        model: as it is now.
        first: the length of each matrix when the run began, by name.

    Returns:
        The median over the matrices, or None if there is none to compare with.
    """
    now = lengths(model)
    ratios = [now[n] / size for n, size in first.items() if size > 0 and n in now]
    return median(ratios) if ratios else None


def moved(record: Record, before: dict[nn.Parameter, Tensor]) -> float | None:
    """Return by which share of its length a typical matrix moved in this step.

    Matrices in short numbers also get a note of how many of their weights stayed
    where they were although a gradient pulled at them.

    Args:
        record: of the run; its `unchanged` is written.
        before: the matrices as they were before the step.

    Returns:
        The median over the matrices, or None if there is none to compare with.
    """
    shares = []
    for name, p in matrices(record.model):
        old = before.get(p)
        if old is None:
            continue
        size = old.float().norm().item()
        if size > 0:
            shares.append((p.detach().float() - old.float()).norm().item() / size)
        if p.element_size() < 4 and p.grad is not None:
            pulled = p.grad != 0
            same = (p.detach() == old) & pulled
            if bool(pulled.any()):
                record.unchanged[name] = int(same.sum()) / int(pulled.sum())
    return median(shares) if shares else None


def look_at_gradients(record: Record, zero_rows: dict[str, Tensor], first: bool):
    """See which rows and blocks get no gradient.

    Args:
        record: is filled.
        zero_rows: by matrix, rows without gradient in every look; is changed.
        first: whether it is too early to judge rows: a model may start with some
            matrices at 0, behind which nothing moves in the first step.
    """
    model = record.model
    for name, p in matrices(model):
        if first or p.grad is None or len(p) < 8 or len(p) == record.vocab_size:
            continue
        zero = (p.grad == 0).all(dim=1)  # (rows,)
        zero_rows[name] = zero & zero_rows[name] if name in zero_rows else zero
        record.dead[name] = zero_rows[name].float().mean().item()
    for name, blocks in _stacks(model):
        sizes = [_length(block) for block in blocks]
        none = [i for i, size in enumerate(sizes) if size is None]
        if none and len(none) < len(sizes):
            record.cut_off = [f"{name}.{i}" for i in none]
        if sizes[0] and sizes[-1] and math.isfinite(sizes[0] + sizes[-1]):
            record.depth.append(sizes[0] / sizes[-1])


def _stacks(model: nn.Module):
    """Yield the lists of equal blocks, at least two of them, that are trained."""
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) > 1:
            kinds = {type(block) for block in module}
            trained = all(
                any(p.requires_grad for p in block.parameters()) for block in module
            )
            if len(kinds) == 1 and trained:
                yield name, module


def _length(block: nn.Module) -> float | None:
    """Return the length of a block's gradient; None if none has arrived."""
    grads = [p.grad for p in block.parameters() if p.grad is not None]
    if not grads:
        return None
    return math.sqrt(sum(g.float().square().sum().item() for g in grads))


def still_zero(record: Record) -> None:
    """Note which matrices were 0 at the start and have not moved."""
    named = dict(record.model.named_parameters())
    record.still_zero = [
        name
        for name, value in record.alike.items()
        if value == 0 and not bool(named[name].any())
    ]


def decay(optimizers) -> float:
    """Return the greatest share of a weight that decay takes off in one step."""
    return max(
        group["lr"] * (group.get("weight_decay") or 0.0)
        for o in optimizers
        for group in o.param_groups
    )


@torch.no_grad()
def ask_about_future(record: Record) -> None:
    """Try whether the model sees later tokens.

    Args:
        record: gets `causal` and the detector's sentence.
    """
    rows = next((b.rows for b in record.batches if b.rows), None)
    if rows is None or len(rows[0]) < 3:
        return
    try:
        found = no_peeking(record.model, torch.stack(rows[:2])[:, :9])
    # whatever a strange model raises, a doctor must not end the run
    except Exception:
        return
    if found or found.where is not None:
        record.causal, record.peeking = bool(found), found.sentence
