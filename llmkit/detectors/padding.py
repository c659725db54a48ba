"""Padding must not change what a model says about the real tokens.

As for the future, answers are compared and gradients taken. Home notebook:
11_evaluation; first met in 03_attention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llmkit.checks import check_choice, check_count
from llmkit.detectors.asking import Asker, per_position, token_vectors
from llmkit.detectors.comparing import (
    FAINT,
    OTHER_SHAPE,
    answers_of,
    first_of,
    gap_between,
    random_like,
    repeatable,
)
from llmkit.detectors.finding import Finding
from llmkit.nn import evaluating


def padding_invariant(
    model: nn.Module,
    ids: Tensor | None = None,
    *,
    side: str = "right",
    length: int = 7,
    padding: int = 4,
    pad_id: int | None = None,
    vocab_size: int | None = None,
    seed: int = 0,
) -> Finding:
    """Check that padding does not change what a model says about the real tokens.

    A text is read alone, then filled up with padding that the attention mask marks.
    If its answers move, a score depends on which texts share a batch.

    Args:
        model: any model, ours or one of `transformers`. Of an encoder–decoder the
            source is padded.
        ids: int64, (B, T), texts to try; None: random ones.
        side: where the padding goes, "right" or "left". Left is for decoders; an
            encoder with learned positions would read its text at other positions.
        length: T of the random texts.
        padding: how many tokens are added.
        pad_id: the token that fills up; None: the model's own, else 0.
        vocab_size: V, for a model that does not tell.
        seed: of the random tokens.

    Returns:
        A `Finding`, true if nothing moves.
    """
    check_choice("side", side, ("right", "left"))
    check_count("padding", padding)
    asker = Asker(model, vocab_size)
    generator = torch.Generator().manual_seed(seed)
    if ids is None:
        ids = asker.draw(2, min(length, asker.room - padding), generator)
    ids = ids.cpu()
    fillers = [asker.pad_id if pad_id is None else pad_id]
    if side == "right":  # what stands under the padding must not matter either
        fillers.append(int(asker.plain_ids()[-1]))
    with evaluating(model):
        target = asker.draw(len(ids), 6, generator) if asker.two_sided else None
        alone = _read(asker, ids, None, target)
        again = _read(asker, ids, None, target)

        def moves(filler):
            longer, real = _pad(ids, padding, filler, side)
            padded = _read(asker, longer, real, target)
            return _padding_moves(alone, padded, real, asker, side, target is not None)

        def pulls():
            longer, real = _pad(ids, padding, fillers[-1], side)
            return _padding_gradient(asker, longer, real, target, generator, side)

        found = first_of(
            lambda: repeatable(alone, again, asker),
            lambda: moves(fillers[0]),
            lambda: moves(fillers[-1]),
            pulls,
        )
    if found:
        return found[0]
    return Finding(
        True,
        f"Padding does not matter: with {padding} tokens added on the {side} the "
        f"{ids.shape[1]} real ones get the same answers.",
    )


def _pad(ids: Tensor, count: int, filler: int, side: str) -> tuple[Tensor, Tensor]:
    extra = torch.full((len(ids), count), filler)
    real = torch.ones_like(ids, dtype=torch.bool)
    fake = torch.zeros_like(extra, dtype=torch.bool)
    first, last = (0, 1) if side == "right" else (1, 0)
    return (
        torch.cat([(ids, extra)[first], (ids, extra)[last]], dim=1),
        torch.cat([(real, fake)[first], (real, fake)[last]], dim=1),
    )


def _read(asker, ids, real, target, grad=False) -> dict[str, Tensor]:
    mask = torch.ones_like(ids, dtype=torch.bool) if real is None else real
    ask = asker.ask if grad else lambda *a, **k: answers_of(asker, *a, **k)
    if target is None:
        return ask(ids, mask=mask)
    return ask(target, mask=mask, source=ids)


def _padding_moves(alone, padded, real, asker, side, two_sided) -> Finding | None:
    length = real.shape[1]

    def part(name, answer):
        if not two_sided and per_position(name, answer, length):
            return answer[:, real[0]]
        return answer

    gap, place = gap_between(alone, padded, part)
    if gap <= OTHER_SHAPE * torch.finfo(asker.dtype).eps:
        return None
    return _padded(place, gap, side)


def _padding_gradient(asker, ids, real, target, generator, side) -> Finding | None:
    length = ids.shape[1]
    with torch.enable_grad(), token_vectors(asker.model, ids) as caught:
        answers = _read(asker, ids, real, target, grad=True)
        total = 0.0
        for name, answer in answers.items():
            if target is None and per_position(name, answer, length):
                answer = answer[:, real[0].to(answer.device)]
            total = total + (answer * random_like(answer, generator)).sum()
        if not caught or not getattr(total, "requires_grad", False):
            return None
        (slope,) = torch.autograd.grad(total, caught[0], allow_unused=True)
    if slope is None:
        return None
    size = slope.double().cpu().abs().amax(dim=(0, 2))  # (T,)
    share = (size[~real[0]].max() / size.max().clamp(min=1e-30)).item()
    return _padded(0, share, side) if share > FAINT else None


def _padded(place: int, gap: float, side: str) -> Finding:
    return Finding(
        False,
        f"Padding on the {side} matters: the answer at position {place} of the real "
        f"text moves by {gap:.1g} of its size. The attention mask must hide padding "
        "in every layer and in every mean over positions, and positions must be "
        "counted without it.",
        gap,
        (place, place),
    )
