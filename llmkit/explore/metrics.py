"""Edit a sentence and watch every text metric judge it.

Home notebook: 11_evaluation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from llmkit.checks import check_choice, check_type
from llmkit.metrics import exact_match, rouge, sentence_chrf, token_f1
from llmkit.metrics.bleu import bleu_counts, bleu_from_counts
from llmkit.metrics.ngrams import ngrams
from llmkit.metrics.splitting import SPLITTERS, split_words
from llmkit.viz.metric_meter import ORDERS, MetricMeter

# name, candidate, references, what it teaches
SAMPLES = (
    (
        "a good translation",
        "The old bridge was closed last night because of the storm.",
        ["The old bridge was closed yesterday evening because of the storm."],
        "Two words differ. BLEU loses more than a third, because every run that "
        "crosses them is lost too. Mark runs of 4 to see it.",
    ),
    (
        "same meaning, other words",
        "Owing to the gale, nobody could cross the ancient bridge yesterday evening.",
        ["The old bridge was closed last night because of the storm."],
        "A fine translation with hardly a common run: BLEU is close to nothing. It "
        "counts words, not meaning.",
    ),
    (
        "one word, opposite meaning",
        "The old bridge was not closed last night because of the storm.",
        ["The old bridge was closed last night because of the storm."],
        "The reader is told the opposite, and every score is high.",
    ),
    (
        "a wrong number",
        "The patient should take 50 mg of it after breakfast every morning.",
        ["The patient should take 5 mg of it after breakfast every morning."],
        "Ten times the dose, and almost full marks.",
    ),
    (
        "words out of order",
        "storm the of because night last closed was bridge old The",
        ["The old bridge was closed last night because of the storm."],
        "ROUGE-1 and token F1 see a bag of words: nearly perfect. Runs of two and more "
        "see that nothing stands where it should.",
    ),
    (
        "one word again and again",
        "the the the the the the the the the the the",
        ["The old bridge was closed last night because of the storm."],
        "Every word stands in the reference, but only as often as there does it "
        "count. Without this rule a single word would get full precision.",
    ),
    (
        "too short",
        "because of the storm",
        ["The old bridge was closed last night because of the storm."],
        "Every run matches, so precision is perfect. Only the brevity penalty, and "
        "recall in ROUGE and chrF, see what is missing.",
    ),
    (
        "an answer to a question",
        "The Eiffel Tower.",
        ["Eiffel Tower", "the tower of Gustave Eiffel"],
        "Exact match forgives the article and the full stop. Each line is one right "
        "answer; the closest counts.",
    ),
    (
        "Chinese",
        "昨天晚上旧桥因为风暴关闭了。",
        ["由于风暴，旧桥昨晚关闭了。"],
        "No spaces, so for the splitter 13a the whole sentence is one word. Choose zh "
        "or char; chrF never needed words. ROUGE sees no letters from a to z at all.",
    ),
)
LABELS = {
    "13a": "13a: Western punctuation apart",
    "intl": "intl: all punctuation apart",
    "zh": "zh: each Chinese sign a word",
    "char": "char: each character a word",
    "none": "none: at spaces only",
}


def metrics(
    candidate: str = SAMPLES[0][1],
    references: str | Sequence[str] = tuple(SAMPLES[0][2]),
    samples: Sequence[Sequence] = SAMPLES,
    splitter: str = "13a",
    **traits,
) -> MetricMeter:
    """Show how every text metric judges a candidate, live while it is edited.

    Args:
        candidate: what a system wrote.
        references: a right text, or several.
        samples: rows of name, candidate, references, lesson to choose from.
        splitter: what a word is for BLEU; see `metrics.splitting.split_words`.
        **traits: choices to begin with, such as `order=2`.

    Returns:
        The view. Read it back with `.scores()` and `.selection`.
    """
    check_type("candidate", candidate, str)
    check_choice("splitter", splitter, SPLITTERS)
    references = [references] if isinstance(references, str) else list(references)
    splitters = [(name, LABELS[name]) for name in SPLITTERS]
    return MetricMeter(
        measure, candidate, references, samples, splitters, splitter=splitter, **traits
    )


def measure(candidate: str, references: Sequence[str], splitter: str = "13a") -> dict:
    """Return the scores of a candidate, and which of its words match.

    Args:
        candidate: what a system wrote.
        references: the right texts.
        splitter: what a word is for BLEU.

    Returns:
        What `MetricMeter` shows.
    """
    references = list(references)
    counts = bleu_counts(candidate, references, splitter)
    words = split_words(candidate, splitter)
    others = [split_words(r, splitter) for r in references]
    shared = rouge(candidate, references)
    bleu = float(bleu_from_counts(counts, effective_order=True))
    scores = [
        ["BLEU", bleu, 100],
        ["chrF", sentence_chrf(candidate, references), 100],
        ["chrF++", sentence_chrf(candidate, references, words=2), 100],
        *([f"ROUGE-{k}", shared[f"rouge{k}"].f1, 1] for k in "12L"),
        ["token F1", token_f1(candidate, references), 1],
        ["exact match", exact_match(candidate, references), 1],
    ]
    hits, totals = counts[2 : 2 + len(ORDERS)], counts[2 + len(ORDERS) :]
    allowed = [_most(others, n) for n in ORDERS]
    found = [ngrams(words, n) for n in ORDERS]
    return {
        "scores": scores,
        "words": words,
        "states": [states(words, allowed[n - 1], n) for n in ORDERS],
        "references": [
            {"words": o, "states": [states(o, found[n - 1], n) for n in ORDERS]}
            for o in others
        ],
        "runs": [[n, int(hits[n - 1]), int(totals[n - 1])] for n in ORDERS],
        "note": _penalty(int(counts[0]), int(counts[1])),
    }


def states(words: Sequence[str], allowed: Counter, n: int) -> list[str]:
    """Say for each word whether a run of n around it stands on the other side.

    Args:
        words: one text.
        allowed: the runs of the other side, and how often each may count.
        n: the length of a run.

    Returns:
        For each word "hit", "clip" (there, but used up), "miss" or "none" (the text is
        shorter than a run).
    """
    if len(words) < n:
        return ["none"] * len(words)
    found = ["miss"] * len(words)
    left = Counter(allowed)
    for start in range(len(words) - n + 1):
        run = tuple(words[start : start + n])
        if allowed[run]:
            state = "hit" if left[run] > 0 else "clip"
            left[run] -= 1
            for place in range(start, start + n):
                # a word is in several runs; the best of them counts
                found[place] = "hit" if "hit" in (state, found[place]) else state
    return found


def _most(others: list[list[str]], n: int) -> Counter:
    allowed: Counter = Counter()
    for other in others:
        allowed |= ngrams(other, n)
    return allowed


def _penalty(length: int, wanted: int) -> str:
    if not length:
        return "Nothing is said, so nothing can match."
    said = f"{length} words, the closest reference has {wanted}: "
    if length >= wanted:
        return said + "no brevity penalty."
    return said + f"the brevity penalty is {math.exp(1 - wanted / length):.2f}."
