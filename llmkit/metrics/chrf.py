"""chrF: shared runs of one to six characters, so that a wrong ending costs little.

Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation"; chrF++ (with
words) 2017. Scores run from 0 to 100. Home notebook: 11_evaluation.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

from llmkit.metrics.classes import share
from llmkit.metrics.ngrams import clipped_matches, ngrams, reference_lists, several

CHARACTERS = 6  # runs of one to six characters
RECALL_WEIGHT = 2.0  # beta: recall counts twice as much as precision


def chrf(candidates: Sequence[str], references: Sequence, words: int = 0) -> float:
    """Return the chrF of a whole corpus.

    Args:
        candidates: N translations.
        references: for each a text, or a list of texts that are all right.
        words: also compare runs of up to so many words; 2 makes it chrF++.

    Returns:
        0 to 100.
    """
    rows = chrf_rows(candidates, references, words)
    return float(chrf_from_counts(rows.sum(axis=0)))


def sentence_chrf(
    candidate: str, references: str | Sequence[str], words: int = 0
) -> float:
    """Return the chrF of one sentence.

    Args:
        candidate: a translation.
        references: a text, or several that are all right.
        words: also compare runs of up to so many words; 2 makes it chrF++.

    Returns:
        0 to 100.
    """
    return float(chrf_from_counts(chrf_counts(candidate, references, words)))


def chrf_rows(candidates, references, words: int = 0) -> np.ndarray:
    """Return what each text brings to the chrF of a corpus.

    Args:
        candidates: N translations.
        references: for each a text, or a list of texts.
        words: also compare runs of up to so many words.

    Returns:
        (N, 3 * orders), for `bootstrap_interval` and `paired_test` with
        `chrf_from_counts` and `sums=True`.
    """
    pairs = zip(candidates, reference_lists(candidates, references), strict=True)
    return np.array([chrf_counts(c, r, words) for c, r in pairs])


def chrf_counts(
    candidate: str, references: str | Sequence[str], words: int = 0
) -> np.ndarray:
    """Count the shared runs of characters, and of words if wanted.

    Args:
        candidate: a translation.
        references: a text, or several; the one with the best score is taken.
        words: also compare runs of up to so many words.

    Returns:
        (3 * orders,): for each length how many runs the candidate has, how many the
        reference has, and how many match.
    """
    found = _runs(candidate, words)
    rows = [_compare(found, _runs(r, words)) for r in several(references)]
    return max(rows, key=lambda row: float(chrf_from_counts(row)))


def chrf_from_counts(counts: np.ndarray) -> np.ndarray:
    """Turn counts, added up over any number of texts, into chrF.

    Args:
        counts: (..., 3 * orders), as `chrf_counts` returns them.

    Returns:
        (...): 0 to 100.
    """
    counts = np.asarray(counts, float)
    found, wanted, matches = (counts[..., i::3] for i in range(3))
    # a length that one side is too short for says nothing
    both = (found > 0) & (wanted > 0)
    orders = both.sum(axis=-1)
    precision = share((share(matches, found) * both).sum(axis=-1), orders)
    recall = share((share(matches, wanted) * both).sum(axis=-1), orders)
    weight = RECALL_WEIGHT**2
    top = (1 + weight) * precision * recall
    return 100 * share(top, weight * precision + recall)


def _runs(text: str, words: int) -> list[Counter]:
    letters = "".join(text.split())
    runs = [ngrams(letters, n) for n in range(1, CHARACTERS + 1)]
    parts = _words(text) if words else []
    return runs + [ngrams(parts, n) for n in range(1, words + 1)]


def _words(text: str) -> list[str]:
    """Cut at spaces, and one mark of punctuation off the end or else the beginning."""
    parts = []
    for word in text.split():
        if len(word) > 1 and word[-1] in string.punctuation:
            parts += [word[:-1], word[-1]]
        elif len(word) > 1 and word[0] in string.punctuation:
            parts += [word[0], word[1:]]
        else:
            parts.append(word)
    return parts


def _compare(found: list[Counter], wanted: list[Counter]) -> np.ndarray:
    counts = []
    for mine, other in zip(found, wanted, strict=True):
        # runs of a length that the reference does not have are not held against it
        mine_total = mine.total() if other else 0
        counts += [mine_total, other.total(), clipped_matches(mine, other)]
    return np.array(counts)
