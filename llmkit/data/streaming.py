"""Documents without end, in constant memory, from a place that can be written down.

A corpus larger than memory is read once from front to back; a run that stops must find
its place again. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from llmkit.checks import check_count

T = TypeVar("T")


class Stream(Generic[T]):
    """Goes through a source of documents round after round, shuffled a little.

    Shuffling holds back a few documents and yields one of them at random, so that
    neighbours in the source are torn apart without reading all of it.

    Args:
        open_source: from the number of the round, counted from 0, to its documents;
            the same round must bring the same ones again.
        rounds: after how many it ends; None: never.
        held_back: how many documents the shuffle holds; 1 keeps the order.
        seed: of the shuffle.

    Raises:
        ValueError: a number is too small.
    """

    def __init__(
        self,
        open_source: Callable[[int], Iterable[T]],
        rounds: int | None = None,
        held_back: int = 1,
        seed: int = 0,
    ):
        check_count("held_back", held_back)
        if rounds is not None:
            check_count("rounds", rounds)
        self.open_source, self.rounds = open_source, rounds
        self.held_back, self.seed = held_back, seed
        self.go_to({"round": 0, "taken": 0})

    @property
    def position(self) -> dict:
        """Where it stands: the round, and how many documents of it were taken.

        JSON can hold it; `go_to` brings a stream of the same source there.
        """
        return {"round": self._round, "taken": self._taken}

    def go_to(self, position: dict) -> None:
        """Stand where another stream of the same source stood.

        The documents before that place are read again and dropped: that takes time
        but no memory.

        Args:
            position: of the other stream.

        Raises:
            ValueError: the source has fewer documents than that.
        """
        self._round, self._taken = position["round"], 0
        self._documents = self._shuffled()
        for _ in range(position["taken"]):
            if next(self._documents, None) is None:
                raise ValueError(
                    f"position must lie within the source, whose round {self._round} "
                    f"ends after {self._taken} documents; got {position}"
                )
            self._taken += 1

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        while self.rounds is None or self._round < self.rounds:
            for document in self._documents:
                self._taken += 1
                return document
            if not self._taken:
                raise ValueError(
                    f"open_source({self._round}) must bring a document or more; got "
                    "none. A generator can be gone through only once: open it anew "
                    "in each round"
                )
            self._round, self._taken = self._round + 1, 0
            if self.rounds is None or self._round < self.rounds:
                self._documents = self._shuffled()
        raise StopIteration

    def _shuffled(self) -> Iterator[T]:
        """Return the documents of this round; their order depends on nothing else."""
        documents = iter(self.open_source(self._round))
        if self.held_back == 1:
            return documents
        source = random.Random(f"{self.seed} {self._round}")
        return _shuffle(documents, self.held_back, source)


def _shuffle(documents: Iterator[T], held_back: int, source) -> Iterator[T]:
    held: list[T] = []
    for document in documents:
        held.append(document)
        if len(held) == held_back:
            yield _take(held, source)
    while held:
        yield _take(held, source)


def _take(held: list[T], source: random.Random) -> T:
    """Take one out at random; the last one moves to its place."""
    at = source.randrange(len(held))
    held[at], held[-1] = held[-1], held[at]
    return held.pop()
