"""`score` and `compare`: never a bare number, and the same numbers as the metrics."""

import numpy as np
import pytest

from llmkit.metrics import (
    bleu,
    chrf,
    class_scores,
    compare,
    entity_scores,
    exact_match,
    rouge,
    score,
    token_f1,
)
from llmkit.metrics.report import METRICS
from tests.metrics.texts import pairs

TEXTS = [(c, r) for c, r in pairs(seed=12, count=60)]


@pytest.fixture(scope="module")
def classes():
    rng = np.random.default_rng(0)
    targets = rng.choice(["no", "yes", "äh"], p=[0.5, 0.4, 0.1], size=120)
    kept = rng.random(120) < 0.7
    return np.where(kept, targets, rng.choice(["no", "yes"], 120)), targets


TAGS = [["B-A", "I-A", "O", "B-B"], ["O", "B-A", "O"], ["B-B"], ["O", "O"]]
FOUND = [["B-A", "I-A", "O", "O"], ["O", "B-B", "O"], ["B-B"], ["O", "B-A"]]


@pytest.mark.parametrize("metric", METRICS)
def test_it_prints_an_interval_and_a_baseline(metric, classes):
    said, right = (
        classes
        if metric in ("accuracy", "macro_f1", "micro_f1")
        else (FOUND, TAGS)
        if metric == "entity_f1"
        else map(list, zip(*TEXTS, strict=True))
    )
    report = score(said, right, metric)
    lines = str(report).split("\n")
    assert lines[0].startswith(f"{metric}: ")
    assert lines[1].startswith("baseline (")
    assert lines[2].startswith("difference: ")
    assert all("[" in line and "]" in line for line in lines[:3])
    assert repr(report) == str(report)
    assert report.score.low <= report.score.value <= report.score.high
    assert report.gain.difference.value == pytest.approx(
        report.score.value - report.baseline.value
    )


def test_the_numbers_are_those_of_the_metrics(classes):
    said, right = classes
    expected = class_scores(said, right)
    assert score(said, right, "macro_f1").score.value == pytest.approx(
        expected.macro[2]
    )
    assert score(said, right, "micro_f1").score.value == pytest.approx(
        expected.micro[2]
    )
    assert score(said, right).score.value == pytest.approx((said == right).mean())
    names = score(FOUND, TAGS, "entity_f1")
    assert names.score.value == entity_scores(FOUND, TAGS).micro[2]
    assert (names.baseline.value, names.beside) == (0, "no names")
    texts, references = map(list, zip(*TEXTS, strict=True))
    for metric, value in {
        "bleu": bleu(texts, references),
        "chrf": chrf(texts, references),
        "chrf++": chrf(texts, references, words=2),
        "exact_match": np.mean([exact_match(c, r) for c, r in TEXTS]),
        "token_f1": np.mean([token_f1(c, r) for c, r in TEXTS]),
        "rougeL": np.mean([rouge(c, r)["rougeL"].f1 for c, r in TEXTS]),
    }.items():
        assert score(texts, references, metric).score.value == pytest.approx(value)


def test_the_baseline_is_the_most_frequent_answer_or_the_one_given(classes):
    said, right = classes
    report = score(said, right)
    assert report.beside == "always 'no'"
    assert report.baseline.value == pytest.approx((right == "no").mean())
    given = score(said, right, baseline=right)
    assert (given.beside, given.baseline.value) == ("given", 1.0)


def test_compare_finds_the_better_and_not_the_equal(classes):
    said, right = classes
    assert compare(right, said, right).p < 0.001
    assert compare(said, said, right).p == 1
    worse = compare(said, right, right, "macro_f1").difference
    assert worse.high < 0


def test_few_and_perfect_examples_are_called_few():
    assert "too few examples" in str(score(["a", "b"], ["a", "b"], "macro_f1"))


def test_messages():
    with pytest.raises(ValueError, match="metric must"):
        score([1], [1], "accuraccy")
    with pytest.raises(ValueError, match="equally many; got 1 and 2"):
        score([1], [1, 2])
    with pytest.raises(ValueError, match="equally many; got 1 and 2"):
        compare([1], [1, 2], [1, 2])
