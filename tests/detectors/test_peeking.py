"""Leaks of the future: every planted one is found, sound models raise no alarm."""

import copy

import pytest
import torch
from torch import nn

from llmkit.detectors import no_peeking
from llmkit.models import (
    BERT,
    GPT,
    BERTConfig,
    GPTConfig,
    Llama,
    LlamaConfig,
    Seq2Seq,
    Seq2SeqConfig,
)
from tests.detectors.leaky import Classifier, Small
from tests.hub.tiny import DECODERS, TWO_SIDED, tiny

LEAKS = [
    "no mask",
    "no mask in layer 2",
    "off by one",
    "one head",
    "far future",
    "soft wall",
    "mean over positions",
    "faint mean",
    "greatest of all",
    "counted from the end",
    "training",
    "batch norm",
]


def ours(kind):
    torch.manual_seed(0)
    sizes = {"vocab_size": 31, "d_model": 12, "n_layers": 2, "context_length": 16}
    if kind == "GPT":
        return GPT(GPTConfig(**sizes, n_heads=3, dropout=0.2))
    if kind == "Llama":
        return Llama(LlamaConfig(**sizes, n_heads=2, window=3))
    sizes = {"vocab_size": 31, "d_model": 12, "context_length": 16, "n_heads": 3}
    return Seq2Seq(Seq2SeqConfig(**sizes))


@pytest.mark.parametrize("kind", DECODERS + TWO_SIDED)
def test_models_of_transformers_are_sound(kind):
    model = tiny(kind)
    finding = no_peeking(model)
    assert finding, finding
    assert "No peeking" in str(finding)


@pytest.mark.parametrize("kind", ["GPT", "Llama", "Seq2Seq"])
@pytest.mark.parametrize("seed", [0, 1])
def test_models_of_the_kit_are_sound(kind, seed):
    assert no_peeking(ours(kind), seed=seed)
    assert no_peeking(ours(kind).double(), seed=seed, length=5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_small_sound_model(seed):
    assert no_peeking(Small(seed=seed))


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_leaks_are_found(leak, seed):
    finding = no_peeking(Small(leak, seed=seed))
    assert not finding
    assert "future is visible" in finding.sentence
    place, end = finding.where
    assert place < end
    if leak == "off by one":
        assert end == place + 1
    if leak == "training":
        assert "in training mode" in finding.sentence


@pytest.mark.parametrize("kind", ["BERT, MLM", "RoBERTa", "DistilBERT"])
def test_an_encoder_sees_the_future(kind):
    assert not no_peeking(tiny(kind))


def test_our_encoder_sees_the_future():
    torch.manual_seed(0)
    sizes = {"vocab_size": 31, "d_model": 12, "n_heads": 3, "n_layers": 1}
    assert not no_peeking(BERT(BERTConfig(**sizes)))


def test_a_model_is_left_as_it_was():
    model = Small("batch norm").train()
    model.mix[0].eval()
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(5)
    dice = torch.get_rng_state()
    no_peeking(model)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), dice)
    assert model.training
    assert not model.mix[0].training
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks for m in model.modules())


def test_dice_that_ignore_the_mode():
    class Noisy(Small):
        def forward(self, ids, attention_mask=None):
            return nn.functional.dropout(super().forward(ids), 0.5, training=True)

    finding = no_peeking(Noisy())
    assert not finding
    assert "answers differently" in finding.sentence


def test_own_text_and_messages():
    text = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert no_peeking(Small(), text)
    assert not no_peeking(Small("no mask"), text)
    with pytest.raises(ValueError, match=r"T of at least 3.*got \(1, 2\)"):
        no_peeking(Small(), text[:1, :2])
    with pytest.raises(TypeError, match="model must be Module"):
        no_peeking("gpt2")
    with pytest.raises(ValueError, match="give vocab_size"):
        no_peeking(nn.Linear(3, 3))
    assert "nothing to compare" in no_peeking(Classifier()).sentence.replace("\n", " ")
