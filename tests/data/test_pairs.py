"""Pairs: half follow, the rest come from elsewhere, and no passage tells alone."""

import random
from collections import Counter

import pytest
from scipy.stats import binomtest, chi2_contingency

from llmkit.data import load_pydocs
from llmkit.data.pairs import Pair, sentence_pairs, split_sentences
from llmkit.data.stories import stories

# every sentence says where it stands: document and place
DOCUMENTS = [[f"d{d}s{s}." for s in range(size)] for d, size in enumerate((2, 3, 5, 9))]


def places(passage):
    found = [sentence.strip("d.").split("s") for sentence in passage.split()]
    return [(int(d), int(s)) for d, s in found]


def test_true_pairs_stood_together_and_false_ones_did_not():
    for pair in sentence_pairs(DOCUMENTS, 400, random.Random(0), longest=2):
        first, second = places(pair.first), places(pair.second)
        for passage in (first, second):
            (document, start), size = passage[0], len(passage)
            assert passage == [(document, start + i) for i in range(size)]
            assert 1 <= size <= 2
        same = first[0][0] == second[0][0]
        assert same == pair.follows
        if pair.follows:
            assert second[0][1] == first[-1][1] + 1


def test_order_exchanges_the_two_passages():
    for pair in sentence_pairs(DOCUMENTS, 200, random.Random(1), kind="order"):
        first, second = places(pair.first), places(pair.second)
        if not pair.follows:
            first, second = second, first
        assert (first[-1][0], first[-1][1] + 1) == second[0]


def test_half_of_the_pairs_follow():
    pairs = sentence_pairs(DOCUMENTS, 4000, random.Random(2))
    right = sum(pair.follows for pair in pairs)
    assert binomtest(right, 4000, 0.5).pvalue > 1e-4


@pytest.mark.parametrize("side", ["first", "second"])
def test_one_passage_alone_tells_nothing(side):
    # the kinds of sentence that begin a passage are as frequent in true pairs as in
    # false ones: a table of counts shows no link
    told = [story.sentences for story in stories(800, seed=3)]
    pairs = sentence_pairs(told, 6000, random.Random(3))
    counts = {True: Counter(), False: Counter()}
    for pair in pairs:
        words = getattr(pair, side).split()
        counts[pair.follows][words[1], len(words) // 6] += 1
    frequent = [k for k, n in (counts[True] + counts[False]).items() if n > 40]
    table = [[counts[truth][kind] for kind in frequent] for truth in (True, False)]
    assert len(frequent) > 8
    assert chi2_contingency(table).pvalue > 1e-3


def test_a_seed_fixes_the_pairs():
    first, again = (sentence_pairs(DOCUMENTS, 9, random.Random(4)) for _ in range(2))
    assert first == again != sentence_pairs(DOCUMENTS, 9, random.Random(5))


def test_documents_of_one_sentence_are_left_out():
    pairs = sentence_pairs([["only."], *DOCUMENTS[:2]], 50, random.Random(6))
    assert not any("only" in pair.first + pair.second for pair in pairs)
    with pytest.raises(ValueError, match="two sentences or more; got 1"):
        sentence_pairs([["a.", "b."], ["only."]], 5, random.Random(0))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="kind"):
        sentence_pairs(DOCUMENTS, 5, random.Random(0), kind="previous")
    with pytest.raises(ValueError, match="longest"):
        sentence_pairs(DOCUMENTS, 5, random.Random(0), longest=0)
    with pytest.raises(TypeError, match="text"):
        split_sentences(["a."])


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        ("One", ["One"]),
        ("One. Two! Three?\nFour", ["One.", "Two!", "Three?", "Four"]),
        ("It costs 3.50 or so. (Yes.) No", ["It costs 3.50 or so.", "(Yes.) No"]),
        ("no mark here\n\nBut a gap", ["no mark here", "But a gap"]),
    ],
)
def test_sentences_are_cut(text, sentences):
    assert split_sentences(text) == sentences


def test_stories_and_pydocs_give_pairs():
    told = [story.sentences for story in stories(20, seed=0)]
    read = [split_sentences(d.text) for d in load_pydocs("topics", max_chars=60_000)]
    for documents in (told, read):
        pairs = sentence_pairs(documents, 30, random.Random(0))
        assert all(isinstance(p, Pair) and p.first and p.second for p in pairs)
