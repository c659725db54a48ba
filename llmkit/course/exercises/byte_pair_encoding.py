"""Exercises of 01_tokenization: replay learned merges on a new word."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.course.exercises.byte_pairs import merge_pair
from llmkit.tokenizers import ByteBPETokenizer
from llmkit.tokenizers.splitting import byte_characters


def _encode_tokenizer(word, merges):
    alphabet = byte_characters()

    def shown(token):
        return "".join(alphabet[b] for b in token)

    vocab = {character: i for i, character in enumerate(alphabet)}
    for left, right in merges:
        vocab.setdefault(shown(left + right), len(vocab))
    pairs = [(shown(left), shown(right)) for left, right in merges]
    tokenizer = ByteBPETokenizer(vocab, pairs, pattern=r"[\s\S]+")
    return [tokenizer.token_bytes(i) for i in tokenizer.encode(word)]


def _encode_word(word, merges):
    tokens = [bytes([b]) for b in word.encode("utf-8")]
    ranks = {tuple(pair): rank for rank, pair in enumerate(merges)}
    while True:
        found = [ranks[pair] for pair in pairwise(tokens) if pair in ranks]
        if not found:
            return tokens
        tokens = merge_pair(tokens, merges[min(found)])


def _encode_in_order(word, merges):
    tokens = [bytes([b]) for b in word.encode("utf-8")]
    for pair in merges:
        tokens = merge_pair(tokens, pair)
    return tokens


def _encode_characters(word, merges):
    tokens = [character.encode("utf-8") for character in word]
    for pair in merges:
        tokens = merge_pair(tokens, pair)
    return tokens


def _encode_latin(word, merges):
    tokens = [bytes([ord(c)]) for c in word if ord(c) < 256]
    for pair in merges:
        tokens = merge_pair(tokens, pair)
    return tokens


def _encode_from_the_left(word, merges):
    tokens = [bytes([b]) for b in word.encode("utf-8")]
    known = {tuple(pair) for pair in merges}
    i = 0
    while i < len(tokens) - 1:
        if (tokens[i], tokens[i + 1]) in known:
            tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]
            i = 0
        else:
            i += 1
    return tokens


def _encode_longest(word, merges):
    data, known = word.encode("utf-8"), {left + right for left, right in merges}
    out, i = [], 0
    while i < len(data):
        size = next(
            (n for n in range(len(data) - i, 1, -1) if data[i : i + n] in known), 1
        )
        out.append(data[i : i + size])
        i += size
    return out


def _encode_frequent_first(word, merges):
    tokens = [bytes([b]) for b in word.encode("utf-8")]
    known = {tuple(pair) for pair in merges}
    while True:
        counts = Counter(pair for pair in pairwise(tokens) if pair in known)
        if not counts:
            return tokens
        tokens = merge_pair(tokens, max(counts, key=counts.get))


def _encode_last_rank_first(word, merges):
    tokens = [bytes([b]) for b in word.encode("utf-8")]
    ranks = {tuple(pair): rank for rank, pair in enumerate(merges)}
    while True:
        found = [ranks[pair] for pair in pairwise(tokens) if pair in ranks]
        if not found:
            return tokens
        tokens = merge_pair(tokens, merges[max(found)])


def _encode_one_merge(word, merges):
    tokens = [bytes([b]) for b in word.encode("utf-8")]
    for pair in merges:
        joined = merge_pair(tokens, pair)
        if joined != tokens:
            return joined
    return tokens


def _word_cases():
    plain = [(b"h", b"e"), (b"l", b"l"), (b"he", b"ll"), (b"l", b"o"), (b"ll", b"o")]
    # "b c" was learned before "a b", which stands further to the left
    order = [(b"b", b"c"), (b"a", b"b"), (b"ab", b"c"), (b"a", b"bc")]
    accent = [(b"\xc3", b"\xa9"), (b"f", b"\xc3\xa9"), (b"c", b"a")]
    # "abcd" is a token, yet "b c" comes first and leaves no way to it
    trap = [(b"b", b"c"), (b"a", b"b"), (b"c", b"d"), (b"ab", b"cd")]
    often = [(b"x", b"y"), (b"y", b"z"), (b"yz", b"yz")]
    return [
        Case("hello", plain),
        Case("hello", [], note="no merges: single bytes"),
        Case("abc", order, note="two pairs that share a token"),
        Case("abc", [*order[:2], order[3]], note="the left pair leads nowhere"),
        Case("café", accent, note="a letter of two bytes"),
        Case("東é", accent, note="bytes without a merge"),
        Case("abcd", trap, note="a longer token that cannot be reached"),
        Case("xyzyz", often, note="a rarer pair of lower rank"),
        Case("", plain, note="an empty word"),
    ]


EXERCISES = [
    Exercise(
        name="encode_word",
        signature="encode_word(word, merges)",
        reference=_encode_word,
        cases=_word_cases,
        right=(_encode_tokenizer, _encode_in_order),
        mistakes=(
            Mistake(
                "characters",
                "It starts from characters, but byte-level BPE starts from bytes: “é” "
                "is two of them. Use word.encode('utf-8').",
                (_encode_characters, _encode_latin),
            ),
            Mistake(
                "from the left",
                "It joins the first pair it meets from the left. The merge that was "
                "learned first goes first, wherever it stands.",
                _encode_from_the_left,
            ),
            Mistake(
                "longest match",
                "It takes the longest known token from the left. That is WordPiece; "
                "BPE replays its merges in the order of their rank.",
                _encode_longest,
            ),
            Mistake(
                "most frequent first",
                "It joins the pair that is most frequent in this word. Frequency "
                "counted in training; now only the rank counts.",
                _encode_frequent_first,
            ),
            Mistake(
                "last rank first",
                "It begins with the merge that was learned last. The lowest rank goes "
                "first, since later merges are built from earlier ones.",
                _encode_last_rank_first,
            ),
            Mistake(
                "one merge",
                "It stops after one merge. Go on until no pair is among the merges.",
                _encode_one_merge,
            ),
        ),
    ),
]
