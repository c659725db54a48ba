"""Counts by class, judged by scikit-learn on 1,000 random pairs."""

import warnings

import numpy as np
import pytest
import torch
from sklearn import metrics as judge

from llmkit.metrics import (
    accuracy,
    class_scores,
    confusion_matrix,
    f1,
    precision,
    recall,
)

NAMES = ["", "a", "né", "東京", "🙂"]


def pairs(count=1000):
    """Predictions and targets of 1 to 30 examples in up to five classes."""
    rng = np.random.default_rng(7)
    for _ in range(count):
        n, classes = rng.integers(1, 31), rng.integers(1, 6)
        targets = rng.integers(classes, size=n)
        kept = rng.random(n) < 0.6
        predictions = np.where(kept, targets, rng.integers(classes, size=n))
        yield [NAMES[i] for i in predictions], [NAMES[i] for i in targets]


@pytest.fixture(scope="module")
def some():
    return list(pairs())


@pytest.mark.filterwarnings("ignore:A single label")
def test_confusion_matrix(some):
    for predictions, targets in some:
        labels = sorted({*predictions, *targets})
        theirs = judge.confusion_matrix(targets, predictions, labels=labels)
        assert (confusion_matrix(predictions, targets) == theirs).all()


@pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.slow)])
def test_precision_recall_f1_of_every_class_and_their_averages(some, count):
    for predictions, targets in some[:count]:
        mine = class_scores(predictions, targets)
        for average, ours in (
            (None, (mine.precision, mine.recall, mine.f1, mine.support)),
            ("macro", mine.macro),
            ("micro", mine.micro),
            ("weighted", mine.weighted),
        ):
            theirs = judge.precision_recall_fscore_support(
                targets, predictions, average=average, zero_division=0
            )
            for a, b in zip(ours, theirs[: len(ours)], strict=True):
                np.testing.assert_allclose(a, b, atol=1e-6, rtol=0)


def test_single_numbers(some):
    for predictions, targets in some[:50]:
        for average in ("macro", "micro", "weighted"):
            options = {"average": average, "zero_division": 0}
            for ours, theirs in (
                (precision, judge.precision_score),
                (recall, judge.recall_score),
                (f1, judge.f1_score),
            ):
                expected = theirs(targets, predictions, **options)
                got = ours(predictions, targets, average)
                assert got == pytest.approx(expected, abs=1e-6)


def test_accuracy(some):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for predictions, targets in some:
            a, b = (
                torch.tensor([NAMES.index(x) for x in y])
                for y in (predictions, targets)
            )
            theirs = judge.accuracy_score(targets, predictions)
            assert accuracy(a, b).value == pytest.approx(theirs, abs=1e-6)


def test_one_class_as_the_positive_one():
    predictions, targets = [1, 1, 0, 0, 1], [1, 0, 1, 0, 1]
    for ours, theirs in (
        (precision, judge.precision_score),
        (recall, judge.recall_score),
        (f1, judge.f1_score),
    ):
        got = ours(predictions, targets, positive=1)
        assert got == pytest.approx(theirs(targets, predictions, pos_label=1))


def test_rows_are_true_and_columns_chosen():
    matrix = confusion_matrix(["a", "a", "b"], ["a", "b", "c"], labels=["a", "b", "c"])
    assert matrix.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_tensors_are_taken():
    assert f1(torch.tensor([1, 0]), torch.tensor([1, 1])) == f1([1, 0], [1, 1])


def test_messages():
    with pytest.raises(ValueError, match="equally many; got 1 and 2"):
        confusion_matrix([1], [1, 2])
    with pytest.raises(ValueError, match="at least one example; got none"):
        class_scores([], [])
    with pytest.raises(ValueError, match=r"targets must be among \[0\]; got 1"):
        confusion_matrix([0], [1], labels=[0])
    with pytest.raises(ValueError, match="average must"):
        f1([0], [1], average="mean")
    with pytest.raises(ValueError, match="positive must be a class that occurs"):
        f1([0], [1], positive=2)
