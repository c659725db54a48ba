"""Is this answer that answer? Exact match and token F1, as SQuAD counts them.

Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of Text",
section 6.1. Home notebook: 11_evaluation.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """Drop what does not make an answer wrong: case, punctuation, articles, spaces.

    Args:
        text: an answer.

    Returns:
        "The Eiffel-Tower!" becomes "eiffeltower": punctuation goes first, and leaves
        no space behind.
    """
    text = text.lower().translate(_NO_PUNCTUATION)
    text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join(text.split())


def exact_match(answer: str, targets: str | Sequence[str]) -> float:
    """Return 1 if the answer equals a right one after `normalize_answer`, else 0.

    Args:
        answer: what the system said; "" for "no answer".
        targets: one right answer, or several of which any will do.
    """
    given = normalize_answer(answer)
    return max(float(given == normalize_answer(t)) for t in _several(targets))


def token_f1(answer: str, targets: str | Sequence[str]) -> float:
    """Return how far the words of the answer and of a right one overlap.

    Args:
        answer: what the system said; "" for "no answer".
        targets: one right answer, or several of which the closest counts.

    Returns:
        The harmonic mean of "how much of what was said is right" and "how much of what
        is right was said"; words in any order, repeated ones as often as they stand
        in both.
    """
    given = normalize_answer(answer).split()
    return max(_overlap(given, normalize_answer(t).split()) for t in _several(targets))


def _overlap(given: list[str], right: list[str]) -> float:
    if not given or not right:
        # "no answer" is right when there is none, and is never half right
        return float(given == right)
    common = (Counter(given) & Counter(right)).total()
    return 2 * common / (len(given) + len(right))


def _several(targets: str | Sequence[str]) -> list[str]:
    targets = [targets] if isinstance(targets, str) else list(targets)
    if not targets:
        raise ValueError(
            "targets must hold at least one right answer; got none. A question "
            'without an answer has the right answer "".'
        )
    return targets
