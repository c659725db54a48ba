"""Forbidden words against transformers; the other filters that look back: filters."""

import math

import pytest
import torch
from transformers.generation import logits_process as hf

from llmkit.decoding import Sampling, generate
from llmkit.decoding.history import bad_words
from llmkit.models import GPT, GPTConfig

B, T, V = 3, 7, 11


def draw(seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(B, V, generator=generator)
    return logits, torch.randint(3, (B, T), generator=generator)


@pytest.mark.parametrize(
    "words",
    [
        [[4]],
        [[4], [0, 5], [1, 2, 6]],
        [[0, 1], [1, 0], [2, 0], [0, 2], [1, 1, 1], [2, 2, 9]],
        [list(range(T))],
    ],
)
def test_bad_words_equal_transformers(words):
    processor = hf.NoBadWordsLogitsProcessor(words, eos_token_id=None)
    for seed in range(8):
        logits, ids = draw(seed)
        before = logits.clone()
        mine = bad_words(logits, ids, words)
        assert torch.equal(mine, processor(ids, logits))
        assert torch.equal(logits, before)


def test_bad_words_by_hand():
    ids = torch.tensor([[1, 2], [2, 1]])
    banned = bad_words(torch.zeros(2, 5), ids, [[1, 2, 3], [1, 4]]) == -math.inf
    assert banned.nonzero().tolist() == [[0, 3], [1, 4]]
    # the text is the whole beginning of a word, and it counts
    assert bad_words(torch.zeros(2, 5), ids, [[1, 2, 0]])[0, 0] == -math.inf
    # padding is no part of the text
    mask = torch.tensor([[False, True], [True, True]])
    padded = bad_words(torch.zeros(2, 5), ids, [[1, 2, 3], [1, 4]], mask)
    assert (padded == -math.inf).nonzero().tolist() == [[1, 4]]


def test_forbidden_words_are_never_written():
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=V, d_model=8, n_heads=2, n_layers=1)).eval()
    words = [[3], [1, 2], [2, 2, 5]]
    ids = torch.tensor([[1], [2]])
    generator = torch.Generator().manual_seed(0)
    options = {"temperature": 3.0, "generator": generator}
    out = generate(model, ids, 200, bad_words=words, **options).tolist()
    for text in out:
        runs = [text[i : i + n] for n in (1, 2, 3) for i in range(1, len(text) - n + 1)]
        assert not any(word in runs for word in words)
    free = generate(model, ids, 200, **options).tolist()
    assert any(3 in text for text in free)


@pytest.mark.parametrize("words", [[[]], [4], ["fox"]])
def test_bad_words_must_be_runs_of_ids(words):
    with pytest.raises(ValueError, match="lists of at least one token id each"):
        Sampling(bad_words=words)
