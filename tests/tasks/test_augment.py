"""Damaged copies: how much goes, what stays."""

from collections import Counter

import pytest
import torch

from llmkit.tasks import augmented, drop_words, swap_words

TEXT = "one two three four five six seven eight nine ten"


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_dropping_keeps_the_order():
    g = generator()
    left = [drop_words(TEXT, 0.3, g).split() for _ in range(500)]
    for words in left:
        places = [TEXT.split().index(word) for word in words]
        assert places == sorted(places)
        assert words
    share = sum(len(words) for words in left) / 5000
    assert share == pytest.approx(0.7, abs=0.03)


def test_dropping_at_the_ends():
    assert drop_words(TEXT, 0.0) == TEXT
    assert len(drop_words(TEXT, 1.0).split()) == 1
    assert drop_words("", 0.5) == ""
    with pytest.raises(ValueError, match="share"):
        drop_words(TEXT, 1.5)


def test_swapping_keeps_the_words():
    g = generator()
    for _ in range(50):
        swapped = swap_words(TEXT, 1, g).split()
        assert Counter(swapped) == Counter(TEXT.split())
        moved = [i for i, w in enumerate(TEXT.split()) if swapped[i] != w]
        assert len(moved) == 2
        assert moved[1] == moved[0] + 1
    assert swap_words("alone", 3) == "alone"
    assert swap_words("", 3) == ""


@pytest.mark.parametrize("change", [drop_words, swap_words])
def test_copies(change):
    texts, labels = augmented([TEXT, "a b"], [1, 0], change, 2, generator(3))
    assert texts[:2] == [TEXT, "a b"]
    assert labels == [1, 0] * 3
    assert len(texts) == 6
    again, _ = augmented([TEXT, "a b"], [1, 0], change, 2, generator(3))
    assert again == texts
    with pytest.raises(ValueError, match="as many as texts"):
        augmented([TEXT], [0, 1])
