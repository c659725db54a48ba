"""`topics`: what part of Python's library is a passage about?

A second task for a classifier, beside `reviews`, that nobody had to write: the opening
paragraphs of the standard library's docstrings (see `pydocs`), labelled by the part of
the library that they come from. Home notebook: 10_fine_tuning_bert.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from llmkit.data.documents import order_key
from llmkit.data.pydocs import load_pydocs

# label: its modules; those that only some versions of Python have are in use there
PARTS = {
    "concurrency": "asyncio concurrent multiprocessing queue sched selectors subprocess"
    " threading",
    "files": "_pyio bz2 configparser csv filecmp fileinput fnmatch genericpath glob"
    " gzip lzma ntpath os pathlib posixpath shelve shutil tarfile tempfile zipfile",
    "graphics": "tkinter turtle",
    "internet": "email ftplib html http imaplib ipaddress mailbox poplib smtplib"
    " socket socketserver ssl urllib uuid webbrowser wsgiref xmlrpc",
    "numbers": "_pydatetime _pydecimal _strptime bisect calendar colorsys datetime"
    " fractions heapq numbers random statistics zoneinfo",
    "testing": "bdb cProfile doctest faulthandler logging pdb profile pstats timeit"
    " trace traceback tracemalloc unittest warnings",
}
TOPICS = sorted(PARTS)  # a label is a place in this list
LABEL_OF = {module: part for part, names in PARTS.items() for module in names.split()}

LEAST_CHARS = 60
MOST_CHARS = 400
MOST_OF_ONE_TOPIC = 300
MOST_OF_ONE_CLASS = 40
OPENING = 40  # two passages that begin alike count as one
SHARES = {"test": 0.17, "validation": 0.15}  # the rest is for training


def load_topics() -> list[dict]:
    """Return passages of Python's documentation, each with its part of the library.

    Returns:
        Rows with `split` ("train", "validation" or "test"), `label` (a place in
        `TOPICS`), `module` (such as "email") and `text` (60 to 400 characters). All
        passages of one class fall to one split, and of a large class only 40 are
        taken. The rows depend a little on the version of Python.

    Raises:
        FileNotFoundError: this Python comes without the sources of its library.
    """
    return [dict(row) for row in _rows()]


@cache  # reading the whole library takes some seconds
def _rows() -> list[dict]:
    rows = []
    seen = set()
    counts = Counter()  # of topics and of classes
    for document in load_pydocs("docstrings"):
        module = document.group.split("/")[0].removesuffix(".py")
        topic = LABEL_OF.get(module)
        text = _opening_paragraph(document.text)
        opening = re.sub(r"\W+", " ", text.lower())[:OPENING]
        owner = _class_of(document.name)
        if topic is None or opening in seen:
            continue
        if counts[topic] >= MOST_OF_ONE_TOPIC or counts[owner] >= MOST_OF_ONE_CLASS:
            continue
        if not LEAST_CHARS <= len(text) <= MOST_CHARS or ">>>" in text:
            continue
        seen.add(opening)
        counts.update([topic, owner])
        split = _split_of(owner)
        label = TOPICS.index(topic)
        rows.append({"split": split, "label": label, "module": module, "text": text})
    # the files come one after another; the rows should come mixed
    return sorted(rows, key=lambda row: order_key(row["text"]))


def _opening_paragraph(docstring: str) -> str:
    return " ".join(docstring.strip().split("\n\n")[0].split())


def _class_of(name: str) -> str:
    """`json/decoder.py:JSONDecoder.decode` belongs to `json/decoder.py:JSONDecoder`."""
    file, inner = name.split(":", 1)
    return f"{file}:{inner.split('.')[0]}"


def _split_of(owner: str) -> str:
    place = order_key(owner) / 2**64
    for split, share in SHARES.items():
        if place < share:
            return split
        place -= share
    return "train"
