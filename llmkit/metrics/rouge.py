"""ROUGE: how much of a reference summary a summary brings back.

Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries". Scores run from 0
to 1. Home notebook: 11_evaluation.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from llmkit.metrics.ngrams import clipped_matches, ngrams, several
from llmkit.metrics.stemming import stem as porter_stem

KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")


class Overlap(NamedTuple):
    """How far two texts overlap, seen from each side."""

    precision: float
    recall: float
    f1: float


def rouge(
    candidate: str, references: str | Sequence[str], stem: bool = False
) -> dict[str, Overlap]:
    """Compare a summary with a reference.

    Args:
        candidate: a summary.
        references: a text, or several; for each kind the best one counts.
        stem: whether endings do not matter ("walked" and "walks").

    Returns:
        "rouge1", "rouge2": shared words and pairs of words. "rougeL": the longest
        sequence of words that both have in this order, with gaps. "rougeLsum": the
        same, sentence by sentence; sentences end at a line break.
    """
    each = [_compare(candidate, reference, stem) for reference in several(references)]
    return {k: max((one[k] for one in each), key=lambda x: x.f1) for k in KINDS}


def rouge_words(text: str, stem: bool = False) -> list[str]:
    """Cut a text into lowercase words of the letters a to z and the digits.

    Args:
        text: any text. Letters with accents and other scripts count as spaces: ROUGE
            was written for English.
        stem: cut the endings off words of more than three letters.
    """
    words = re.findall(r"[a-z0-9]+", text.lower())
    return [porter_stem(w) if len(w) > 3 else w for w in words] if stem else words


def longest_common(a: Sequence[str], b: Sequence[str]) -> list[int]:
    """Find the longest sequence that two texts have in common, gaps allowed.

    Args:
        a: the words of one text.
        b: the words of the other.

    Returns:
        The places of its words in `a`.
    """
    # best[i][j]: how long it is for the first i words of a and the first j of b
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, mine in enumerate(a):
        for j, other in enumerate(b):
            if mine == other:
                best[i + 1][j + 1] = best[i][j] + 1
            else:
                best[i + 1][j + 1] = max(best[i][j + 1], best[i + 1][j])
    places = []
    i, j = len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            places.append(i)
        elif best[i][j - 1] > best[i - 1][j]:
            j -= 1
        else:
            i -= 1
    return places[::-1]


def _compare(candidate: str, reference: str, stem: bool) -> dict[str, Overlap]:
    mine, other = rouge_words(candidate, stem), rouge_words(reference, stem)
    scores = {}
    for n in (1, 2):
        a, b = ngrams(mine, n), ngrams(other, n)
        scores[f"rouge{n}"] = _overlap(clipped_matches(a, b), a.total(), b.total())
    common = len(longest_common(other, mine))
    scores["rougeL"] = _overlap(common, len(mine), len(other))
    lines, others = _lines(candidate, stem), _lines(reference, stem)
    common = _common_by_sentence(lines, others)
    sizes = (sum(map(len, lines)), sum(map(len, others)))
    scores["rougeLsum"] = _overlap(common, *sizes)
    return scores


def _lines(text: str, stem: bool) -> list[list[str]]:
    return [rouge_words(line, stem) for line in text.split("\n") if line]


def _common_by_sentence(mine, others) -> int:
    """Count the words of each reference sentence that any sentence has in order."""
    left = Counter(w for s in mine for w in s)
    hits = 0
    for reference in others:
        places = set().union(*(longest_common(reference, s) for s in mine))
        for word in (reference[i] for i in sorted(places)):
            # no word of the candidate may be counted twice
            if left[word] > 0:
                left[word] -= 1
                hits += 1
    return hits


def _overlap(common: int, found: int, wanted: int) -> Overlap:
    if not common:
        return Overlap(0.0, 0.0, 0.0)
    precision, recall = common / found, common / wanted
    return Overlap(precision, recall, 2 * precision * recall / (precision + recall))
