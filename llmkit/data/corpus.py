"""`load_corpus`: one call for built-in texts, files on disk and the Hugging Face Hub.

A notebook's "On real data" switch changes the name and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llmkit.data.documents import Document, select
from llmkit.data.pydocs import KINDS, load_pydocs
from llmkit.data.sentences import load_sentences

# how `datasets` reads a file, by the end of its name
_READERS = {
    ".txt": "text",
    ".md": "text",
    ".json": "json",
    ".jsonl": "json",
    ".csv": "csv",
    ".parquet": "parquet",
}
_COLUMNS = ("text", "content", "document", "sentence", "code")


def load_corpus(
    name: str,
    split: str = "train",
    column: str | None = None,
    config: str | None = None,
    max_chars: int | None = None,
    streaming: bool = True,
) -> Iterator[Document]:
    """Read texts from the kit, from disk or from the Hub, one at a time.

    Args:
        name: "pydocs" (or "pydocs/docstrings", "pydocs/code"), "sentences" (or
            "sentences/de"), a file or folder of .txt, .md, .json, .jsonl, .csv or
            .parquet files, or a data set on the Hub such as
            "roneneldan/TinyStories".
        split: "train", "validation", "all" for what the kit splits itself; on the Hub
            whatever the data set has.
        column: that holds the text; None: the first of text, content, document,
            sentence, code that is there.
        config: the part of a data set on the Hub, where it has several.
        max_chars: stop after this many characters; None: at the end.
        streaming: whether a data set on the Hub is read bit by bit, without a full
            download. False keeps a copy in the Hub's cache, for use offline.

    Returns:
        An iterator of documents.

    Raises:
        ValueError: there is no such text, split or column.
        ConnectionError: the Hub cannot be reached and the cache does not hold it.
    """
    room, _, part = str(name).partition("/")
    if room == "pydocs" and part in ("", *KINDS):
        return load_pydocs(part or "topics", split, max_chars=max_chars)
    if room == "sentences" and (not part or part in load_sentences()[0]):
        return select(_sentences(part or "en"), split, max_chars=max_chars)
    path = Path(name).expanduser()
    if path.exists():
        rows = _local_rows(path)
        documents = _documents(rows, str(path.name), column)
        return select(documents, split, max_chars=max_chars)
    rows = hub_rows(str(name), split, config, streaming)
    return select(_documents(rows, str(name), column), "all", max_chars=max_chars)


def _sentences(code: str) -> Iterator[Document]:
    for number, row in enumerate(load_sentences()):
        # all translations of a sentence lie on the same side of the split
        yield Document(f"sentences/{code}/{number}", row[code], group=f"s{number}")


def _local_rows(path: Path) -> Iterator[dict]:
    """Read a file, or every readable file of a folder in the order of their names."""
    from datasets import load_dataset

    files = [path] if path.is_file() else sorted(path.rglob("*"))
    files = [file for file in files if file.suffix in _READERS and file.is_file()]
    if not files:
        raise ValueError(
            f"{path.name!r} holds no file that can be read; needed is one that ends "
            "in " + ", ".join(_READERS)
        )
    return _chain(files, load_dataset)


def _chain(files: list[Path], load_dataset) -> Iterator[dict]:
    for file in files:
        reader = _READERS[file.suffix]
        extra = {"sample_by": "document"} if reader == "text" else {}
        yield from load_dataset(
            reader, data_files=str(file), split="train", streaming=True, **extra
        )


def hub_rows(
    name: str,
    split: str | None = None,
    config: str | None = None,
    streaming: bool = False,
    built_in: str = "load_corpus('pydocs')",
):
    """Ask the Hub for a data set, with a sentence where that cannot work.

    Args:
        name: of the data set, with its owner.
        split: which part; None: all of them, in a `DatasetDict`.
        config: the part of a data set that has several.
        streaming: whether it is read bit by bit.
        built_in: a call that needs no network, for the message.

    Returns:
        What `datasets.load_dataset` returns.

    Raises:
        ImportError: the package `datasets` is missing.
        ValueError: there is no such data set, split or config, or nothing to read.
        ConnectionError: the Hub cannot be reached and the cache does not hold it.
    """
    try:
        import datasets
    except ImportError as error:
        raise ImportError(
            "reading from the Hub needs the package datasets: pip install datasets"
        ) from error
    try:
        return datasets.load_dataset(name, config, split=split, streaming=streaming)
    except datasets.exceptions.DatasetNotFoundError as error:
        raise ValueError(
            f"name must be one of the kit's texts, an existing file or folder, or a "
            f"data set on the Hub; got {name!r}, which is none of these, or it is "
            "closed: then accept its terms on its page and set HF_TOKEN to a token of "
            f"yours. Built in is {built_in}"
        ) from error
    except (FileNotFoundError, RuntimeError) as error:
        raise ValueError(
            f"the data set {name!r} must hold files of text or tables (txt, json, csv, "
            "parquet); got none that can be read (a script of its own is never run)"
        ) from error
    except ValueError as error:
        raise ValueError(
            f"split and config must be among those of {name!r}; got split={split!r}, "
            f"config={config!r}. {' '.join(str(error).split())}"
        ) from error
    except (ConnectionError, OSError) as error:
        raise ConnectionError(
            f"the Hub cannot be reached, and {name!r} is not in its cache "
            f"({type(error).__name__}). Check the network, or use what is built in: "
            f"{built_in}"
        ) from error


def _documents(rows, name: str, column: str | None) -> Iterator[Document]:
    for number, row in enumerate(rows):
        chosen = column or next((c for c in _COLUMNS if c in row), None)
        if chosen not in row:
            raise ValueError(
                f"column must be one of {', '.join(row)}; got {column!r}"
                if column
                else f"{name!r} has no column of text that is known; choose "
                f"column= from {', '.join(row)}"
            )
        yield Document(f"{name}/{number}", str(row[chosen]))
