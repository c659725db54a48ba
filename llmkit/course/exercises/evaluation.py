"""Exercises of 11_evaluation: averages over classes, perplexity, calibration."""

from __future__ import annotations

import math

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.metrics import calibration_error, f1, perplexity

# --- macro F1 ------------------------------------------------------------------------


def _macro_f1(predictions, targets):
    """Return F1, averaged over the classes."""
    return f1(predictions, targets, average="macro")


def _f1_of(c, predictions, targets):
    hits = sum(p == t == c for p, t in zip(predictions, targets, strict=True))
    both = predictions.count(c) + targets.count(c)
    return 2 * hits / both if both else 0.0


def _mean_over(classes, predictions, targets):
    each = [_f1_of(c, predictions, targets) for c in sorted(classes)]
    return sum(each) / len(each)


def _macro_loop(predictions, targets):
    return _mean_over({*predictions, *targets}, predictions, targets)


def _macro_rates(predictions, targets):
    total, classes = 0.0, {*predictions, *targets}
    for c in classes:
        hits = sum(p == t == c for p, t in zip(predictions, targets, strict=True))
        chosen, true = predictions.count(c), targets.count(c)
        precision, recall = hits / max(chosen, 1), hits / max(true, 1)
        if hits:
            total += 2 * precision * recall / (precision + recall)
    return total / len(classes)


def _micro(predictions, targets):
    return sum(p == t for p, t in zip(predictions, targets, strict=True)) / len(targets)


def _weighted(predictions, targets):
    classes = set(targets)
    each = (targets.count(c) * _f1_of(c, predictions, targets) for c in classes)
    return sum(each) / len(targets)


def _macro_of_rates(predictions, targets):
    classes = sorted({*predictions, *targets})
    precisions, recalls = [], []
    for c in classes:
        hits = sum(p == t == c for p, t in zip(predictions, targets, strict=True))
        precisions.append(hits / max(predictions.count(c), 1))
        recalls.append(hits / max(targets.count(c), 1))
    precision, recall = sum(precisions) / len(classes), sum(recalls) / len(classes)
    both = precision + recall
    return 2 * precision * recall / both if both else 0.0


MACRO_F1 = Exercise(
    name="macro_f1",
    signature="macro_f1(predictions, targets)",
    reference=_macro_f1,
    cases=lambda: [
        Case([0, 0, 1, 2, 2, 2, 0], [0, 1, 1, 2, 2, 0, 0], note="three classes"),
        Case([0, 0, 0, 0, 0], [0, 0, 1, 0, 2], note="two classes are never chosen"),
        Case([3, 0, 1, 1], [0, 0, 1, 1], note="a class is chosen that nothing is"),
        Case(["no"] * 9 + ["yes"], ["no"] * 7 + ["yes"] * 3, note="a rare class"),
        Case([1], [1], note="one example"),
    ],
    right=(_macro_loop, _macro_rates),
    mistakes=(
        Mistake(
            "micro",
            "This is micro F1: all examples in one pot, which is the same as accuracy. "
            "Macro asks every class for its own F1 first.",
            _micro,
        ),
        Mistake(
            "weighted",
            "The classes are weighted by how many examples they have, so a rare class "
            "hardly counts. In the macro average every class counts alike.",
            _weighted,
        ),
        Mistake(
            "missing class",
            "Only the classes that were chosen are averaged, so a class that the "
            "system never finds costs nothing. Its F1 is 0, and it belongs in the "
            "mean.",
            lambda p, t: _mean_over(set(p), p, t),
        ),
        Mistake(
            "targets only",
            "A class that was chosen but is nowhere true is left out. It has F1 0, and "
            "scikit-learn counts it: take the classes of both lists.",
            lambda p, t: _mean_over(set(t), p, t),
        ),
        Mistake(
            "mean first",
            "Precision and recall were averaged over the classes first and F1 taken "
            "of the two means. Take F1 of each class, then the mean.",
            _macro_of_rates,
        ),
    ),
)

# --- perplexity of a corpus ----------------------------------------------------------


def _corpus_perplexity(losses, counts):
    """Return the perplexity of a corpus from the mean loss of each document."""
    total = sum(x * n for x, n in zip(losses, counts, strict=True))
    return perplexity(total / sum(counts))


def _weights(losses, counts):
    return zip(losses, counts, strict=True)


CORPUS_PERPLEXITY = Exercise(
    name="corpus_perplexity",
    signature="corpus_perplexity(losses, counts)",
    reference=_corpus_perplexity,
    cases=lambda: [
        Case([2.0, 4.0], [300, 100], note="a long and a short document"),
        Case([1.0, 3.0, 6.0], [10, 10, 10], note="documents of one length"),
        Case([2.5], [7], note="one document"),
    ],
    right=(
        lambda losses, counts: math.exp(
            sum(x * n for x, n in _weights(losses, counts)) / sum(counts)
        ),
        lambda losses, counts: math.prod(
            math.exp(x) ** (n / sum(counts)) for x, n in _weights(losses, counts)
        ),
    ),
    mistakes=(
        Mistake(
            "mean of perplexities",
            "The perplexities of the documents are averaged, so the single worst "
            "document decides. Average the losses, then take e to that power, once.",
            (
                lambda losses, counts: sum(map(math.exp, losses)) / len(losses),
                lambda losses, counts: (
                    sum(n * math.exp(x) for x, n in _weights(losses, counts))
                    / sum(counts)
                ),
            ),
        ),
        Mistake(
            "documents alike",
            "Every document counts alike, whatever its length. The mean runs over "
            "tokens: a document of 300 weighs three times one of 100.",
            lambda losses, counts: math.exp(sum(losses) / len(losses)),
        ),
        Mistake(
            "powers of two",
            "The losses are in nats, so e is the base. Two would be right for bits.",
            lambda losses, counts: (
                2 ** (sum(x * n for x, n in _weights(losses, counts)) / sum(counts))
            ),
        ),
        Mistake(
            "no exponential",
            "This is the mean loss. Perplexity is e to that power: among how many "
            "tokens the model is left guessing.",
            lambda losses, counts: (
                sum(x * n for x, n in _weights(losses, counts)) / sum(counts)
            ),
        ),
    ),
)

# --- calibration error ---------------------------------------------------------------


def _binned(confidence, right, bins):
    """Yield (examples, mean confidence, share right) for each bin that has any."""
    rows: dict[int, list] = {}
    for sure, hit in zip(confidence, right, strict=True):
        rows.setdefault(min(int(sure * bins), bins - 1), []).append((sure, hit))
    for row in rows.values():
        n = len(row)
        yield n, sum(s for s, _ in row) / n, sum(h for _, h in row) / n


def _ece_sums(confidence, right, bins):
    gaps = [0.0] * bins
    for sure, hit in zip(confidence, right, strict=True):
        gaps[min(int(sure * bins), bins - 1)] += sure - hit
    return sum(map(abs, gaps)) / len(right)


def _ece_bins(confidence, right, bins):
    found = _binned(confidence, right, bins)
    return sum(n * abs(sure - hit) for n, sure, hit in found) / len(right)


def _unweighted(confidence, right, bins):
    gaps = [abs(sure - hit) for _, sure, hit in _binned(confidence, right, bins)]
    return sum(gaps) / len(gaps)


ECE = Exercise(
    name="calibration_error",
    signature="calibration_error(confidence, right, bins)",
    reference=calibration_error,
    cases=lambda: [
        Case([0.95, 0.97, 0.93, 0.55, 0.15], [1, 1, 0, 1, 0], 10, note="ten bins"),
        Case([0.9, 0.85, 0.1, 0.2, 0.3], [0, 1, 0, 0, 1], 2, note="two bins"),
        Case([0.62, 0.71], [1, 0], 1, note="one bin"),
    ],
    right=(_ece_sums, _ece_bins),
    mistakes=(
        Mistake(
            "bins alike",
            "Every bin counts alike, even one with a single example. Weigh each gap by "
            "how many examples fall into its bin.",
            _unweighted,
        ),
        Mistake(
            "gaps cancel",
            "Too sure in one bin and too careful in another cancel out. Take the size "
            "of each gap, without its sign, before adding.",
            lambda c, r, bins: abs(
                sum(n * (sure - hit) for n, sure, hit in _binned(c, r, bins)) / len(r)
            ),
        ),
        Mistake(
            "example by example",
            "Confidence is compared with right or wrong for each single example. One "
            "example cannot be right seven times out of ten: only a bin can.",
            lambda c, r, bins: (
                sum(abs(sure - hit) for sure, hit in zip(c, r, strict=True)) / len(r)
            ),
        ),
    ),
)

EXERCISES = [MACRO_F1, CORPUS_PERPLEXITY, ECE]
