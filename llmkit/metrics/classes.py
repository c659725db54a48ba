"""Right and wrong answers counted by class: confusion, precision, recall and F1.

F1: van Rijsbergen 1979, "Information Retrieval", chapter 7. Home notebook:
11_evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmkit.checks import check_choice

AVERAGES = ("macro", "micro", "weighted")


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 of each of C classes, with their averages.

    Attributes:
        labels: the classes, C.
        precision: of the answers "this class", the share that is right, (C,).
        recall: of the examples of this class, the share that was found, (C,).
        f1: the harmonic mean of both, (C,).
        support: how many examples of the class there are, (C,).
        macro: (precision, recall, F1), every class counting alike.
        micro: the same, every example counting alike.
        weighted: the same, every class counting as much as it has examples.
    """

    labels: tuple
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    macro: tuple[float, float, float]
    micro: tuple[float, float, float]
    weighted: tuple[float, float, float]


def confusion_matrix(
    predictions: Sequence, targets: Sequence, labels: Sequence | None = None
) -> np.ndarray:
    """Count how often each class was taken for each.

    Args:
        predictions: the chosen classes, N: numbers or strings.
        targets: the true classes, N.
        labels: the C classes in the order wanted; None: all that occur, sorted.

    Returns:
        Counts, (C, C): row = true class, column = chosen class.

    Raises:
        ValueError: the lengths differ, or something is not among the labels.
    """
    labels = known_labels(predictions, targets) if labels is None else list(labels)
    place = {label: index for index, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for chosen, true in _pairs(predictions, targets):
        for name, label in (("predictions", chosen), ("targets", true)):
            if label not in place:
                raise ValueError(f"{name} must be among {labels}; got {label!r}")
        counts[place[true], place[chosen]] += 1
    return counts


def class_scores(
    predictions: Sequence, targets: Sequence, labels: Sequence | None = None
) -> ClassScores:
    """Return precision, recall and F1 of every class, and their three averages.

    A share of nothing counts as 0: a class that was never chosen has precision 0, and
    it pulls the macro average down as it should.

    Args:
        predictions: the chosen classes, N.
        targets: the true classes, N.
        labels: the classes that count; None: all that occur in either.

    Returns:
        A `ClassScores`.
    """
    labels = known_labels(predictions, targets) if labels is None else list(labels)
    matrix = confusion_matrix(predictions, targets, labels)
    return scores_from_counts(
        tuple(labels), np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    )


def scores_from_counts(labels: tuple, hits, chosen, true) -> ClassScores:
    """Turn three counts for each class into its scores.

    Args:
        labels: the classes, C.
        hits: how often the class was chosen and true, (C,).
        chosen: how often it was chosen, (C,).
        true: how often it was true, (C,).

    Returns:
        The `ClassScores`.
    """
    hits, chosen, true = (np.asarray(x, float) for x in (hits, chosen, true))
    # micro: one confusion for all classes together
    micro = precision_recall_f1(hits.sum(), chosen.sum(), true.sum())
    each = precision_recall_f1(hits, chosen, true)
    total = true.sum()
    macro = tuple(float(x.mean()) if len(labels) else 0.0 for x in each)
    weighted = tuple(float((x * true).sum() / total) if total else 0.0 for x in each)
    return ClassScores(labels, *each, true, macro, tuple(map(float, micro)), weighted)


def precision_recall_f1(hits, chosen, true):
    """Return precision, recall and F1 from counts, of any one shape.

    Args:
        hits: chosen and true.
        chosen: how often chosen.
        true: how often true.

    Returns:
        Three arrays of that shape; a share of nothing is 0.
    """
    return share(hits, chosen), share(hits, true), share(2.0 * hits, chosen + true)


def share(part, whole) -> np.ndarray:
    """Divide, with 0 where there is nothing to divide by.

    Args:
        part: counts, any shape.
        whole: counts, the same shape.

    Returns:
        float64, the same shape.
    """
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def precision(predictions, targets, average="macro", positive=None) -> float:
    """Of the answers "this class", return the share that is right.

    Args:
        predictions: the chosen classes, N.
        targets: the true classes, N.
        average: "macro", "micro" or "weighted"; see `ClassScores`.
        positive: look at this one class only.
    """
    return _one_number(0, predictions, targets, average, positive)


def recall(predictions, targets, average="macro", positive=None) -> float:
    """Of the examples of this class, return the share that was found.

    Args:
        predictions: the chosen classes, N.
        targets: the true classes, N.
        average: "macro", "micro" or "weighted"; see `ClassScores`.
        positive: look at this one class only.
    """
    return _one_number(1, predictions, targets, average, positive)


def f1(predictions, targets, average="macro", positive=None) -> float:
    """Return the harmonic mean of precision and recall.

    Args:
        predictions: the chosen classes, N.
        targets: the true classes, N.
        average: "macro", "micro" or "weighted"; see `ClassScores`.
        positive: look at this one class only.
    """
    return _one_number(2, predictions, targets, average, positive)


def _one_number(which: int, predictions, targets, average, positive) -> float:
    scores = class_scores(predictions, targets)
    if positive is None:
        check_choice("average", average, AVERAGES)
        return getattr(scores, average)[which]
    if positive not in scores.labels:
        raise ValueError(
            f"positive must be a class that occurs, one of {list(scores.labels)}; "
            f"got {positive!r}"
        )
    each = (scores.precision, scores.recall, scores.f1)[which]
    return float(each[scores.labels.index(positive)])


def known_labels(predictions, targets) -> list:
    """Return all classes that occur, sorted.

    Args:
        predictions: the chosen classes, N.
        targets: the true classes, N.
    """
    found = {label for pair in _pairs(predictions, targets) for label in pair}
    return sorted(found)


def _pairs(predictions, targets) -> list[tuple]:
    predictions, targets = plain_list(predictions), plain_list(targets)
    check_same_length(predictions, targets)
    return list(zip(predictions, targets, strict=True))


def plain_list(values) -> list:
    """Return a list of plain Python numbers or strings, from tensors too."""
    return list(values.tolist() if hasattr(values, "tolist") else values)


def check_same_length(predictions, targets) -> None:
    """Check that there is one prediction for each target.

    Args:
        predictions: one for each example.
        targets: one for each example.

    Raises:
        ValueError: there is not, or there are none at all.
    """
    if len(predictions) != len(targets):
        raise ValueError(
            "predictions and targets must be equally many; got "
            f"{len(predictions)} and {len(targets)}"
        )
    if not len(targets):
        raise ValueError("targets must hold at least one example; got none")
