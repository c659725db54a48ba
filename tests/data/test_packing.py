"""Packing: no token lost, none twice, the same after a break."""

import json
import random
from collections import Counter
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.data import Packing, Stream, padding_share

END = 0
DOCUMENTS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=7), max_size=12)


def pairs_of(documents):
    """Each input with its target, as counted by hand."""
    found = Counter()
    for ids in documents:
        row = [END, *ids, END]
        found.update(pairwise(row))
    return found


def pairs_in(windows):
    return Counter(
        (i, t)
        for w in windows
        for i, t, s in zip(w.inputs, w.targets, w.segments, strict=True)
        if s
    )


@given(DOCUMENTS, st.integers(1, 11), st.booleans(), st.integers(1, 4))
def test_every_token_is_a_target_once(documents, length, whole, most):
    if whole:
        length += 8  # the longest document and its separator
    windows = list(Packing(documents, length, END, whole, open_windows=most))
    assert pairs_in(windows) == pairs_of(documents)
    for window in windows:
        assert len(window.inputs) == len(window.targets) == length
        for target, segment in zip(window.targets, window.segments, strict=True):
            assert (target == -100) == (segment == 0)


def test_cut_is_one_long_text():
    documents = [[1, 2, 3], [4], [5, 6]]
    windows = list(Packing(documents, 4, END))
    long = [END, 1, 2, 3, END, 4, END, 5, 6, END]
    assert [w.inputs for w in windows] == [long[:4], long[4:8], [6, END, END, END]]
    assert windows[1].targets == long[5:9]
    assert windows[2].targets == [END, -100, -100, -100]
    assert [w.segments for w in windows] == [[1] * 4, [1, 1, 2, 2], [1, 0, 0, 0]]


def test_whole_documents_stay_together():
    documents = [[1, 2, 3], [4], [5, 6], [7, 8, 9]]
    windows = list(Packing(documents, 7, END, whole=True, pad_id=99))
    assert windows[0].inputs == [END, 1, 2, 3, END, 4, 99]
    assert windows[0].segments == [1, 1, 1, 1, 2, 2, 0]
    assert windows[0].targets == [1, 2, 3, END, 4, END, -100]
    assert windows[1].inputs == [END, 5, 6, END, 7, 8, 9]


def test_seeking_among_more_windows_leaves_less_padding():
    source = random.Random(0)
    documents = [[1] * source.randrange(5, 60) for _ in range(400)]
    shares = [
        padding_share(Packing(documents, 64, END, whole=True, open_windows=n))
        for n in (1, 4, 32)
    ]
    assert shares[0] > shares[1] > shares[2]
    assert shares[2] < 0.08
    assert padding_share(Packing(documents, 64, END)) < 0.01


@pytest.mark.parametrize("whole", [False, True])
def test_goes_on_where_another_stopped(whole):
    def packing():
        source = random.Random(1)
        rows = [[n + 1] * source.randrange(1, 9) for n in range(20)]
        stream = Stream(lambda _: rows, held_back=3)
        return Packing(stream, 11, END, whole, open_windows=3)

    want = [w.as_lists() for w in islice(packing(), 30)]
    for stop in (0, 1, 7, 29):
        first, second = packing(), packing()
        list(islice(first, stop))
        second.go_to(json.loads(json.dumps(first.position)))
        assert [w.as_lists() for w in islice(second, 30 - stop)] == want[stop:]


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match=r"length must be at least 6, .*; got 5"):
        list(Packing([[1, 2, 3, 4, 5]], 5, END, whole=True))
    with pytest.raises(TypeError, match=r"must be a Stream .*; got list"):
        _ = Packing([[1]], 5, END).position
    with pytest.raises(ValueError, match="length"):
        Packing([[1]], 0, END)
