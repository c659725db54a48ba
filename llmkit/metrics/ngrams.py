"""Runs of n tokens, and how many of them two texts share.

BLEU, ROUGE and chrF differ in what a token is and in what they divide by; this is what
they have in common. Home notebook: 11_evaluation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def ngrams(tokens: Sequence[str], n: int) -> Counter:
    """Count every run of n neighbouring tokens.

    Args:
        tokens: words, or a string for its characters.
        n: how many stand together.

    Returns:
        How often each run (a tuple) occurs.
    """
    if isinstance(tokens, str):
        return Counter(tokens[i : i + n] for i in range(len(tokens) - n + 1))
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def clipped_matches(candidate: Counter, reference: Counter) -> int:
    """Count the runs that both hold, each no more often than the rarer side has it.

    Args:
        candidate: the runs of one text.
        reference: the runs of the other.
    """
    return sum(min(count, reference[run]) for run, count in candidate.items())


def reference_lists(candidates, references) -> list[list[str]]:
    """Check the texts of a corpus, and return a list of references for each.

    Args:
        candidates: N texts.
        references: for each a text or a list of texts.

    Raises:
        TypeError: candidates is a single text.
        ValueError: they are not equally many, or a candidate has no reference.
    """
    if isinstance(candidates, str) or isinstance(references, str):
        raise TypeError(
            "candidates and references must be lists with one entry for each text; "
            "got a single string. For one text there is sentence_bleu or sentence_chrf."
        )
    if len(candidates) != len(references) or not len(candidates):
        raise ValueError(
            "candidates and references must be equally many, at least one; got "
            f"{len(candidates)} and {len(references)}"
        )
    return [several(r) for r in references]


def several(references: str | Sequence[str]) -> list[str]:
    """Return the references of one text as a list.

    Args:
        references: one text, or several of which any may be matched.

    Raises:
        ValueError: there is none.
    """
    references = [references] if isinstance(references, str) else list(references)
    if not references:
        raise ValueError("references must hold at least one text; got none")
    return references
