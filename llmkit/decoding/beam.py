"""Beam search: follow several continuations at once and keep the best ones.

Graves 2012, "Sequence Transduction with Recurrent Neural Networks", section 2.5; the
length penalty: Wu et al. 2016, section 7. What ends a search is decided as the
`transformers` library decides it, so that both find the same texts. Home notebook:
09_decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from llmkit.checks import check_choice, check_positive, check_shape, check_type
from llmkit.decoding import history
from llmkit.nn import evaluating


@dataclass(frozen=True)
class Hypothesis:
    """A finished continuation.

    Args:
        ids: the new tokens, the ending one included.
        log_prob: the sum of their log-probabilities, in nats.
        score: `log_prob` divided by a power of the length; the search maximises it.
        node: where the branch ends in `BeamSearch.nodes`.
    """

    ids: list[int]
    log_prob: float
    score: float
    node: int


@dataclass(frozen=True)
class Node:
    """One considered token: a node of the tree that a search grows.

    Args:
        step: when it was considered, from 0.
        parent: index of the node before it, or -1.
        token: its id.
        log_prob: of the token alone, in nats.
        total: of the whole branch.
        fate: "kept", "pruned" or "finished".
    """

    step: int
    parent: int
    token: int
    log_prob: float
    total: float
    fate: str


@dataclass
class BeamSearch:
    """What a search found, and how.

    Args:
        best: the finished continuations, best first.
        nodes: every candidate that was looked at, in order.
    """

    best: list[Hypothesis] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)


@torch.no_grad()
def beam_search(
    model,
    ids: Tensor,
    max_new_tokens: int,
    *,
    num_beams: int = 4,
    length_penalty: float = 1.0,
    early_stopping: bool | str = False,
    stop_ids: Sequence[int] = (),
    repetition_penalty: float = 1.0,
    no_repeat_ngram: int = 0,
    bad_words: Sequence[Sequence[int]] = (),
) -> BeamSearch:
    """Search for the likeliest continuation of one prompt.

    Args:
        model: a decoder, such as `GPT` or `Llama`.
        ids: the prompt, int64, (1, T), T at least 1.
        max_new_tokens: how many tokens to write at most.
        num_beams: K, how many branches live at a time.
        length_penalty: the power of the length by which a sum of log-probabilities is
            divided: 0 favours short texts, 1 compares means, more favours long ones.
        early_stopping: True ends when K branches are finished; False ends when none
            of the living ones looks better than the worst finished; "never" ends when
            none of them can become better.
        stop_ids: tokens that end a text.
        repetition_penalty: above 1 makes tokens that occurred less likely.
        no_repeat_ngram: the length of token runs that may not come twice; 0: all may.
        bad_words: runs of token ids that must not come. These three are as in
            `Sampling`; see `history`.

    Returns:
        The `BeamSearch`; `.best[0].ids` is the text that was found.

    Raises:
        ValueError: a setting is out of range, or the text would outgrow the context.
    """
    _check(model, ids, max_new_tokens, num_beams, early_stopping)
    with evaluating(model):
        state = _Beams(ids, num_beams, length_penalty, early_stopping, stop_ids)
        state.limit = max_new_tokens
        cache = model.new_cache()
        logits = model(ids, cache=cache).logits[:, -1].expand(num_beams, -1)
        cache.select(torch.zeros(num_beams, dtype=torch.int64, device=ids.device))
        while True:
            log_probs = logits.float().log_softmax(dim=-1)  # (K, V)
            for looks_back, value, off in (
                (history.repetition_penalty, repetition_penalty, 1),
                (history.no_repeat_ngram, no_repeat_ngram, 0),
                (history.bad_words, bad_words, ()),
            ):
                if value != off:
                    log_probs = looks_back(log_probs, state.ids, value)
            beams = state.grow(log_probs)
            if state.ended:
                break
            cache.select(beams)
            logits = model(state.ids[:, -1:], cache=cache).logits[:, -1]
    return state.result


class _Beams:
    """The living branches, the finished ones, and the rules between them."""

    def __init__(self, ids, num_beams, length_penalty, early_stopping, stop_ids):
        self.K, self.early = num_beams, early_stopping
        self.length_penalty = length_penalty
        self.stops = set(stop_ids)
        self.limit = 0
        self.step = 0
        self.ids = ids.expand(num_beams, -1)  # (K, T + step)
        self.prompt = ids.shape[1]
        # in the beginning all branches are the prompt: only the first one counts
        self.totals = torch.full((num_beams,), -1e9, device=ids.device)
        self.totals[0] = 0.0
        self.at = [-1] * num_beams  # each branch's node
        self.result = BeamSearch()
        self.ended = False

    def grow(self, log_probs: Tensor) -> Tensor:
        """Take one step in every branch; return the branches that live on, (K,)."""
        vocab = log_probs.shape[-1]
        sums = (log_probs + self.totals[:, None]).flatten()  # (K * V,)
        # every branch may end in every stop token, and K must be left to live on
        wanted = self.K * max(2, 1 + len(self.stops))
        best = sums.topk(min(wanted, len(sums)))
        last = self.step + 1 == self.limit
        living = []
        for rank, (total, flat) in enumerate(
            zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ):
            beam, token = divmod(flat, vocab)
            ends = last or token in self.stops
            own = float(log_probs[beam, token])
            fate = "pruned"
            if ends and rank < self.K and self._finish(beam, token, total):
                fate = "finished"
            elif not ends and len(living) < self.K:
                fate = "kept"
                living.append((beam, token, total, len(self.result.nodes)))
            node = Node(self.step, self.at[beam], token, own, total, fate)
            self.result.nodes.append(node)
        self.result.best.sort(key=lambda h: -h.score)
        del self.result.best[self.K :]
        self.step += 1
        self.ended = last or not living or self._nothing_to_gain(living[0][2])
        return self._live_on(living)

    def _finish(self, beam: int, token: int, total: float) -> bool:
        """Keep a finished text, unless the search takes no more."""
        if self.early is True and len(self.result.best) >= self.K:
            return False
        score = total / (self.step + 1) ** self.length_penalty
        new = [*self.ids[beam, self.prompt :].tolist(), token]
        hypothesis = Hypothesis(new, total, score, len(self.result.nodes))
        self.result.best.append(hypothesis)
        return True

    def _nothing_to_gain(self, best_living: float) -> bool:
        """Tell whether the finished texts can be left as they are."""
        finished = self.result.best
        if len(finished) < self.K:
            return False
        if self.early is True:
            return True
        length = self.step
        if self.early == "never" and self.length_penalty > 0:
            length = self.limit
        return best_living / length**self.length_penalty <= finished[-1].score

    def _live_on(self, living: list[tuple]) -> Tensor:
        """Lengthen the living branches by their new tokens."""
        device = self.ids.device
        beams = torch.tensor([b for b, *_ in living], dtype=torch.int64, device=device)
        tokens = torch.tensor([t for _, t, *_ in living], dtype=torch.int64)
        self.ids = torch.cat([self.ids[beams], tokens.to(device)[:, None]], dim=1)
        self.totals = torch.tensor([s for _, _, s, _ in living], device=device)
        self.at = [node for *_, node in living]
        return beams


def _check(model, ids, n, num_beams, early_stopping) -> None:
    sizes = check_shape("ids", ids, "1 T")
    if sizes["T"] == 0:
        raise ValueError("ids must hold at least one token; got none")
    check_type("max_new_tokens", n, int)
    check_positive("max_new_tokens", n)
    check_type("num_beams", num_beams, int)
    check_positive("num_beams", num_beams)
    check_choice("early_stopping", early_stopping, (False, True, "never"))
    room = model.config.context_length
    if sizes["T"] + n - 1 > room:
        raise ValueError(
            f"the prompt has {sizes['T']} tokens and max_new_tokens={n} more are "
            f"asked for, but context_length={room}; ask for fewer or shorten the prompt"
        )
