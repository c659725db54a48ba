"""The reviews: balanced, varied, no leak between splits, no easy way round reading.

The bounds for variety come from a public corpus of film reviews, sentence polarity by
Pang and Lee (2005): in 1,783 of its sentences, drawn three times, 0.20 to 0.34% of the
five-word runs and 6.8 to 8.2% of the three-word openings occur in another one too.
"""

import itertools
import re
from collections import Counter

import pytest

from llmkit.data import datasheet, load_shipped

TAGS = {"plain", "negation", "contrast", "comparison", "irony", "mixed"}
SPLITS = ["train", "validation", "test"]


@pytest.fixture(scope="module")
def rows():
    return load_shipped("reviews")


def words(text):
    return re.findall(r"[\w']+", text.lower())


def part(rows, split):
    return [row for row in rows if row["split"] == split]


def shared(items_of_texts):
    """The share of items that occur in more than one of the texts."""
    counts = Counter(item for items in items_of_texts for item in set(items))
    total = sum(counts.values())
    return sum(count for count in counts.values() if count > 1) / total


def wilson(right, n):
    """The 95% interval of an accuracy."""
    z = 1.96
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5 / (1 + z * z / n)
    return middle - half, middle + half


def test_sizes(rows):
    sizes = Counter(row["split"] for row in rows)
    assert set(sizes) == set(SPLITS)
    assert len(rows) >= 1750
    assert sizes["train"] >= 1150
    assert sizes["validation"] >= 230
    assert sizes["test"] >= 250


def test_every_row_is_complete(rows):
    for row in rows:
        assert list(row) == ["split", "label", "tag", "domain", "text"]
        assert row["label"] in (0, 1)
        assert row["tag"] in TAGS
        assert row["domain"].isalpha(), row
        assert row["text"] == row["text"].strip()
        assert 10 <= len(row["text"]) <= 300, row


@pytest.mark.parametrize("split", SPLITS)
def test_labels_are_balanced_and_all_tags_are_there(rows, split):
    chosen = part(rows, split)
    positive = sum(row["label"] for row in chosen) / len(chosen)
    assert 0.48 <= positive <= 0.52
    pairs = Counter((row["tag"], row["label"]) for row in chosen)
    assert set(pairs) == set(itertools.product(TAGS, (0, 1)))
    assert min(pairs.values()) >= 4


def test_many_domains_each_with_both_labels(rows):
    labels = {}
    for row in rows:
        labels.setdefault(row["domain"], []).append(row["label"])
    assert len(labels) >= 30
    for domain, found in labels.items():
        assert 0.35 <= sum(found) / len(found) <= 0.65, domain


def test_no_two_reviews_are_alike(rows):
    """Character 5-grams: no pair shares half, in one split or across two."""
    texts = [re.sub(r"\W+", " ", row["text"].lower()).strip() for row in rows]
    grams = [{text[i : i + 5] for i in range(len(text) - 4)} for text in texts]
    alike = [
        (texts[i], texts[j])
        for i, j in itertools.combinations(range(len(texts)), 2)
        # two sets can share half only if neither is more than twice as large
        if len(grams[i]) <= 2 * len(grams[j]) and len(grams[j]) <= 2 * len(grams[i])
        if 3 * len(grams[i] & grams[j]) >= len(grams[i]) + len(grams[j])
    ]
    assert alike == []


def test_reviews_are_not_filled_in_templates(rows):
    runs = []
    for row in rows:
        found = words(row["text"])
        runs.append(list(zip(*(found[i:] for i in range(5)), strict=False)))
    assert shared(runs) <= 0.0026
    openings = [[" ".join(words(row["text"])[:3])] for row in rows]
    assert shared(openings) <= 0.068
    most_common = Counter(opening for (opening,) in openings).most_common(1)[0]
    assert most_common[1] <= 4, most_common


def test_labels_have_the_same_length(rows):
    lengths = {0: [], 1: []}
    for row in rows:
        lengths[row["label"]].append(len(words(row["text"])))
    mean = {label: sum(found) / len(found) for label, found in lengths.items()}
    assert abs(mean[0] - mean[1]) < 1.5


def right_on(rows, model, features, split="test"):
    """How many reviews a scikit-learn model gets right, and how many there are."""
    train, chosen = part(rows, "train"), part(rows, split)
    model.fit(features(train), [row["label"] for row in train])
    guesses = model.predict(features(chosen))
    right = sum(g == row["label"] for g, row in zip(guesses, chosen, strict=True))
    return right, len(chosen)


def test_guessing_the_majority_is_chance(rows):
    pytest.importorskip("sklearn")
    from sklearn.dummy import DummyClassifier

    right, n = right_on(rows, DummyClassifier(), lambda chosen: [[0] for _ in chosen])
    low, high = wilson(right, n)
    assert low <= 0.5 <= high


def lengths(chosen):
    """Characters, words, sentences."""
    return [
        [
            len(row["text"]),
            len(words(row["text"])),
            len(re.findall(r"[.!?]+", row["text"])),
        ]
        for row in chosen
    ]


def steps_of_length(chosen):
    """Longer than 0 words, than 5, than 10 …, as in notebook 11."""
    return [
        [float(len(row["text"].split()) > n) for n in range(0, 80, 5)] for row in chosen
    ]


@pytest.mark.parametrize("features", [lengths, steps_of_length])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_length_alone_tells_nothing(rows, split, features):
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression())
    low, high = wilson(*right_on(rows, model, features, split))
    assert low <= 0.5 <= high


def test_train_and_test_are_alike_kind_by_kind(rows):
    """The test split is every fifth review or so, in order of kind and length."""
    means = {}
    for row in rows:
        kind = row["split"], row["tag"], row["label"]
        means.setdefault(kind, []).append(len(words(row["text"])))
    for tag, label in itertools.product(TAGS, (0, 1)):
        train, test = (means[split, tag, label] for split in ("train", "test"))
        assert 0.19 <= len(test) / (len(train) + len(test)) <= 0.23
        assert abs(sum(train) / len(train) - sum(test) / len(test)) < 1


def test_a_bag_of_words_helps_but_not_enough(rows):
    pytest.importorskip("sklearn")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=3.0))
    right, n = right_on(rows, model, lambda chosen: [r["text"] for r in chosen])
    low, _ = wilson(right, n)
    assert low > 0.5, "a bag of words should find something"
    assert right / n < 0.92, "too easy: the words give the label away"


def test_the_datasheet_tells_the_true_numbers(rows):
    sheet = datasheet("reviews").replace(",", "")
    assert str(len(rows)) in sheet
    for split, size in Counter(row["split"] for row in rows).items():
        assert f"{size} {split}" in sheet
