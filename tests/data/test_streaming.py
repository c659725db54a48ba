"""Streams: every document once a round, constant memory, the same after a break."""

import json
import tracemalloc
from collections import Counter
from itertools import islice

import pytest

from llmkit.data import Stream


def letters(number):
    return (f"{letter}{number}" for letter in "abcdefghij")


@pytest.mark.parametrize("held_back", [1, 4, 50])
def test_each_round_brings_each_document_once(held_back):
    found = list(Stream(letters, rounds=3, held_back=held_back))
    for number in range(3):
        part = found[10 * number : 10 * number + 10]
        assert Counter(part) == Counter(letters(number))
    assert (found == [x for n in range(3) for x in letters(n)]) == (held_back == 1)


def test_shuffles_follow_the_seed_and_differ_from_round_to_round():
    def order(seed):
        return list(Stream(lambda _: range(30), rounds=2, held_back=8, seed=seed))

    assert order(1) == order(1) != order(2)
    assert order(1)[:30] != order(1)[30:]
    # a document cannot come earlier than the buffer allows
    assert all(place >= value - 7 for place, value in enumerate(order(1)[:30]))


@pytest.mark.parametrize("held_back", [1, 4, 50])
def test_goes_on_where_another_stopped(held_back):
    def stream():
        return Stream(letters, held_back=held_back, seed=3)

    whole = list(islice(stream(), 47))
    for stop in (0, 1, 9, 10, 11, 30, 46):
        first, second = stream(), stream()
        assert list(islice(first, stop)) == whole[:stop]
        second.go_to(json.loads(json.dumps(first.position)))
        assert list(islice(second, 47 - stop)) == whole[stop:]


def test_reads_no_further_than_it_must():
    taken = []

    def source(_):
        for i in range(10**9):
            taken.append(i)
            yield i

    stream = Stream(source, held_back=5)
    assert not taken
    list(islice(stream, 20))
    assert len(taken) == 24


def test_memory_does_not_grow():
    def source(_):
        return ("x" * 10_000 + str(i) for i in range(3000))

    tracemalloc.start()
    for _ in Stream(source, rounds=1, held_back=10):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000  # all documents would take 30 MB


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="held_back"):
        Stream(letters, held_back=0)
    with pytest.raises(ValueError, match="rounds"):
        Stream(letters, rounds=0)
    once = iter([1, 2])
    with pytest.raises(ValueError, match=r"open_source\(1\) must bring .*open it anew"):
        list(Stream(lambda _: once, rounds=2))
    with pytest.raises(ValueError, match=r"round 2 ends after 10 documents; got"):
        Stream(letters).go_to({"round": 2, "taken": 11})
