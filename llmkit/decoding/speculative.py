"""Speculative decoding: a small model guesses ahead, the large one checks at once.

The large model reads all guesses in one pass, which takes hardly longer than reading
one token. A guess is accepted by a rule that leaves the large model's distribution
exactly as it is: Leviathan et al. 2023, "Fast Inference from Transformers via
Speculative Decoding", section 2.3 and appendix A.1. Home notebook: 09_decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from llmkit.checks import check_count, check_shape
from llmkit.decoding.filters import Sampling, probabilities
from llmkit.decoding.generate import check_request
from llmkit.nn import evaluating


@dataclass(frozen=True)
class Round:
    """One turn: some guesses of the draft, and what the target made of them.

    Args:
        guesses: the draft's tokens.
        draft_probs: the draft's probability of each guess.
        target_probs: the target's probability of each guess.
        accepted: how many of them were accepted, counted from the first.
        token: the target's own token after those; None where the text has ended.
        token_prob: the target's probability of it.
    """

    guesses: list[int]
    draft_probs: list[float]
    target_probs: list[float]
    accepted: int
    token: int | None
    token_prob: float | None


@dataclass
class Speculation:
    """The text, and how it came about.

    Args:
        ids: prompt and new tokens, int64, (1, T + N).
        rounds: one for each pass of the target.
    """

    ids: Tensor
    rounds: list[Round] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """How many guesses were accepted."""
        return sum(r.accepted for r in self.rounds)

    @property
    def rejected(self) -> int:
        """How many guesses were looked at and rejected: at most one in a round."""
        return sum(r.accepted < len(r.guesses) for r in self.rounds)

    @property
    def guessed(self) -> int:
        """How many guesses were made, those after a rejected one included."""
        return sum(len(r.guesses) for r in self.rounds)


@torch.no_grad()
def speculative(
    model,
    draft,
    ids: Tensor,
    max_new_tokens: int,
    *,
    guesses: int = 4,
    stop_ids: Sequence[int] = (),
    generator: torch.Generator | None = None,
    on_round: Callable[[Round], None] | None = None,
    **settings,
) -> Speculation:
    """Write on from one prompt as `generate` does, with fewer passes of the model.

    Args:
        model: the target, a decoder whose distribution is followed.
        draft: a smaller decoder with the same vocabulary.
        ids: the prompt, int64, (1, T).
        max_new_tokens: how many tokens to write at most.
        guesses: how many tokens the draft guesses in a round.
        stop_ids: tokens that end the text.
        generator: a CPU `torch.Generator`.
        on_round: called with each `Round`.
        **settings: fields of `Sampling`. Without a temperature the most likely token
            is taken, and the text is that of `generate`.

    Returns:
        The `Speculation`.

    Raises:
        ValueError: the models do not share a vocabulary, or a setting is out of range.
    """
    sampling = Sampling(**{"temperature": 0, **settings})
    check_shape("ids", ids, "1 T")
    check_count("guesses", guesses)
    for each in (model, draft):
        check_request(each, ids, max_new_tokens, None)
    sizes = model.config.vocab_size, draft.config.vocab_size
    if sizes[0] != sizes[1]:
        raise ValueError(
            "model and draft must share one vocabulary; got vocab_size="
            f"{sizes[0]} and {sizes[1]}"
        )
    result = Speculation(ids)
    last = ids.shape[1] + max_new_tokens
    caches = model.new_cache(), draft.new_cache()
    with evaluating(model), evaluating(draft):
        while result.ids.shape[1] < last:
            # the target adds a token of its own, so one guess less than there is room
            room = min(guesses, last - result.ids.shape[1] - 1)
            text, q = _guess(draft, caches[1], result.ids, room, sampling, generator)
            p = _read(model, caches[0], text, room + 1, sampling)
            turn = _judge(text[0, text.shape[1] - room :], p, q, generator)
            turn = _until_stop(turn, set(stop_ids))
            new = turn.guesses[: turn.accepted]
            new += [] if turn.token is None else [turn.token]
            result.ids = torch.cat([result.ids, ids.new_tensor([new])], dim=1)
            result.rounds.append(turn)
            # whoever has read a rejected guess must forget it; the last token is unread
            for cache in caches:
                cache.crop(result.ids.shape[1] - 1)
            if on_round is not None:
                on_round(turn)
            if new[-1] in stop_ids:
                break
    return result


def accept_or_resample(
    guess: int, p: Tensor, q: Tensor, generator: torch.Generator | None = None
) -> tuple[bool, int]:
    """Accept a guess with probability min(1, p/q), else draw from what q left out.

    A token x comes out with probability q(x) min(1, p(x)/q(x)) as an accepted guess,
    and with max(0, p(x) - q(x)) as a correction: together p(x).

    Args:
        guess: a token drawn from `q`.
        p: the target's distribution, (V,).
        q: the draft's, (V,).
        generator: a CPU `torch.Generator`.

    Returns:
        Whether the guess was accepted, and the token that comes.
    """
    if float(torch.rand((), generator=generator)) * float(q[guess]) < float(p[guess]):
        return True, guess
    rest = (p - q).clamp(min=0)
    if float(rest.sum()) == 0:  # p equals q up to rounding
        rest = p
    return False, _draw(rest, generator)


def _guess(draft, cache, ids, n, sampling, generator) -> tuple[Tensor, list[Tensor]]:
    """Let the draft write n tokens; return the text with them, and each (V,)."""
    q = []
    for _ in range(n):
        unread = ids[:, cache.length :]
        logits = draft(unread, cache=cache).logits[:, -1]
        q.append(probabilities(logits, ids, sampling)[0].cpu())
        token = ids.new_tensor([[_draw(q[-1], generator)]])
        ids = torch.cat([ids, token], dim=1)
    return ids, q


def _read(model, cache, ids, n, sampling) -> list[Tensor]:
    """Let the target read all at once; return the last n distributions, (V,) each."""
    logits = model(ids[:, cache.length :], cache=cache).logits[0, -n:]  # (n, V)
    ends = range(ids.shape[1] - n + 1, ids.shape[1] + 1)
    return [
        probabilities(row[None], ids[:, :end], sampling)[0].cpu()
        for row, end in zip(logits, ends, strict=True)
    ]


def _judge(guesses: Tensor, p: list[Tensor], q: list[Tensor], generator) -> Round:
    """Accept guesses one after another until one is rejected."""
    guesses = guesses.tolist()
    accepted, token = 0, None
    for guess, pi, qi in zip(guesses, p, q, strict=False):
        taken, token = accept_or_resample(guess, pi, qi, generator)
        if not taken:
            break
        accepted += 1
    if accepted == len(guesses):
        token = _draw(p[accepted], generator)
    own = float(p[accepted][token])
    return Round(
        guesses=guesses,
        draft_probs=[float(x[g]) for g, x in zip(guesses, q, strict=True)],
        target_probs=[float(x[g]) for g, x in zip(guesses, p, strict=False)],
        accepted=accepted,
        token=token,
        token_prob=own,
    )


def _until_stop(turn: Round, stops: set[int]) -> Round:
    """Cut a round after its first accepted stop token."""
    for at, guess in enumerate(turn.guesses[: turn.accepted]):
        if guess in stops:
            return Round(
                turn.guesses[: at + 1],
                turn.draft_probs[: at + 1],
                turn.target_probs[: at + 1],
                accepted=at + 1,
                token=None,
                token_prob=None,
            )
    return turn


def _draw(weights: Tensor, generator) -> int:
    return int(torch.multinomial(weights, 1, generator=generator))
