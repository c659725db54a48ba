"""The future must not change the past.

The question is asked twice: later tokens are changed and the answers compared, and the
gradient of each answer is taken, which also sees what is too faint to move it.
Home notebook: 11_evaluation; first met in 03_attention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llmkit.detectors.asking import Asker, per_position
from llmkit.detectors.comparing import (
    FAINT,
    OTHER_SHAPE,
    SAME_SHAPE,
    answers_of,
    first_of,
    gap_between,
    repeatable,
    slopes_of,
)
from llmkit.detectors.finding import Finding
from llmkit.nn import evaluating


def no_peeking(
    model: nn.Module,
    ids: Tensor | None = None,
    *,
    length: int = 9,
    vocab_size: int | None = None,
    seed: int = 0,
) -> Finding:
    """Check that what a model says at a position does not depend on later tokens.

    A decoder that sees the token it is to foresee has a wonderful loss and writes
    nonsense. An encoder such as BERT sees the future by design.

    Args:
        model: any model, ours or one of `transformers`. Of an encoder–decoder the
            decoder is checked.
        ids: int64, (B, T), a text to try; None: a random one.
        length: T of the random text.
        vocab_size: V, for a model that does not tell.
        seed: of the random tokens.

    Returns:
        A `Finding`, true if the future is hidden.

    Raises:
        ValueError: the text has fewer than three tokens.
    """
    asker = Asker(model, vocab_size)
    generator = torch.Generator().manual_seed(seed)
    if ids is None:
        ids = asker.draw(2, min(length, asker.room), generator)
    if ids.dim() != 2 or ids.shape[1] < 3:
        raise ValueError(
            "ids must be (B, T) with T of at least 3, so that there is a past and a "
            f"future; got {tuple(ids.shape)}"
        )
    ids = ids.cpu()
    source = asker.draw(len(ids), 5, generator) if asker.two_sided else None
    others = asker.others(ids, generator)
    with evaluating(model):
        first = answers_of(asker, ids, source=source)
        if not any(per_position(n, a, ids.shape[1]) for n, a in first.items()):
            return Finding(
                False,
                "The model gives no answer for each position, so there is nothing to "
                "compare.",
            )
        if any(bool(a.isnan().any()) for a in first.values()):
            return Finding(
                False,
                "The model's answers are not numbers, so nothing can be compared.",
            )
        again = answers_of(asker, ids, source=source)
        found = first_of(
            lambda: repeatable(first, again, asker),
            lambda: _later_tokens(asker, ids, others, source, first),
            lambda: _longer_text(asker, ids, source, first),
            lambda: _later_gradient(asker, ids, source, generator),
        )
    found = found or first_of(lambda: _while_training(asker, ids, others, source))
    if found:
        return found[0]
    return Finding(
        True,
        f"No peeking: at each of {ids.shape[1]} positions the answer stays the same, "
        "whatever comes later.",
    )


def _before(end: int, length: int):
    def part(name, answer):
        wanted = per_position(name, answer, length) or answer.shape[1] == end
        return answer[:, :end] if wanted and answer.dim() > 2 else None

    return part


def _later_tokens(asker, ids, others, source, first, when="") -> Finding | None:
    length, steps = ids.shape[1], torch.finfo(asker.dtype).eps
    for end in range(length - 1, 0, -1):
        changed = torch.cat([ids[:, :end], others[:, end:]], dim=1)
        answers = answers_of(asker, changed, source=source)
        gap, place = gap_between(first, answers, _before(end, length))
        if gap > SAME_SHAPE * steps:
            return _peeks(place, end, gap, f"new tokens from position {end} on", when)
    return None


def _longer_text(asker, ids, source, first) -> Finding | None:
    length, steps = ids.shape[1], torch.finfo(asker.dtype).eps
    for end in range(2, length):
        answers = answers_of(asker, ids[:, :end], source=source)
        gap, place = gap_between(answers, first, _before(end, length))
        if gap > OTHER_SHAPE * steps:
            return _peeks(
                place, end, gap, f"the text going on after position {end - 1}"
            )
    return None


def _later_gradient(asker, ids, source, generator) -> Finding | None:
    for place, slopes in slopes_of(asker, ids, generator, source=source):
        size = slopes.abs().amax(dim=(0, 2))  # (T,)
        later, most = size[place + 1 :].max().item(), size.max().item()
        if later > FAINT * most:
            at = place + 1 + int(size[place + 1 :].argmax())
            return _peeks(place, at, later / most, f"the token at position {at}")
    return None


def _peeks(place: int, end: int, gap: float, what: str, when: str = "") -> Finding:
    return Finding(
        False,
        f"The future is visible{when}: the answer at position {place} moves with "
        f"{what}, by {gap:.1g} of its size. A decoder needs a causal mask in every "
        "layer, and nothing may be averaged over positions.",
        gap,
        (place, end),
    )


def _while_training(asker, ids, others, source) -> Finding | None:
    """Ask again in training mode, with the same dice for each run."""
    model = asker.model
    modes = {module: module.training for module in model.modules()}
    buffers = {name: b.clone() for name, b in model.named_buffers()}

    class Dice:
        def __getattr__(self, name):
            return getattr(asker, name)

        def ask(self, *args, **kwargs):
            with torch.random.fork_rng():
                torch.manual_seed(0)
                return asker.ask(*args, **kwargs)

    try:
        model.train()
        dice = Dice()
        first = answers_of(dice, ids, source=source)
        if repeatable(first, answers_of(dice, ids, source=source), asker):
            return None  # its dice are not PyTorch's: nothing can be compared
        return _later_tokens(
            dice, ids, others, source, first, " while the model is in training mode"
        )
    finally:
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])
