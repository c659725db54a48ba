"""Topics: real passages, the same each time, no class on both sides of a split."""

import re
from collections import Counter

import pytest

from llmkit.data import TOPICS, datasheet, load_pydocs, load_topics
from llmkit.data.topics import LABEL_OF


@pytest.fixture(scope="module")
def rows():
    return load_topics()


@pytest.fixture(scope="module")
def documents():
    return list(load_pydocs("docstrings"))


def test_sizes(rows):
    sizes = Counter(row["split"] for row in rows)
    assert len(rows) >= 800
    assert sizes["train"] > 500
    assert min(sizes.values()) >= 80
    topics = Counter((row["split"], row["label"]) for row in rows)
    assert len(topics) == 3 * len(TOPICS)
    assert min(topics.values()) >= 5


def test_a_label_follows_from_the_module(rows):
    for row in rows:
        assert TOPICS[row["label"]] == LABEL_OF[row["module"]]


def test_passages_are_short_and_real(rows, documents):
    openings = {
        " ".join(document.text.strip().split("\n\n")[0].split())
        for document in documents
    }
    for row in rows:
        assert 60 <= len(row["text"]) <= 400
        assert row["text"] in openings


def test_no_two_passages_begin_alike(rows):
    openings = [re.sub(r"\W+", " ", row["text"].lower())[:40] for row in rows]
    assert len(set(openings)) == len(openings)


def test_no_class_lies_on_both_sides(rows, documents):
    split_of = {row["text"]: row["split"] for row in rows}
    splits = {}
    for document in documents:
        opening = " ".join(document.text.strip().split("\n\n")[0].split())
        module = document.group.split("/")[0].removesuffix(".py")
        if opening in split_of and module in LABEL_OF and "." in document.name:
            file, inner = document.name.split(":", 1)
            if inner.count("."):
                owner = (file, inner.split(".")[0])
                splits.setdefault(owner, Counter())[split_of[opening]] += 1
    # a text that two classes share was taken from the first one only
    mixed = [owner for owner, found in splits.items() if len(found) > 1]
    assert len(splits) > 100
    assert len(mixed) <= 0.02 * len(splits), mixed


def test_the_rows_are_the_callers_own(rows):
    changed = load_topics()
    changed[0]["text"] = "gone"
    assert load_topics() == rows


def test_the_datasheet_tells_of_this_data(rows):
    sheet = datasheet("topics")
    for topic in TOPICS:
        assert topic in sheet
    for word in ("Licence", "How made", "Limits"):
        assert f"**{word}**" in sheet or f"## {word}" in sheet
    # the rows depend a little on the version of Python
    said = int(re.search(r"([\d,]+) passages", sheet)[1].replace(",", ""))
    assert abs(len(rows) - said) < 0.1 * said
