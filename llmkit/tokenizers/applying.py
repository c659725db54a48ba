"""Apply merges to one word: the lowest rank first, until no pair is left to join.

Sennrich, Haddow & Birch 2016, section 3.2. Home notebook: 01_tokenization.
"""

from __future__ import annotations

import heapq
from itertools import pairwise

NEVER = 1 << 60  # the rank of a pair that is not among the merges
CACHED_WORDS = 200_000  # beyond it the cache starts afresh, so memory stays bounded
CACHED_LENGTH = 256  # longer words are rare and would fill the cache


def merge_ids(
    ids: list[int], ranks: dict[tuple[int, int], int], merged: list[int]
) -> list[int]:
    """Join pairs, the lowest rank first and the leftmost of equals, until none is left.

    Args:
        ids: the tokens of one word; the list is used up.
        ranks: the rank of each pair that may be joined.
        merged: what each rank's pair becomes.

    Returns:
        The tokens after all merges.
    """
    if len(ids) > 100:
        return _merge_long(ids, ranks, merged)
    rank_of = ranks.get
    # the rank of the pair that begins at each place
    here = [rank_of(pair, NEVER) for pair in pairwise(ids)]
    while here:
        best = min(here)
        if best == NEVER:
            break
        at = here.index(best)
        ids[at : at + 2] = (merged[best],)
        del here[at]
        if at:
            here[at - 1] = rank_of((ids[at - 1], ids[at]), NEVER)
        if at < len(here):
            here[at] = rank_of((ids[at], ids[at + 1]), NEVER)
    return ids


def _merge_long(ids, ranks, merged) -> list[int]:
    """Do the same for a long word (Chinese has no spaces) in n log n steps.

    The tokens form a linked list; a heap hands over the pair to join next. An entry
    whose pair is gone by then has another rank, and is passed over.
    """
    end = len(ids)
    before, after = list(range(-1, end - 1)), list(range(1, end + 1))

    def rank(at: int) -> int:
        if at < 0 or after[at] >= end:
            return NEVER
        return ranks.get((ids[at], ids[after[at]]), NEVER)

    heap = [(r, at) for at in range(end) if (r := rank(at)) != NEVER]
    heapq.heapify(heap)
    while heap:
        best, at = heapq.heappop(heap)
        if ids[at] < 0 or rank(at) != best:
            continue
        gone = after[at]
        ids[at], ids[gone] = merged[best], -1
        after[at] = after[gone]
        if after[at] < end:
            before[after[at]] = at
        for place in (before[at], at):
            if (r := rank(place)) != NEVER:
                heapq.heappush(heap, (r, place))
    return [i for i in ids if i >= 0]


class WordCache(dict):
    """The ids of each word seen so far; a new word is encoded on the way."""

    def __init__(self, encode_word):
        super().__init__()
        self._encode_word = encode_word

    def __missing__(self, word: str) -> tuple[int, ...]:
        ids = self._encode_word(word)
        if len(self) >= CACHED_WORDS:
            self.clear()
        if len(word) <= CACHED_LENGTH:
            self[word] = ids
        return ids
