"""Filters against the logits processors of transformers, and by hand."""

import math

import pytest
import torch
from transformers.generation import logits_process as hf

from llmkit.decoding import filters
from llmkit.decoding.filters import Sampling, next_token_probabilities
from tests.decoding.logits import SIZES, B, T, draw, hostile, same

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
