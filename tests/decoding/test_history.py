"""The filters that look back, against transformers and by hand."""

import math

import pytest
import torch
from transformers.generation import logits_process as hf

from llmkit.decoding import Sampling, generate
from llmkit.decoding.history import bad_words, no_repeat_ngram, repetition_penalty
from llmkit.models import GPT, GPTConfig
from tests.decoding.logits import SIZES, B, T, draw, hostile, same


@pytest.mark.parametrize("make", [draw, hostile])
@pytest.mark.parametrize("vocab_size", SIZES)
@pytest.mark.parametrize("penalty", [0.5, 1.3, 5.0])
def test_repetition_penalty_equals_transformers(make, vocab_size, penalty):
    logits, ids = make(vocab_size)
    theirs = hf.RepetitionPenaltyLogitsProcessor(penalty)(ids, logits)
    same(repetition_penalty(logits, ids, penalty), theirs)


def test_repetition_penalty_ignores_padding():
    logits, ids = draw(50)
    pads = torch.tensor([0, 4, 9])
    mask = torch.arange(T)[None] >= pads[:, None]
    theirs = hf.RepetitionPenaltyLogitsProcessor(1.7, prompt_ignore_length=pads)
    same(repetition_penalty(logits, ids, 1.7, mask), theirs(ids, logits))


@pytest.mark.parametrize("n", [1, 2, 3, T, T + 1])
def test_no_repeat_ngram_equals_transformers(n):
    logits, _ = draw(50)
    ids = torch.randint(4, (B, T), generator=torch.Generator().manual_seed(2))
    theirs = hf.NoRepeatNGramLogitsProcessor(n)(ids, logits)
    same(no_repeat_ngram(logits, ids, n), theirs)


def test_no_repeat_ngram_by_hand():
    ids = torch.tensor([[7, 1, 2, 3, 1, 2]])
    banned = no_repeat_ngram(torch.zeros(1, 9), ids, 3) == -math.inf
    assert banned.nonzero()[:, 1].tolist() == [3]  # 1 2 3 would come twice
    padded = no_repeat_ngram(torch.zeros(1, 9), ids, 2, ids != 7)
    assert (padded == -math.inf).nonzero()[:, 1].tolist() == [3]


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
        logits, _ = draw(50, seed)
        ids = torch.randint(3, (B, T), generator=torch.Generator().manual_seed(seed))
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
    model = GPT(GPTConfig(vocab_size=11, d_model=8, n_heads=2, n_layers=1)).eval()
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
