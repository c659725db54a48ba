"""Numbers that name what an attention head does.

Each function looks at the weights alone and returns one number for each head: how much
of its attention goes to the previous token, to a separator, to the same word elsewhere
and so on. A score of 1 means "always", 0 "never". Patterns after Clark et al. 2019
(sections 3 and 4), Olsson et al. 2022 (induction), Xiao et al. 2023 (sinks).
Home notebook: 04.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmkit.checks import check_shape


def row_entropy(weights) -> np.ndarray:
    """Return how many bits of choice a query has, on average over queries.

    Args:
        weights: rows that sum to 1, (..., T, S).

    Returns:
        (...): 0 where each query looks at one key, log2(S) where it looks at all alike.
    """
    weights = _array(weights)
    logs = np.log2(np.where(weights > 0, weights, 1))
    return -np.einsum("...ts,...ts->...", weights, logs) / weights.shape[-2]


def mean_distance(weights) -> np.ndarray:
    """Return how many tokens away a query looks, on average, left or right.

    Args:
        weights: (..., T, T).

    Returns:
        (...): in tokens.
    """
    weights = _square(weights)
    place = np.arange(weights.shape[-1])
    away = np.abs(place[:, None] - place).astype(weights.dtype)
    return np.einsum("...ts,ts->...", weights, away) / len(place)


def diagonal_score(weights) -> np.ndarray:
    """Return the attention from a token to itself.

    Args:
        weights: (..., T, T).

    Returns:
        (...): mean over the tokens.
    """
    return _offset_mean(_square(weights), 0)


def previous_token_score(weights) -> np.ndarray:
    """Return the attention from a token to the one before it.

    Args:
        weights: (..., T, T).

    Returns:
        (...): mean over all tokens but the first; not-a-number for a single token.
    """
    return _offset_mean(_square(weights), -1)


def next_token_score(weights) -> np.ndarray:
    """Return the attention from a token to the one after it.

    Args:
        weights: (..., T, T).

    Returns:
        (...): mean over all tokens but the last; not-a-number for a single token.
    """
    return _offset_mean(_square(weights), 1)


def separator_score(weights, separators) -> np.ndarray:
    """Return the attention from ordinary tokens to separators such as `[SEP]`.

    Args:
        weights: (..., T, T).
        separators: bool for each token, (T,).

    Returns:
        (...): mean over the tokens that are no separators; not-a-number without a
        separator or without any other token.
    """
    weights = _square(weights)
    marks = _marks("separators", separators, weights)
    if not marks.any():
        return np.full(weights.shape[:-2], np.nan)
    return _mean(weights[..., ~marks, :][..., marks].sum(-1))


def same_word_score(weights, words: Sequence) -> np.ndarray:
    """Return the attention from a word to its other occurrences.

    Args:
        weights: (..., T, T).
        words: what stands at each place: T ids or strings. None at a place leaves it
            out.

    Returns:
        (...): mean over the tokens that occur more than once; not-a-number if none.
    """
    weights = _square(weights)
    twins = _equal(words, weights)
    repeated = twins.any(-1)
    return _mean((weights * twins).sum(-1)[..., repeated])


def induction_score(weights, words: Sequence) -> np.ndarray:
    """Return the attention from a repeated token to what followed it last time(s).

    In "A B … A", an induction head looks from the second A to B, which lets a model
    continue with B.

    Args:
        weights: (..., T, T).
        words: what stands at each place: T ids or strings; None leaves a place out.

    Returns:
        (...): mean over the tokens seen before; not-a-number if none.
    """
    weights = _square(weights)
    earlier = np.tril(_equal(words, weights), -1)
    followers = np.zeros_like(earlier)
    followers[:, 1:] = earlier[:, :-1]
    # the one that follows the last occurrence may be the query itself: that is no look
    # back, so it does not count
    np.fill_diagonal(followers, False)
    seen = followers.any(-1)
    return _mean((weights * followers).sum(-1)[..., seen])


def sink_score(weights) -> np.ndarray:
    """Return the attention to the very first token, where idle heads rest.

    Args:
        weights: (..., T, S).

    Returns:
        (...): mean over all queries but the first; not-a-number for a single query.
    """
    return _mean(_array(weights)[..., 1:, 0])


def head_scores(weights, words=None, separators=None) -> dict[str, np.ndarray]:
    """Return every score that fits the weights.

    Args:
        weights: (..., T, S); cross-attention has S other than T.
        words: what stands at each place, for the scores of repetition.
        separators: bool for each token, (T,).

    Returns:
        Name to (...) array. Scores that are not-a-number for every head, such as the
        induction score of a text without repetition, are left out.
    """
    weights = _array(weights)
    scores = {"entropy": row_entropy(weights), "sink": sink_score(weights)}
    if weights.shape[-1] == weights.shape[-2]:
        scores["distance"] = mean_distance(weights)
        scores["diagonal"] = diagonal_score(weights)
        scores["previous token"] = previous_token_score(weights)
        scores["next token"] = next_token_score(weights)
        if separators is not None:
            scores["separator"] = separator_score(weights, separators)
        if words is not None:
            scores["same word"] = same_word_score(weights, words)
            scores["induction"] = induction_score(weights, words)
    return {name: s for name, s in scores.items() if not np.isnan(s).all()}


def _array(weights) -> np.ndarray:
    if hasattr(weights, "detach"):
        weights = weights.detach().cpu()
        # NumPy knows no bfloat16, and sums in 16 bits lose digits
        weights = (weights.float() if weights.element_size() < 4 else weights).numpy()
    weights = np.asarray(weights)
    check_shape("weights", weights, "... T S")
    return weights


def _square(weights) -> np.ndarray:
    weights = _array(weights)
    t, s = weights.shape[-2:]
    if t != s:
        raise ValueError(
            "this score compares places in one text, so weights must be (..., T, T); "
            f"got {t} queries and {s} keys"
        )
    return weights


def _marks(name: str, marks, weights) -> np.ndarray:
    marks = np.asarray(marks, dtype=bool)
    check_shape(name, marks, "T", T=weights.shape[-1])
    return marks


def _equal(words: Sequence, weights) -> np.ndarray:
    """Tell for each pair of different places whether the same word stands there."""
    if len(words) != weights.shape[-1]:
        raise ValueError(
            f"words must name each of the {weights.shape[-1]} tokens; got {len(words)}"
        )
    places: dict = {}
    index = [places.setdefault(w, len(places)) for w in words]
    index = np.array(
        [-1 if w is None else i for w, i in zip(words, index, strict=True)]
    )
    same = (index[:, None] == index) & (index >= 0)
    np.fill_diagonal(same, False)
    return same


def _offset_mean(weights, offset: int) -> np.ndarray:
    return _mean(np.diagonal(weights, offset, -2, -1))


def _mean(values) -> np.ndarray:
    """Return the mean over the last axis; not-a-number where it is empty."""
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan)
    return values.mean(-1)
