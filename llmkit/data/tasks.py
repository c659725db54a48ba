"""Labelled texts to learn a task from. Home notebook: 10_fine_tuning_bert.

A data set that comes with the kit and one from the Hugging Face Hub come through the
same door and look alike: the splits `train`, `validation` and `test`, in each of them
the features `text` and `label`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmkit.data.corpus import hub_rows
from llmkit.data.shipped import load_shipped
from llmkit.data.topics import TOPICS, load_topics

if TYPE_CHECKING:
    from datasets import DatasetDict

# name: what the labels 0, 1, ... mean
SHIPPED_TASKS = {"reviews": ["negative", "positive"], "topics": TOPICS}
SPLITS = ("train", "validation", "test")
# what data sets on the Hub call the text to be labelled
TEXT_COLUMNS = ("text", "sentence", "content", "review")
VALIDATION_SHARE = 0.1


def load_task(name: str) -> DatasetDict:
    """Load a task: labelled texts, in three splits.

    Args:
        name: a task of the kit ("reviews", "topics"), which needs no network, or the
            name of a data set on the Hub such as "stanfordnlp/imdb".

    Returns:
        A `DatasetDict` with the splits "train", "validation" and "test". Each has the
        features `text` (str) and `label` (`ClassLabel`), and whatever else the data
        set tells of an example ("reviews": `tag` and `domain`; "topics": `module`).
        A split without labels is left out. Where the Hub's set has no labelled test
        split, its validation split takes that place; where no validation split is
        left, a tenth of the training split is set aside for it, the same each time.

    Raises:
        ValueError: there is no such task in the kit, or the data set on the Hub
            has no training split or no column of texts with labels.
        ConnectionError: the Hub cannot be reached and the cache does not hold it.
    """
    if "/" in name:
        return _from_hub(name)
    if name not in SHIPPED_TASKS:
        raise ValueError(
            f"name must be one of {sorted(SHIPPED_TASKS)} or a data set on the Hub "
            f'with its owner, such as "stanfordnlp/imdb"; got {name!r}'
        )
    return _from_kit(name)


def _from_kit(name: str) -> DatasetDict:
    from datasets import ClassLabel, Dataset, DatasetDict

    rows = load_topics() if name == "topics" else load_shipped(name)
    # text and label come first, as on the Hub
    others = [key for key in rows[0] if key not in ("split", "label", "text")]
    splits = {}
    for split in SPLITS:
        columns = {
            feature: [row[feature] for row in rows if row["split"] == split]
            for feature in ("text", "label", *others)
        }
        # said beforehand: casting afterwards would show a progress bar
        features = Dataset.from_dict(columns).features.copy()
        features["label"] = ClassLabel(names=SHIPPED_TASKS[name])
        splits[split] = Dataset.from_dict(columns, features=features)
    return DatasetDict(splits)


def _from_hub(name: str) -> DatasetDict:
    loaded = hub_rows(name, built_in="load_task('reviews')")
    from datasets import DatasetDict

    if "train" not in loaded:
        raise ValueError(
            f"the data set {name!r} needs a split `train`; got {list(loaded)}"
        )
    columns = loaded["train"].column_names
    text = next((column for column in TEXT_COLUMNS if column in columns), None)
    if text is None or "label" not in columns:
        raise ValueError(
            f"the data set {name!r} needs a column `label` and one of the columns "
            f"{list(TEXT_COLUMNS)}; got {columns}"
        )
    if text != "text":
        loaded = loaded.rename_column(text, "text")
    # on the Hub, the label -1 says that the label is kept secret or unknown
    splits = {
        split: loaded[split]
        for split in SPLITS
        if split in loaded and min(loaded[split]["label"]) >= 0
    }
    if "test" not in splits and "validation" in splits:
        splits["test"] = splits.pop("validation")
    if "validation" not in splits:
        parts = splits["train"].train_test_split(test_size=VALIDATION_SHARE, seed=0)
        splits["train"], splits["validation"] = parts["train"], parts["test"]
    return DatasetDict({split: splits[split] for split in SPLITS if split in splits})
