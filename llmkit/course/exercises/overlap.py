"""Exercises of 11_evaluation on texts: n-gram precision, brevity, exact match."""

from __future__ import annotations

import math
import re
import string
from collections import Counter

from llmkit.course.compare import is_unfinished
from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.metrics import exact_match
from llmkit.metrics.ngrams import clipped_matches, ngrams

# --- n-gram precision ----------------------------------------------------------------


def _ngram_precision(candidate, reference, n):
    """Return the share of a candidate's runs of n that the reference confirms."""
    found = ngrams(candidate, n)
    return clipped_matches(found, ngrams(reference, n)) / max(found.total(), 1)


def _runs(words, n):
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def _precision_and(candidate, reference, n):
    a, b = Counter(_runs(candidate, n)), Counter(_runs(reference, n))
    return sum((a & b).values()) / sum(a.values()) if a else 0.0


def _precision_crossing_off(candidate, reference, n):
    left, hits = _runs(reference, n), 0
    for run in _runs(candidate, n):
        if run in left:
            left.remove(run)
            hits += 1
    return hits / max(1, len(candidate) - n + 1)


def _unclipped(candidate, reference, n):
    there, runs = set(_runs(reference, n)), _runs(candidate, n)
    return sum(run in there for run in runs) / max(len(runs), 1)


def _as_sets(candidate, reference, n):
    mine, there = set(_runs(candidate, n)), set(_runs(reference, n))
    return len(mine & there) / max(len(mine), 1)


_CAT = "the cat sat on the mat".split()

NGRAM_PRECISION = Exercise(
    name="ngram_precision",
    signature="ngram_precision(candidate, reference, n)",
    reference=_ngram_precision,
    cases=lambda: [
        Case("the the the the".split(), _CAT, 1, note="one word four times"),
        Case("the cat on the mat".split(), _CAT, 2, note="pairs"),
        Case("on the mat the cat sat on the mat".split(), _CAT, 3, note="n = 3"),
        Case(["cat"], _CAT, 2, note="too short for a pair"),
        Case(_CAT, ["mat"], 1, note="a short reference"),
    ],
    right=(_precision_and, _precision_crossing_off),
    mistakes=(
        Mistake(
            "no clipping",
            "A run counts as often as the candidate says it. Then one word, said again "
            "and again, is perfect. It may count only as often as it stands in the "
            "reference.",
            _unclipped,
        ),
        Mistake(
            "recall",
            "The matches are divided by the runs of the reference: that is recall, "
            "what ROUGE began with. Precision asks how much of the *candidate* is "
            "right.",
            lambda c, r, n: (
                sum((Counter(_runs(c, n)) & Counter(_runs(r, n))).values())
                / max(1, len(r) - n + 1)
            ),
        ),
        Mistake(
            "sets",
            "Runs are compared as sets, so a run that both texts hold twice counts "
            "once. `Counter` keeps how often each occurs.",
            _as_sets,
        ),
        Mistake(
            "single words",
            "Single words are compared, whatever n is. Runs of n neighbours carry the "
            "order.",
            lambda c, r, n: _precision_and(c, r, 1),
        ),
        Mistake(
            "divided by words",
            "The matches are divided by the number of words. A text of T words has "
            "T − n + 1 runs of n.",
            lambda c, r, n: (
                sum((Counter(_runs(c, n)) & Counter(_runs(r, n))).values())
                / max(1, len(c))
            ),
        ),
    ),
)

# --- brevity penalty -----------------------------------------------------------------


def _brevity_penalty(length, reference_length):
    """Return the factor by which BLEU punishes a translation that is too short."""
    if length >= reference_length:
        return 1.0
    return math.exp(1 - reference_length / length) if length else 0.0


BREVITY_PENALTY = Exercise(
    name="brevity_penalty",
    signature="brevity_penalty(length, reference_length)",
    reference=_brevity_penalty,
    cases=lambda: [
        Case(4, 10, note="too short"),
        Case(9, 10, note="a little too short"),
        Case(10, 10, note="just as long"),
        Case(20, 10, note="twice as long"),
    ],
    right=(
        lambda c, r: math.exp(min(0.0, 1 - r / c)),
        lambda c, r: 1 if c > r else math.e ** (1 - r / c),
    ),
    mistakes=(
        Mistake(
            "no penalty",
            "Every length gets 1, so the translation 'the' has perfect precision. "
            "Precision never notices what is missing: the penalty must.",
            lambda c, r: 1.0,
        ),
        Mistake(
            "reward",
            "A translation that is too long gets a factor above 1. Long ones already "
            "pay with precision: the factor stays at 1.",
            lambda c, r: math.exp(1 - r / c),
        ),
        Mistake(
            "upside down",
            "The ratio is upside down. At 4 words for 10 the exponent is 1 − 10/4.",
            lambda c, r: 1.0 if c >= r else math.exp(1 - c / r),
        ),
        Mistake(
            "plain ratio",
            "The factor is the plain ratio of the lengths. BLEU's is e to the power of "
            "1 − reference / candidate, which falls faster.",
            lambda c, r: min(1.0, c / r),
        ),
    ),
)

# --- exact match ---------------------------------------------------------------------


def _plain(text):
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return [word for word in kept.split() if word not in ("a", "an", "the")]


def _without_articles(text):
    return [word for word in text.split() if word not in ("a", "an", "the")]


def _em_regex(answer, target):
    def clean(text):
        text = re.sub("[" + re.escape(string.punctuation) + "]", "", text.lower())
        return " ".join(re.sub(r"\b(?:the|an|a)\b", "", text).split())

    return int(clean(answer) == clean(target))


def _call_for_number(function, *inputs):
    # True and 1 say the same here
    result = function(*inputs)
    return result if is_unfinished(result) else float(result)


EXACT_MATCH = Exercise(
    name="exact_match",
    signature="exact_match(answer, target)",
    reference=exact_match,
    cases=lambda: [
        Case("The Eiffel Tower.", "Eiffel tower", note="article, case, full stop"),
        Case("theory", "ory", note="'the' inside a word"),
        Case("in Paris", "Paris", note="a word too many"),
        Case("New  York", "new york", note="two spaces"),
        Case("New York!", "New York", note="punctuation"),
        Case("1990s", "1990s", note="the same"),
        Case("an apple", "apple", note="another article"),
        Case("PARIS", "Paris", note="case"),
        Case("John Paul", "Paul John", note="another order"),
        Case("so so", "so", note="a word twice"),
    ],
    right=(lambda a, t: _plain(a) == _plain(t), _em_regex),
    run=_call_for_number,
    mistakes=(
        Mistake(
            "no normalisation",
            "The texts are compared sign by sign. 'The Eiffel Tower.' is a right "
            "answer: drop case, punctuation, articles and spare spaces on both sides.",
            lambda a, t: a == t,
        ),
        Mistake(
            "case only",
            "Only case is dropped. Punctuation and the articles a, an, the are no "
            "reason to call an answer wrong either.",
            (lambda a, t: a.lower() == t.lower(),
             lambda a, t: a.lower().split() == t.lower().split()),
        ),
        Mistake(
            "articles count",
            "The articles a, an, the still count. Drop them, after the text is split "
            "into words.",
            lambda a, t: "".join(_keep(a)).split() == "".join(_keep(t)).split(),
        ),
        Mistake(
            "punctuation counts",
            "Punctuation still counts. Drop it before the text is split into words.",
            lambda a, t: _without_articles(a.lower()) == _without_articles(t.lower()),
        ),
        Mistake(
            "order forgotten",
            "The words are right, their order or their number is not, and the answer "
            "passes. Compare the lists of words as they stand.",
            (lambda a, t: sorted(_plain(a)) == sorted(_plain(t)),
             lambda a, t: set(_plain(a)) == set(_plain(t))),
        ),
        Mistake(
            "inside words",
            "Of 'theory' the letters 'the' are cut off too. Only whole words count.",
            lambda a, t: (
                "".join(re.sub("the|an|a", "", "".join(_keep(a))).split())
                == "".join(re.sub("the|an|a", "", "".join(_keep(t))).split())
            ),
        ),
        Mistake(
            "contains",
            "An answer that only contains the right one passes. Exact match asks for "
            "the whole answer; token F1 is there for halves.",
            lambda a, t: " ".join(_plain(t)) in " ".join(_plain(a)),
        ),
    ),
)  # fmt: skip


def _keep(text):
    return (c for c in text.lower() if c not in string.punctuation)


EXERCISES = [NGRAM_PRECISION, BREVITY_PENALTY, EXACT_MATCH]
