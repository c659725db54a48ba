"""A document and how documents are cut into training and validation parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from llmkit.checks import check_choice, check_range

SPLITS = ("all", "train", "validation")


@dataclass(frozen=True)
class Document:
    """A text with a name.

    Args:
        name: unique within its corpus.
        text: the text.
        group: documents of one group stay on the same side of a split; "" means
            that the document stands alone.
    """

    name: str
    text: str
    group: str = ""


def in_validation(document: Document, share: float) -> bool:
    """Tell on which side of the split a document lies.

    The side follows from a hash of its group or name alone. So it is the same on every
    machine, and stays the same when other documents come or go.

    Args:
        document: the document.
        share: of the documents that are kept for validation, 0 to 1.

    Returns:
        True for validation, False for training.
    """
    return order_key(document.group or document.name) < share * 2**64


def order_key(name: str) -> int:
    """Turn a name into a number from 0 to 2**64 - 1 that looks drawn by lot."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def select(
    documents: Iterable[Document],
    split: str = "all",
    validation: float = 0.1,
    max_chars: int | None = None,
) -> Iterator[Document]:
    """Yield one side of the split, up to a number of characters.

    Args:
        documents: in a fixed order.
        split: "train", "validation" or "all".
        validation: the share kept for validation.
        max_chars: stop when this many characters have been yielded; the last
            document is cut to fit. None: no limit.

    Yields:
        Documents.
    """
    check_choice("split", split, SPLITS)
    check_range("validation", validation, 0, 1)
    if max_chars is not None and max_chars < 1:
        raise ValueError(f"max_chars must be 1 or more, or None; got {max_chars!r}")
    return _select(documents, split, validation, max_chars)


def _select(documents, split, validation, max_chars):
    left = float("inf") if max_chars is None else max_chars
    for document in documents:
        if split != "all" and in_validation(document, validation) != (
            split == "validation"
        ):
            continue
        if len(document.text) >= left:
            yield Document(document.name, document.text[: int(left)], document.group)
            return
        left -= len(document.text)
        yield document
