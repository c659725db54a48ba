"""Python's own texts: real, in a fixed order, split without leaks."""

import subprocess
import sys
from itertools import islice
from pydoc_data.topics import topics

import pytest

from llmkit.data import load_pydocs

LIMIT = 300_000
each_kind = pytest.mark.parametrize("kind", ["topics", "docstrings", "code"])


def _trim(name):
    return "\n".join(line.rstrip() for line in topics[name].splitlines())


def test_topics_are_the_language_reference():
    found = list(load_pydocs("topics"))
    # two names may share one text; it is yielded once
    assert {d.name for d in found} <= {f"topics/{name}" for name in topics}
    assert {d.text.strip() for d in found} == {t.strip() for t in map(_trim, topics)}
    text = {d.name: d.text for d in found}["topics/assert"]
    assert text.split() == topics["assert"].split()


def test_docstrings_are_those_that_python_shows():
    import inspect
    import json
    import textwrap

    found = {d.name: d.text for d in load_pydocs("docstrings", max_chars=4_000_000)}
    assert len(found) > 3000
    assert sum(map(len, found.values())) > 1_000_000
    assert found["json/__init__.py:dumps"].strip() == inspect.getdoc(json.dumps)
    assert (
        found["textwrap.py:TextWrapper.fill"].strip()
        == inspect.getdoc(textwrap.TextWrapper.fill).strip()
    )


def test_code_can_be_compiled():
    for document in islice(load_pydocs("code"), 20):
        assert "test" not in document.name.split("/")
        compile(document.text, document.name, "exec", dont_inherit=True)


@each_kind
def test_the_order_is_fixed_but_not_the_alphabet(kind):
    names = [d.name for d in load_pydocs(kind, max_chars=LIMIT)]
    assert names == [d.name for d in load_pydocs(kind, max_chars=LIMIT)]
    assert names != sorted(names)
    assert len(set(names)) == len(names)


def test_another_process_sees_the_same_order():
    code = (
        "from llmkit.data import load_pydocs; import hashlib;"
        "t = ''.join(d.text for d in load_pydocs('docstrings', 'train', "
        "max_chars=50_000)); print(hashlib.sha256(t.encode()).hexdigest(), end='')"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


@each_kind
def test_the_split_is_a_partition_without_leaks(kind):
    limit = {"topics": None, "docstrings": 200_000, "code": 1_000_000}[kind]
    sides = {
        split: list(load_pydocs(kind, split, max_chars=limit))
        for split in ("train", "validation")
    }
    texts = {split: {d.text for d in docs} for split, docs in sides.items()}
    names = {split: {d.name for d in docs} for split, docs in sides.items()}
    groups = {split: {d.group for d in docs} - {""} for split, docs in sides.items()}
    for found in (texts, names, groups):
        assert not found["train"] & found["validation"]
    if limit is None:
        both = names["train"] | names["validation"]
        assert both == {d.name for d in load_pydocs(kind)}
        share = len(names["validation"]) / len(both)
        assert 0.02 < share < 0.25


def test_the_share_is_kept():
    assert not list(load_pydocs("topics", "validation", validation=0))
    assert not list(load_pydocs("topics", "train", validation=1))
    few = {d.name for d in load_pydocs("topics", "validation", validation=0.1)}
    more = {d.name for d in load_pydocs("topics", "validation", validation=0.4)}
    assert few < more


def test_the_size_limit_is_exact():
    found = list(load_pydocs("topics", max_chars=1234))
    assert sum(len(d.text) for d in found) == 1234


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"kind": "books"}, "kind must be one of 'topics'.*got 'books'"),
        ({"split": "test"}, "split must be one of .*got 'test'"),
        ({"validation": 2}, "validation must lie between 0 and 1"),
        ({"max_chars": 0}, "max_chars must be 1 or more"),
    ],
)
def test_errors_come_at_once_and_name_the_argument(arguments, match):
    with pytest.raises(ValueError, match=match):
        load_pydocs(**arguments)


def test_a_python_without_sources_is_explained(monkeypatch, tmp_path):
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(FileNotFoundError, match="kind='topics'"):
        next(load_pydocs("code"))


def test_a_python_without_topics_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(FileNotFoundError, match="kind='docstrings'"):
        next(load_pydocs("topics"))
