"""Exercises of 01_tokenization: count pairs of neighbours, and join one of them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from llmkit.course.exercise import Case, Exercise, Mistake

# --- count_pairs -------------------------------------------------------------------


def _count_pairs(words):
    counts = {}
    for word, number in words.items():
        for pair in pairwise(word):
            counts[pair] = counts.get(pair, 0) + number
    return counts


def _count_pairs_counter(words):
    counts = Counter()
    for word in words:
        for i in range(len(word) - 1):
            counts[word[i], word[i + 1]] += words[word]
    return dict(counts)


def _count_pairs_flat(words):
    every = [
        (word[i : i + 2], n)
        for word, n in words.items()
        for i in range(len(word))
        if i + 1 < len(word)
    ]
    return {pair: sum(n for q, n in every if q == pair) for pair, _ in every}


def _count_each_word_once(words):
    return dict(Counter(pair for word in words for pair in pairwise(word)))


def _count_pairs_once_in_a_word(words):
    counts = {}
    for word, number in words.items():
        for pair in set(pairwise(word)):
            counts[pair] = counts.get(pair, 0) + number
    return counts


def _count_across_words(words):
    line = [token for word, number in words.items() for token in word * number]
    return dict(Counter(pairwise(line)))


def _count_unordered(words):
    counts = {}
    for pair, number in _count_pairs(words).items():
        key = tuple(sorted(pair))
        counts[key] = counts.get(key, 0) + number
    return counts


def _count_single_tokens(words):
    counts = {}
    for word, number in words.items():
        for token in word:
            counts[token] = counts.get(token, 0) + number
    return counts


def _count_every_second(words):
    counts = {}
    for word, number in words.items():
        for i in range(0, len(word) - 1, 2):
            pair = word[i], word[i + 1]
            counts[pair] = counts.get(pair, 0) + number
    return counts


def _pair_cases():
    return [
        Case({("h", "u", "g"): 5, ("p", "u", "g"): 3, ("b", "u", "n"): 2}),
        Case({("b", "a", "n", "a", "n", "a"): 2}, note="a pair that comes back"),
        Case({("a", "b"): 4, ("b", "a"): 1}, note="both orders"),
        Case({("ab", "c", "d"): 3, ("x",): 9}, note="a word with a single token"),
        Case({}, note="no words"),
    ]


# --- merge_pair --------------------------------------------------------------------


def merge_pair(tokens, pair):
    """Join a pair wherever it stands, from the left, in a list of tokens."""
    merged, i = [], 0
    while i < len(tokens):
        if tuple(tokens[i : i + 2]) == tuple(pair):
            merged.append(tokens[i] + tokens[i + 1])
            i += 2
        else:
            merged.append(tokens[i])
            i += 1
    return merged


def _merge_pair_stack(tokens, pair):
    out, free = [], False
    for token in tokens:
        if out and free and (out[-1], token) == tuple(pair):
            out[-1] += token
            free = False  # what was joined takes no part in a second joining
        else:
            out.append(token)
            free = True
    return out


def _merge_pair_recursive(tokens, pair):
    if len(tokens) < 2:
        return list(tokens)
    if tuple(tokens[:2]) == tuple(pair):
        return [tokens[0] + tokens[1], *_merge_pair_recursive(tokens[2:], pair)]
    return [tokens[0], *_merge_pair_recursive(tokens[1:], pair)]


def _merge_overlapping(tokens, pair):
    out = []
    for i, token in enumerate(tokens):
        if tuple(tokens[i : i + 2]) == tuple(pair):
            out.append(token + tokens[i + 1])
        elif i == 0 or tuple(tokens[i - 1 : i + 1]) != tuple(pair):
            out.append(token)
    return out


def _merge_keeps_right(tokens, pair):
    out = []
    for i, token in enumerate(tokens):
        joined = tuple(tokens[i : i + 2]) == tuple(pair)
        out.append(token + tokens[i + 1] if joined else token)
    return out


def _merge_first_only(tokens, pair):
    for i in range(len(tokens) - 1):
        if (tokens[i], tokens[i + 1]) == tuple(pair):
            return [*tokens[:i], tokens[i] + tokens[i + 1], *tokens[i + 2 :]]
    return list(tokens)


def _merge_drops_last(tokens, pair):
    out, i = [], 0
    while i < len(tokens) - 1:
        if (tokens[i], tokens[i + 1]) == tuple(pair):
            out.append(tokens[i] + tokens[i + 1])
            i += 2
        else:
            out.append(tokens[i])
            i += 1
    return out


def _merge_again(tokens, pair):
    out = []
    for token in tokens:
        if out and out[-1].endswith(pair[0]) and token == pair[1]:
            out[-1] += token
        else:
            out.append(token)
    return out


def _merge_cases():
    return [
        Case(["h", "u", "g", "s"], ("u", "g")),
        Case(["b", "a", "n", "a", "n", "a"], ("a", "n"), note="a pair twice"),
        Case(["a", "a", "a"], ("a", "a"), note="overlapping pairs"),
        Case(["a", "a", "a", "a", "a"], ("a", "a"), note="more overlapping pairs"),
        Case(["a", "b", "b"], ("a", "b"), note="the second half twice"),
        Case(["x", "ab", "c"], ("b", "c"), note="a pair that is not there"),
        Case([], ("a", "b"), note="no tokens"),
    ]


EXERCISES = [
    Exercise(
        name="count_pairs",
        signature="count_pairs(words)",
        reference=_count_pairs,
        cases=_pair_cases,
        right=(_count_pairs_counter, _count_pairs_flat),
        mistakes=(
            Mistake(
                "each word once",
                "A word that occurs five times brings its pairs five times. Add the "
                "word's number of occurrences, not 1.",
                _count_each_word_once,
            ),
            Mistake(
                "once in a word",
                "A pair can stand several times in one word: “a n” stands twice in "
                "“b a n a n a”. Do not collect the pairs in a set.",
                _count_pairs_once_in_a_word,
            ),
            Mistake(
                "across words",
                "The last token of one word and the first of the next are no pair: "
                "merges never reach across a word's edge. Go word by word.",
                _count_across_words,
            ),
            Mistake(
                "order ignored",
                "The pairs (a, b) and (b, a) are different, since joining them gives "
                "“ab” and “ba”. Keep the order.",
                _count_unordered,
            ),
            Mistake(
                "single tokens",
                "These are the counts of single tokens. Byte-pair encoding needs those "
                "of two neighbours.",
                _count_single_tokens,
            ),
            Mistake(
                "every second pair",
                "Each token but the last begins a pair. Move on by one token, not by "
                "two.",
                _count_every_second,
            ),
        ),
    ),
    Exercise(
        name="merge_pair",
        signature="merge_pair(tokens, pair)",
        reference=merge_pair,
        cases=_merge_cases,
        right=(_merge_pair_stack, _merge_pair_recursive),
        mistakes=(
            Mistake(
                "overlap merged twice",
                "In “a a a” the middle token is used up by the first joining: the "
                "result is “aa a”. After a joining, move on by two tokens.",
                _merge_overlapping,
            ),
            Mistake(
                "right half kept",
                "The right half of a joined pair still stands behind it. It is part of "
                "the new token now, so skip it.",
                _merge_keeps_right,
            ),
            Mistake(
                "first only",
                "Only the first place was joined. Go on to the end: the pair can stand "
                "in several places.",
                _merge_first_only,
            ),
            Mistake(
                "last token lost",
                "A last token that belongs to no pair is missing. What does the loop "
                "do when only one token is left?",
                _merge_drops_last,
            ),
            Mistake(
                "joined again",
                "A token that was just joined was joined a second time. Compare the "
                "tokens as they were before, not the end of what was built.",
                _merge_again,
            ),
        ),
    ),
]
