"""Filters against the logits processors of transformers, and by hand."""

import math

import pytest
import torch
from transformers.generation import logits_process as hf

from llmkit.decoding import filters
from llmkit.decoding.filters import Sampling, next_token_probabilities

B, T = 3, 11
SIZES = (1, 2, 50, 50_257)


def draw(vocab_size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(B, vocab_size, generator=generator) * 4
    ids = torch.randint(vocab_size, (B, T), generator=generator)
    return logits, ids


def hostile(vocab_size):
    """Rows that break careless code: ties, -inf, huge gaps."""
    equal = torch.zeros(vocab_size)
    steps = torch.arange(vocab_size).div(3, rounding_mode="floor").float().neg()
    holes = torch.randn(vocab_size, generator=torch.Generator().manual_seed(1))
    holes[1::2] = -math.inf
    cliff = torch.full((vocab_size,), -60.0)
    cliff[-1] = 40.0
    ids = torch.arange(4 * T).remainder(vocab_size).view(4, T)
    return torch.stack([equal, steps, holes, cliff]), ids


def same(mine, theirs):
    assert torch.equal(mine == -math.inf, theirs == -math.inf)
    torch.testing.assert_close(mine, theirs)


CASES = [
    ("temperature", filters.temperature, hf.TemperatureLogitsWarper, (0.05, 0.7, 5.0)),
    ("top_k", filters.top_k, hf.TopKLogitsWarper, (1, 3, 50, 10**6)),
    ("top_p", filters.top_p, hf.TopPLogitsWarper, (0.0, 0.1, 0.5, 0.9, 0.999, 1.0)),
    ("min_p", filters.min_p, hf.MinPLogitsWarper, (0.0, 0.05, 0.5, 1.0)),
    ("typical", filters.typical, hf.TypicalLogitsWarper, (0.1, 0.5, 0.9, 0.99)),
]
FLAT = [(mine, theirs, value) for _, mine, theirs, values in CASES for value in values]
NAMES = [f"{name}-{value}" for name, _, _, values in CASES for value in values]


@pytest.mark.parametrize(("mine", "theirs", "value"), FLAT, ids=NAMES)
@pytest.mark.parametrize("make", [draw, hostile])
@pytest.mark.parametrize("vocab_size", SIZES)
def test_filter_equals_transformers(mine, theirs, value, make, vocab_size):
    logits, ids = make(vocab_size)
    before = logits.clone()
    same(mine(logits, value), theirs(value)(ids, logits))
    assert torch.equal(logits, before)  # the argument is left alone


@pytest.mark.parametrize("make", [draw, hostile])
@pytest.mark.parametrize("vocab_size", SIZES)
@pytest.mark.parametrize("penalty", [0.5, 1.3, 5.0])
def test_repetition_penalty_equals_transformers(make, vocab_size, penalty):
    logits, ids = make(vocab_size)
    theirs = hf.RepetitionPenaltyLogitsProcessor(penalty)(ids, logits)
    same(filters.repetition_penalty(logits, ids, penalty), theirs)


def test_repetition_penalty_ignores_padding():
    logits, ids = draw(50)
    pads = torch.tensor([0, 4, 9])
    mask = torch.arange(T)[None] >= pads[:, None]
    theirs = hf.RepetitionPenaltyLogitsProcessor(1.7, prompt_ignore_length=pads)
    same(filters.repetition_penalty(logits, ids, 1.7, mask), theirs(ids, logits))


@pytest.mark.parametrize("n", [1, 2, 3, T, T + 1])
def test_no_repeat_ngram_equals_transformers(n):
    logits, _ = draw(50)
    ids = torch.randint(4, (B, T), generator=torch.Generator().manual_seed(2))
    theirs = hf.NoRepeatNGramLogitsProcessor(n)(ids, logits)
    same(filters.no_repeat_ngram(logits, ids, n), theirs)


def test_no_repeat_ngram_by_hand():
    ids = torch.tensor([[7, 1, 2, 3, 1, 2]])
    banned = filters.no_repeat_ngram(torch.zeros(1, 9), ids, 3) == -math.inf
    assert banned.nonzero()[:, 1].tolist() == [3]  # 1 2 3 would come twice
    padded = filters.no_repeat_ngram(torch.zeros(1, 9), ids, 2, ids != 7)
    assert (padded == -math.inf).nonzero()[:, 1].tolist() == [3]


def test_top_p_by_hand():
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    for p, kept in [(0.0, 1), (0.4, 1), (0.6, 2), (0.9, 3), (0.96, 4)]:
        assert int((filters.top_p(logits, p) > -math.inf).sum()) == kept, p


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.7, "top_k": 40, "top_p": 0.9, "min_p": 0.02},
        {"temperature": 1.6, "top_p": 0.8, "typical_p": 0.7},
        {"repetition_penalty": 1.4, "no_repeat_ngram": 2, "top_k": 5},
    ],
)
@pytest.mark.parametrize("vocab_size", [50, 50_257])
def test_sampling_keeps_the_order_of_generate(settings, vocab_size):
    """The order is read off generate itself, not written down a second time."""
    from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel

    names = {"no_repeat_ngram": "no_repeat_ngram_size"}
    config = {names.get(k, k): v for k, v in settings.items()}
    config = GenerationConfig(do_sample=True, **{"top_k": 0, **config})
    model = GPT2LMHeadModel(GPT2Config(vocab_size=5, n_embd=4, n_layer=1, n_head=1))
    chain = model._get_logits_processor(config, input_ids_seq_length=T)
    logits, ids = draw(vocab_size)
    same(Sampling(**settings).apply(logits, ids), chain(ids, logits.clone()))


def test_probabilities_sum_to_one_and_greedy_is_certain():
    logits, ids = draw(50)
    probs = next_token_probabilities(logits, ids, temperature=0.5, top_p=0.9)
    torch.testing.assert_close(probs.sum(-1), torch.ones(B))
    certain = next_token_probabilities(logits, temperature=0)
    assert torch.equal(certain.argmax(-1), logits.argmax(-1))
    assert torch.equal(certain.amax(-1), torch.ones(B))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: filters.temperature(x, 0), r"generate\(temperature=0\)"),
        (lambda x: filters.temperature(x, -1), "temperature must be .* above 0; got"),
        (lambda x: filters.top_k(x, 0), "k must be a number above 0; got 0"),
        (lambda x: filters.top_p(x, 1.2), "p must lie between 0 and 1; got 1.2"),
        (lambda x: filters.min_p(x, -0.1), "p must lie between 0 and 1; got -0.1"),
        (lambda x: filters.typical(x, 1), "mass must lie between 0 and 1, ends"),
        (lambda x: filters.top_k(x[0], 2), r"logits must have 2 axes, \(B, V\)"),
        (lambda x: Sampling(repetition_penalty=2).apply(x), "ids must hold the text"),
        (lambda x: Sampling(top_k=2.5), "top_k must be int; got float"),
    ],
)
def test_errors_say_what_was_given(call, match):
    with pytest.raises((ValueError, TypeError), match=match):
        call(torch.zeros(2, 5))
