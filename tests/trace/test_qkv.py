"""Recorded queries, keys and values give the model's own weights."""

import math

import pytest
import torch

from llmkit.models import (
    BERT,
    GPT,
    BERTConfig,
    GPTConfig,
    Llama,
    LlamaConfig,
    Modern,
    ModernConfig,
)
from llmkit.trace.qkv import recorded_qkv

SIZES = {"vocab_size": 13, "d_model": 24, "n_heads": 6, "n_layers": 3}
MODELS = {
    "gpt": lambda: GPT(GPTConfig(**SIZES)),
    "modern": lambda: Modern(ModernConfig(**SIZES)),
    "bert": lambda: BERT(BERTConfig(**SIZES)),
    "llama with shared heads": lambda: Llama(LlamaConfig(**SIZES, n_kv_heads=2)),
}


@pytest.mark.parametrize("family", MODELS)
def test_weights_can_be_computed_again(family):
    torch.manual_seed(0)
    model = MODELS[family]().eval().double()
    ids = torch.randint(0, 13, (1, 7))
    with recorded_qkv(model) as layers:
        output = model(ids, output_attentions=True)
    for record, weights in zip(layers, output.attentions, strict=True):
        q, k, v, mask = (record[name] for name in ("q", "k", "v", "mask"))
        assert q.shape == k.shape == v.shape == (1, 6, 7, 4)
        scores = torch.einsum("bhtd,bhsd->bhts", q, k) / math.sqrt(4)
        if mask is not None:
            scores = scores.where(mask, -torch.inf)
        torch.testing.assert_close(scores.softmax(-1), weights)


def test_hooks_are_gone_afterwards():
    model = MODELS["gpt"]()
    with recorded_qkv(model) as layers:
        pass
    model(torch.zeros(1, 2, dtype=torch.int64))
    assert layers[0] == {}
