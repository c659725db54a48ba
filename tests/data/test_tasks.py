"""One door for the kit's tasks and the Hub's: the same splits and features."""

import sys

import pytest

from llmkit.data import TOPICS, load_shipped, load_task

datasets = pytest.importorskip("datasets")


def on_the_hub(monkeypatch, **splits):
    """Let `load_dataset` answer with splits given as lists of labels."""
    made = {}
    for name, (column, labels) in splits.items():
        texts = [f"{name} {i}" for i in range(len(labels))]
        made[name] = datasets.Dataset.from_dict({column: texts, "label": labels})
    monkeypatch.setattr(
        datasets, "load_dataset", lambda *_, **__: datasets.DatasetDict(made)
    )


def test_reviews_look_like_a_data_set_of_the_hub():
    task = load_task("reviews")
    assert list(task) == ["train", "validation", "test"]
    for split in task.values():
        assert split.column_names == ["text", "label", "tag", "domain"]
        assert split.features["label"].names == ["negative", "positive"]
        assert set(split["label"]) == {0, 1}


def test_topics_look_alike_too():
    task = load_task("topics")
    assert list(task) == ["train", "validation", "test"]
    for split in task.values():
        assert split.column_names == ["text", "label", "module"]
        assert split.features["label"].names == TOPICS
        assert set(split["label"]) == set(range(len(TOPICS)))


def test_the_task_holds_exactly_the_shipped_rows():
    rows = load_shipped("reviews")
    task = load_task("reviews")
    for name, split in task.items():
        want = [row["text"] for row in rows if row["split"] == name]
        assert list(split["text"]) == want
    assert sum(map(len, task.values())) == len(rows)


def test_a_missing_validation_split_is_cut_from_train(monkeypatch):
    """As IMDb: train, test and a split without labels."""
    on_the_hub(
        monkeypatch,
        train=("text", [0, 1] * 30),
        test=("text", [0, 1] * 5),
        unsupervised=("text", [-1] * 7),
    )
    task = load_task("owner/films")
    sizes = {name: len(split) for name, split in task.items()}
    assert sizes == {"train": 54, "validation": 6, "test": 10}
    train, validation = set(task["train"]["text"]), set(task["validation"]["text"])
    assert not train & validation
    again = load_task("owner/films")
    assert list(again["validation"]["text"]) == list(task["validation"]["text"])


def test_a_test_split_without_labels_is_replaced(monkeypatch):
    """As SST-2: the text is called `sentence`, the labels of test are secret."""
    on_the_hub(
        monkeypatch,
        train=("sentence", [0, 1] * 20),
        validation=("sentence", [0, 1] * 3),
        test=("sentence", [-1] * 9),
    )
    task = load_task("owner/phrases")
    sizes = {name: len(split) for name, split in task.items()}
    assert sizes == {"train": 36, "validation": 4, "test": 6}
    assert task["test"][0] == {"text": "validation 0", "label": 0}


def test_three_labelled_splits_stay_as_they_are(monkeypatch):
    on_the_hub(
        monkeypatch,
        train=("review", [0, 1] * 4),
        validation=("review", [0, 1, 0]),
        test=("review", [1, 0] * 2),
    )
    task = load_task("owner/shops")
    assert [len(split) for split in task.values()] == [8, 3, 4]


def test_unknown_task_names_the_way_out():
    with pytest.raises(
        ValueError, match=r"\['reviews', 'topics'\].*imdb.*got 'revews'"
    ):
        load_task("revews")


def test_a_hub_set_without_text_is_refused(monkeypatch):
    on_the_hub(monkeypatch, train=("pixels", [0, 1]))
    with pytest.raises(ValueError, match=r"`label`.*'sentence'.*got \['pixels'"):
        load_task("owner/pictures")


def test_a_hub_set_without_a_training_split_is_refused(monkeypatch):
    on_the_hub(monkeypatch, test=("text", [0, 1]))
    with pytest.raises(ValueError, match=r"`train`; got \['test'\]"):
        load_task("owner/probe")


def test_no_network_names_the_way_out(monkeypatch):
    def offline(*args, **kwargs):
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(ConnectionError, match=r"cannot be reached.*'reviews'"):
        load_task("owner/films")


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match="pip install datasets"):
        load_task("owner/films")
