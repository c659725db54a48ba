"""Learn merges: count pairs of neighbours, join the most frequent pair, repeat.

Sennrich, Haddow & Birch 2016, section 3.2. Counting all pairs anew for each merge would
take minutes; here the counts are kept up to date, and a heap hands over the greatest.
Ties go to the pair with the smaller ids, as in Hugging Face `tokenizers`, so that the
merges come out the same. Home notebook: 01_tokenization.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Merge:
    """One step of training: `left` and `right` became `token`."""

    rank: int  # 0 for the first merge
    left: str
    right: str
    token: str
    count: int  # how often the pair stood in the text at that time


def learn_merges(
    words: Mapping[tuple[str, ...], int],
    vocab: dict[str, int],
    vocab_size: int,
    min_frequency: int = 1,
    prefix: str = "",
) -> Iterator[Merge]:
    """Yield merges, most frequent first, until the vocabulary is full.

    Args:
        words: each distinct word as a tuple of tokens, with its number of occurrences.
        vocab: the tokens to begin with; it grows while the merges are drawn.
        vocab_size: how many tokens to end with.
        min_frequency: the least count that a pair needs.
        prefix: what marks a token inside a word (`"##"` in WordPiece); it is cut from
            the right half of a pair.

    Yields:
        One `Merge` after another.
    """
    names = {i: t for t, i in vocab.items()}
    symbols = [[vocab[t] for t in word] for word in words]
    counts = list(words.values())
    pairs, where = _count_pairs(symbols, counts)
    # An entry: minus the count (heapq hands over the least), the pair, the words.
    # Counts grow old as merges go on; an old entry is put back with its true count.
    heap = [(-pairs[p], p, n, where[p]) for n, p in enumerate(pairs) if pairs[p] > 0]
    heapq.heapify(heap)
    serial, rank = len(heap), 0
    while heap and len(vocab) < vocab_size:
        minus, pair, _, places = heapq.heappop(heap)
        count = pairs[pair]
        if -minus != count:
            if count > 0:
                heapq.heappush(heap, (-count, pair, serial, places))
                serial += 1
            continue
        if count < max(min_frequency, 1):
            return
        left, right = names[pair[0]], names[pair[1]]
        token = left + (right[len(prefix) :] if right.startswith(prefix) else right)
        new = vocab.setdefault(token, len(vocab))
        names[new] = token
        yield Merge(rank, left, right, token, count)
        rank += 1
        grown: dict[tuple[int, int], set[int]] = {}
        for place in places:
            _merge_word(symbols[place], pair, new, counts[place], pairs, grown, place)
        for fresh, fresh_places in grown.items():
            if pairs[fresh] > 0:
                heapq.heappush(heap, (-pairs[fresh], fresh, serial, fresh_places))
                serial += 1


def _count_pairs(symbols, counts):
    """Count each pair of neighbours, and note the words that hold it."""
    pairs: dict[tuple[int, int], int] = {}
    where: dict[tuple[int, int], set[int]] = {}
    for place, (word, count) in enumerate(zip(symbols, counts, strict=True)):
        for pair in pairwise(word):
            if pair in pairs:
                pairs[pair] += count
                where[pair].add(place)
            else:
                pairs[pair] = count
                where[pair] = {place}
    return pairs, where


def _merge_word(word, pair, new, count, pairs, grown, place) -> None:
    """Join the pair wherever it stands in one word, and update the counts.

    Only the neighbours' pairs change: in `x a b y`, joining `a b` removes `x a` and
    `b y` and brings `x ab` and `ab y`.
    """
    left, right = pair
    i, last = 0, len(word) - 1
    while i < last:
        if word[i] != left or word[i + 1] != right:
            i += 1
            continue
        word[i : i + 2] = (new,)
        last -= 1
        if i > 0:
            before = word[i - 1]
            pairs[before, left] -= count
            fresh = (before, new)
            pairs[fresh] = pairs.get(fresh, 0) + count
            grown.setdefault(fresh, set()).add(place)
        if i < last:
            after = word[i + 1]
            pairs[right, after] -= count
            fresh = (new, after)
            pairs[fresh] = pairs.get(fresh, 0) + count
            grown.setdefault(fresh, set()).add(place)
        i += 1
