"""A file is replaced as a whole or not at all."""

import threading

import pytest

from llmkit.runtime import write_atomically


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a.txt"
    write_atomically(path, lambda draft: draft.write_text("one"))
    write_atomically(str(path), lambda draft: draft.write_text("two"))
    assert path.read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_failure_halfway_leaves_the_old_file_and_no_draft(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(draft):
        draft.write_text("ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_two_threads_never_share_a_draft(tmp_path):
    path, drafts = tmp_path / "a.txt", []
    both = threading.Barrier(2, timeout=10)

    def write(draft):
        drafts.append(draft)
        both.wait()
        draft.write_text("whole")

    threads = [
        threading.Thread(target=write_atomically, args=(path, write)) for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drafts)) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
