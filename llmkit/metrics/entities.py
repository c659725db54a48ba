"""Names in a text count as found only if whole and of the right kind.

The rule of the CoNLL-2000 evaluation for tags such as B-PER, I-PER, O (also E- for the
last and S- for a single word). Home notebook: 11_evaluation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llmkit.metrics.classes import (
    ClassScores,
    check_same_length,
    scores_from_counts,
)


def entities(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """Read the names off the tags of one sentence.

    Args:
        tags: one for each word: "O", or a letter of B, I, E, S, a hyphen and a kind.

    Returns:
        A set of (kind, first word, last word).

    Raises:
        ValueError: a tag is of another shape.
    """
    found = set()
    start, before, kind = None, "O", ""
    for place, tag in enumerate([*tags, "O"]):
        letter, now = _split(tag)
        # a name begins at B and S, and wherever the last one cannot go on
        begins = letter != "O" and (letter in "BS" or before in "ESO" or now != kind)
        if start is not None and (begins or letter == "O"):
            found.add((kind, start, place - 1))
            start = None
        if begins:
            start = place
        before, kind = letter, now
    return found


def entity_scores(
    predictions: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]
) -> ClassScores:
    """Return precision, recall and F1 of the names found, for each kind.

    Args:
        predictions: for each sentence the tags that the system gave.
        targets: for each sentence the right tags.

    Returns:
        A `ClassScores` whose classes are the kinds of name; `micro` is what papers
        report.

    Raises:
        ValueError: the sentences do not have as many tags.
    """
    hits, chosen, true = Counter(), Counter(), Counter()
    for row in entity_counts(predictions, targets):
        for counter, kinds in zip((hits, chosen, true), row, strict=True):
            counter.update(kinds)
    kinds = tuple(sorted({*chosen, *true}))
    counts = ([counter[k] for k in kinds] for counter in (hits, chosen, true))
    return scores_from_counts(kinds, *counts)


def entity_counts(predictions, targets) -> list[tuple[Counter, Counter, Counter]]:
    """Count the names of each sentence by kind: found rightly, found, there.

    Args:
        predictions: for each sentence the tags that the system gave.
        targets: for each sentence the right tags.

    Returns:
        For each sentence three counts by kind.

    Raises:
        ValueError: a sentence has not one tag for each word.
    """
    check_same_length(predictions, targets)
    rows = []
    for number, (given, right) in enumerate(zip(predictions, targets, strict=True)):
        if len(given) != len(right):
            raise ValueError(
                f"sentence {number} must have one tag for each of its {len(right)} "
                f"words; got {len(given)}"
            )
        found, there = entities(given), entities(right)
        rows.append(tuple(Counter(k for k, _, _ in s) for s in (found & there, found)))
        rows[-1] += (Counter(kind for kind, _, _ in there),)
    return rows


def _split(tag: str) -> tuple[str, str]:
    letter, hyphen, kind = tag[:1], tag[1:2], tag[2:]
    if tag == "O":
        return "O", ""
    if letter not in tuple("BIES") or hyphen != "-":
        raise ValueError(
            'a tag must be "O" or one of B, I, E, S with a hyphen and a kind, such as '
            f'"B-PER"; got {tag!r}'
        )
    return letter, kind or "_"
