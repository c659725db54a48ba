"""Filters that reshape a next-token distribution before a word is drawn from it.

Each is one small function from logits to logits: what it drops becomes `-inf`, hence
probability 0 after the softmax. `Sampling` holds one setting of all of them and applies
them in the order in which the `transformers` library does: penalties first, then
temperature, then the cuts. The distributions are the same as that library's.

Papers: Fan et al. 2018 (top-k), Holtzman et al. 2020 (top-p), Nguyen et al. 2024
(min-p), Meister et al. 2023 (typical). Home notebook: 09_decoding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from llmkit.checks import check_positive, check_range, check_shape, check_type
from llmkit.decoding.history import bad_words, no_repeat_ngram, repetition_penalty


def temperature(logits: Tensor, value: float) -> Tensor:
    """Sharpen (below 1) or flatten (above 1) a distribution.

    Args:
        logits: (B, V).
        value: the temperature T, above 0; 1 changes nothing.

    Returns:
        `logits / T`, (B, V).

    Raises:
        ValueError: the temperature is 0 or below.
    """
    check_shape("logits", logits, "B V")
    if value == 0:
        raise ValueError(
            "temperature must be above 0 here; got 0. For the most likely token at "
            "every step take the largest logit, or call generate(temperature=0)"
        )
    check_positive("temperature", value)
    return logits / value


def top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k most likely tokens.

    Tokens that tie with the last one kept are kept too, so more than k may remain.

    Args:
        logits: (B, V).
        k: how many to keep, at least 1; more than V keeps all.

    Returns:
        The logits with everything else at `-inf`, (B, V).
    """
    check_shape("logits", logits, "B V")
    check_type("k", k, int)
    check_positive("k", k)
    least = logits.topk(min(k, logits.shape[-1])).values[:, -1:]  # (B, 1)
    return logits.masked_fill(logits < least, -math.inf)


def top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the nucleus: the fewest top tokens whose probabilities reach p.

    Args:
        logits: (B, V).
        p: the mass to reach, 0 to 1; the most likely token always stays.

    Returns:
        The logits with everything outside the nucleus at `-inf`, (B, V).
    """
    check_shape("logits", logits, "B V")
    check_range("p", p, 0, 1)
    # From the least likely upwards: drop while what is dropped is at most 1 - p.
    # Which of several equal logits goes first is left to the sort, as transformers
    # leaves it: how many go, and the mass that stays, do not depend on it.
    ascending, order = logits.sort(dim=-1)
    drop = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - p
    drop[:, -1] = False
    return logits.masked_fill(_unsort(drop, order), -math.inf)


def min_p(logits: Tensor, p: float) -> Tensor:
    """Keep the tokens at least p times as likely as the most likely one.

    Args:
        logits: (B, V).
        p: the share of the top probability, 0 (keep all) to 1 (keep the top).

    Returns:
        The logits with everything below at `-inf`, (B, V).
    """
    check_shape("logits", logits, "B V")
    check_range("p", p, 0, 1)
    probs = logits.softmax(dim=-1)
    return logits.masked_fill(probs < p * probs.amax(-1, keepdim=True), -math.inf)


def typical(logits: Tensor, mass: float) -> Tensor:
    """Keep the tokens whose surprise is closest to the expected surprise.

    The surprise of a token is -log p, and its expectation is the entropy. The most
    likely token itself may be dropped, when it is too predictable.

    Args:
        logits: (B, V).
        mass: the mass to reach, above 0 and below 1.

    Returns:
        The logits with the rest at `-inf`, (B, V).

    Raises:
        ValueError: the mass is 0, 1 or outside.
    """
    check_shape("logits", logits, "B V")
    if not 0 < mass < 1:
        raise ValueError(f"mass must lie between 0 and 1, ends excluded; got {mass!r}")
    log_probs = logits.log_softmax(dim=-1)
    # 0 * log 0 is NaN in floating point and 0 in the entropy's definition
    entropy = -(log_probs * log_probs.exp()).nansum(-1, keepdim=True)  # (B, 1)
    oddness, order = (-log_probs - entropy).abs().sort(dim=-1)  # (B, V)
    reached = logits.gather(-1, order).softmax(dim=-1).cumsum(dim=-1)
    last = (reached < mass).sum(-1, keepdim=True).clamp(max=logits.shape[-1] - 1)
    drop = oddness > oddness.gather(-1, last)
    drop[:, 0] = False
    return logits.masked_fill(_unsort(drop, order), -math.inf)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """One setting of every filter; the defaults leave the distribution alone."""

    temperature: float = 1.0  # 0: always the most likely token
    top_k: int = 0  # 0: off
    top_p: float = 1.0  # 1: off
    min_p: float = 0.0  # 0: off
    typical_p: float = 1.0  # 1: off
    repetition_penalty: float = 1.0  # 1: off
    no_repeat_ngram: int = 0  # 0: off
    bad_words: Sequence[Sequence[int]] = ()  # runs of token ids that must not come

    def __post_init__(self):
        check_range("temperature", self.temperature, 0, math.inf)
        check_type("top_k", self.top_k, int, "0 switches it off.")
        check_range("top_k", self.top_k, 0, math.inf)
        check_range("top_p", self.top_p, 0, 1)
        check_range("min_p", self.min_p, 0, 1)
        check_range("typical_p", self.typical_p, 1e-9, 1)
        check_positive("repetition_penalty", self.repetition_penalty)
        check_type("no_repeat_ngram", self.no_repeat_ngram, int, "0 switches it off.")
        check_range("no_repeat_ngram", self.no_repeat_ngram, 0, math.inf)
        if any(isinstance(w, (int, str)) or len(w) == 0 for w in self.bad_words):
            raise ValueError(
                "bad_words must be lists of at least one token id each, such as "
                f"[tokenizer.encode(' fox')]; got {self.bad_words!r}"
            )

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is taken without a draw."""
        return self.temperature == 0

    def steps(
        self, logits: Tensor, ids: Tensor | None = None, mask: Tensor | None = None
    ) -> Iterator[tuple[str, Tensor]]:
        """Apply the filters that are switched on, one after another.

        Args:
            logits: (B, V).
            ids: the text so far, (B, T); needed for the filters that look back.
            mask: bool, (B, T); False marks padding in `ids`.

        Yields:
            The filter's name, a field of this class, and the logits after it, (B, V).
        """
        looks_back = self.no_repeat_ngram or len(self.bad_words)
        if ids is None and (self.repetition_penalty != 1 or looks_back):
            raise ValueError(
                "ids must hold the text so far, (B, T), when repetition_penalty, "
                "no_repeat_ngram or bad_words is on; got None"
            )
        if self.repetition_penalty != 1:
            logits = repetition_penalty(logits, ids, self.repetition_penalty, mask)
            yield "repetition_penalty", logits
        if self.no_repeat_ngram:
            logits = no_repeat_ngram(logits, ids, self.no_repeat_ngram, mask)
            yield "no_repeat_ngram", logits
        if len(self.bad_words):
            logits = bad_words(logits, ids, self.bad_words, mask)
            yield "bad_words", logits
        if self.greedy:
            return
        for name, filter, off in (
            ("temperature", temperature, 1),
            ("top_k", top_k, 0),
            ("top_p", top_p, 1),
            ("min_p", min_p, 0),
            ("typical_p", typical, 1),
        ):
            value = getattr(self, name)
            if value != off:
                logits = filter(logits, value)
                yield name, logits

    def apply(
        self, logits: Tensor, ids: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Apply every filter that is switched on; see `steps` for the arguments.

        Returns:
            The filtered logits, (B, V).
        """
        return [logits, *(after for _, after in self.steps(logits, ids, mask))][-1]


def next_token_probabilities(
    logits: Tensor, ids: Tensor | None = None, **settings
) -> Tensor:
    """Turn the logits of one step into the distribution a token is drawn from.

    Args:
        logits: (B, V).
        ids: the text so far, (B, T); needed for the filters that look back.
        **settings: fields of `Sampling`, such as `temperature=0.7, top_p=0.9`.

    Returns:
        Probabilities, (B, V); each row sums to 1. At temperature 0 the most likely
        token has probability 1.
    """
    return probabilities(logits, ids, Sampling(**settings))


def probabilities(logits: Tensor, ids: Tensor | None, sampling: Sampling) -> Tensor:
    """Do the same as `next_token_probabilities`, with the settings as one object.

    Args:
        logits: (B, V).
        ids: the text so far, (B, T), or None.
        sampling: the settings.

    Returns:
        Probabilities, (B, V).
    """
    logits = sampling.apply(logits, ids)
    if sampling.greedy:
        best = logits.argmax(dim=-1, keepdim=True)
        return torch.zeros_like(logits).scatter(-1, best, 1.0)
    return logits.softmax(dim=-1)


def _unsort(values: Tensor, order: Tensor) -> Tensor:
    """Bring values back from sorted order to the order of the vocabulary."""
    return torch.empty_like(values).scatter(-1, order, values)
