"""Pairs of passages for next-sentence prediction: does the second follow the first?

Devlin et al. 2019, "BERT", section 3.1. Home notebook: 08_pretraining_bert.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llmkit.checks import check_choice, check_count, check_type

KINDS = ("next", "order")
# the end of a sentence: a mark, then a blank and something that can begin one
_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(\[]?[A-Z0-9])")


@dataclass(frozen=True)
class Pair:
    """Two passages, and whether the second follows the first.

    Args:
        first: some sentences in a row.
        second: as `first`.
        follows: whether they stood like this in one document.
    """

    first: str
    second: str
    follows: bool


def split_sentences(text: str) -> list[str]:
    """Cut a text after full stops, question marks and exclamation marks.

    It knows no abbreviations: "e.g. Anna" is cut in two. Paragraphs are cut as well.

    Args:
        text: any text.

    Returns:
        The sentences, each on one line, without empty ones.
    """
    check_type("text", text, str)
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        found += _END.split(" ".join(paragraph.split()))
    return [sentence for sentence in found if sentence]


def sentence_pairs(
    documents: Iterable[Sequence[str]],
    n: int,
    source: random.Random,
    longest: int = 3,
    kind: str = "next",
) -> list[Pair]:
    """Draw pairs of passages, half of which belong together.

    A document is cut between two sentences. The first passage is what stands before
    the cut. The second one is what stands behind it, or, in half of the draws, behind
    a cut of another document. So first and second passages are drawn alike, whether
    they belong together or not: neither gives the answer away alone.

    Args:
        documents: sentences in order, such as `story.sentences`; those with fewer than
            two sentences are left out.
        n: how many pairs.
        source: where randomness comes from.
        longest: the most sentences in a passage; each passage has 1 to `longest`.
        kind: "next" takes wrong second passages from other documents, as BERT did;
            "order" exchanges the two passages instead, as ALBERT did.

    Returns:
        The pairs.

    Raises:
        ValueError: there are fewer than two documents to draw from.
    """
    check_choice("kind", kind, KINDS)
    check_count("n", n)
    check_count("longest", longest)
    usable = [list(document) for document in documents if len(document) > 1]
    if len(usable) < 2:
        raise ValueError(
            "documents must hold at least two documents of two sentences or more; "
            f"got {len(usable)}"
        )
    return [_draw(usable, source, longest, kind) for _ in range(n)]


def _draw(documents: list, source: random.Random, longest: int, kind: str) -> Pair:
    here = source.randrange(len(documents))
    cut = source.randrange(1, len(documents[here]))
    before, after = source.randint(1, longest), source.randint(1, longest)
    first = documents[here][max(0, cut - before) : cut]
    second = documents[here][cut : cut + after]
    follows = source.random() < 0.5
    if not follows and kind == "order":
        first, second = second, first
    elif not follows:
        # any document but this one
        other = source.randrange(len(documents) - 1)
        other = documents[other + (other >= here)]
        cut = source.randrange(1, len(other))
        second = other[cut : cut + after]
    return Pair(" ".join(first), " ".join(second), follows)
