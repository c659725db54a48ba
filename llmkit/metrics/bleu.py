"""BLEU: how many runs of one to four words a translation shares with a reference.

Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation";
smoothing: Chen and Cherry 2014, "A Systematic Comparison of Smoothing Techniques for
Sentence-Level BLEU". Scores run from 0 to 100. Home notebook: 11_evaluation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from llmkit.checks import check_choice, check_shape
from llmkit.metrics.ngrams import clipped_matches, ngrams, reference_lists, several
from llmkit.metrics.splitting import split_words

ORDER = 4  # runs of one to four words
# smoothing -> the value it uses
SMOOTHINGS = {"none": 0.0, "floor": 0.1, "add-k": 1.0, "exp": 0.0}


def bleu(
    candidates: Sequence[str],
    references: Sequence,
    smooth: str = "exp",
    tokenize: str = "13a",
    lowercase: bool = False,
) -> float:
    """Return the BLEU of a whole corpus: counts are added up, then divided once.

    Args:
        candidates: N translations.
        references: for each a text, or a list of texts that are all right.
        smooth: what a length without any match counts; see `bleu_from_counts`.
        tokenize: what a word is; see `split_words`.
        lowercase: whether case does not matter.

    Returns:
        0 to 100. It is not the mean of the sentences' scores.
    """
    rows = bleu_rows(candidates, references, tokenize, lowercase)
    return float(bleu_from_counts(rows.sum(axis=0), smooth))


def sentence_bleu(
    candidate: str,
    references: str | Sequence[str],
    smooth: str = "exp",
    tokenize: str = "13a",
    lowercase: bool = False,
) -> float:
    """Return the BLEU of one sentence, which is rough: most have few runs of four.

    Args:
        candidate: a translation.
        references: a text, or several that are all right.
        smooth: what a length without any match counts; see `bleu_from_counts`.
        tokenize: what a word is; see `split_words`.
        lowercase: whether case does not matter.

    Returns:
        0 to 100. Runs longer than the sentence itself are left out of the mean.
    """
    counts = bleu_counts(candidate, references, tokenize, lowercase)
    return float(bleu_from_counts(counts, smooth, effective_order=True))


def bleu_rows(
    candidates, references, tokenize: str = "13a", lowercase: bool = False
) -> np.ndarray:
    """Return what each text brings to the BLEU of a corpus.

    Args:
        candidates: N translations.
        references: for each a text, or a list of texts.
        tokenize: what a word is; see `split_words`.
        lowercase: whether case does not matter.

    Returns:
        (N, 10): one row of `bleu_counts` for each; for `bootstrap_interval` and
        `paired_test` with `bleu_from_counts` and `sums=True`.
    """
    pairs = zip(candidates, reference_lists(candidates, references), strict=True)
    return np.array([bleu_counts(c, r, tokenize, lowercase) for c, r in pairs])


def bleu_counts(
    candidate: str,
    references: str | Sequence[str],
    tokenize: str = "13a",
    lowercase: bool = False,
) -> np.ndarray:
    """Count the runs of words that a candidate shares with its references.

    Args:
        candidate: a translation.
        references: a text, or several.
        tokenize: what a word is; see `split_words`.
        lowercase: whether case does not matter.

    Returns:
        (10,): the candidate's length, that of the reference closest in length, the
        matches of length 1 to 4, and how many runs of each length there are.
    """
    if lowercase:
        candidate = candidate.lower()
        references = [r.lower() for r in several(references)]
    words = split_words(candidate, tokenize)
    others = [split_words(r, tokenize) for r in several(references)]
    closest = min((abs(len(o) - len(words)), len(o)) for o in others)[1]
    matches, totals = [], []
    for n in range(1, ORDER + 1):
        found, allowed = ngrams(words, n), Counter()
        for other in others:
            allowed |= ngrams(other, n)  # the most that any one reference has
        matches.append(clipped_matches(found, allowed))
        totals.append(found.total())
    return np.array([len(words), closest, *matches, *totals])


def bleu_from_counts(
    counts: np.ndarray,
    smooth: str = "exp",
    smooth_value: float | None = None,
    effective_order: bool = False,
) -> np.ndarray:
    """Turn counts, added up over any number of texts, into BLEU.

    Args:
        counts: (..., 10), as `bleu_counts` returns them.
        smooth: how a length without any match counts. "none": the score is 0.
            "floor": as `smooth_value` (0.1) of a match. "add-k": `smooth_value` (1) is
            added to matches and totals of runs of two and more. "exp": as half a
            match, the next such length a quarter, and so on.
        smooth_value: for "floor" and "add-k".
        effective_order: leave lengths out of the mean of which there is no run.

    Returns:
        (...): 0 to 100; 0 wherever not a single word matches.
    """
    check_choice("smooth", smooth, SMOOTHINGS)
    counts = np.asarray(counts, float)
    check_shape("counts", counts, "... K", K=2 + 2 * ORDER)
    value = SMOOTHINGS[smooth] if smooth_value is None else smooth_value
    length, wanted = counts[..., 0], counts[..., 1]
    matches, totals = counts[..., 2 : 2 + ORDER].copy(), counts[..., 2 + ORDER :].copy()
    any_match = (matches > 0).any(axis=-1)
    if smooth == "add-k":
        matches[..., 1:] += value
        totals[..., 1:] += value
    # from the first length without a single run on, nothing counts any more
    there = np.cumprod(totals > 0, axis=-1).astype(bool)
    missed = there & (matches == 0)
    if smooth == "exp":
        matches = np.where(missed, 0.5 ** np.cumsum(missed, axis=-1), matches)
    elif smooth == "floor":
        matches = np.where(missed, value, matches)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(matches / totals)
        if effective_order:
            logs = np.where(there, logs, 0.0)
            used = np.maximum(there.sum(axis=-1), 1)
        else:
            logs = np.where(there, logs, -np.inf)
            used = ORDER
        # a translation that is too short pays; precision alone would not notice
        short = np.where(length < wanted, 1 - wanted / length, 0.0)
        score = 100 * np.exp(short + logs.sum(axis=-1) / used)
    return np.where(any_match, score, 0.0)
