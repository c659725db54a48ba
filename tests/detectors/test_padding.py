"""Padding that is seen: every planted leak is found, sound models raise no alarm."""

import pytest
import torch

from llmkit.detectors import padding_invariant
from llmkit.models import BERT, GPT, BERTConfig, GPTConfig, Llama, LlamaConfig
from tests.detectors.leaky import Classifier, Small
from tests.hub.tiny import DECODERS, KINDS, tiny

LEAKS = ["mask ignored", "mask in layer 1 only", "last padding seen", "soft wall"]


@pytest.mark.parametrize("kind", KINDS)
def test_models_of_transformers_are_sound(kind):
    finding = padding_invariant(tiny(kind))
    assert finding, finding
    assert "with 4 tokens added on the right" in str(finding)


@pytest.mark.parametrize("kind", DECODERS)
def test_decoders_of_transformers_on_the_left(kind):
    assert padding_invariant(tiny(kind), side="left")


def test_models_of_the_kit_are_sound():
    torch.manual_seed(0)
    sizes = {"vocab_size": 31, "d_model": 12, "n_layers": 2, "context_length": 16}
    decoders = [
        GPT(GPTConfig(**sizes, n_heads=3, dropout=0.2)),
        Llama(LlamaConfig(**sizes, n_heads=2, window=3)),
    ]
    for model in decoders:
        assert padding_invariant(model)
        assert padding_invariant(model, side="left", padding=2)
    encoder = BERT(BERTConfig(**sizes, n_heads=3))
    assert padding_invariant(encoder)
    torch.nn.init.normal_(encoder.position_embedding.weight)
    # on the left the text would stand at other positions
    assert not padding_invariant(encoder, side="left")


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_small_sound_models(causal, seed):
    assert padding_invariant(Small(causal=causal, seed=seed))
    assert padding_invariant(Small(causal=causal, seed=seed), side="left")
    assert padding_invariant(Classifier(causal=causal, seed=seed))


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_leaks_are_found(leak, seed):
    finding = padding_invariant(Small(leak, causal=False, seed=seed))
    assert not finding
    assert "Padding on the right matters" in finding.sentence


@pytest.mark.parametrize("leak", ["mask ignored", "padding takes a place"])
def test_planted_leaks_on_the_left(leak):
    assert not padding_invariant(Small(leak), side="left")
    assert padding_invariant(Small(leak), side="right")


def test_a_mean_that_counts_padding():
    assert not padding_invariant(Classifier("mean over padding"))


def test_messages():
    with pytest.raises(ValueError, match="side must be one of 'right', 'left'"):
        padding_invariant(Small(), side="top")
    with pytest.raises(ValueError, match="padding must be a whole number"):
        padding_invariant(Small(), padding=0)
