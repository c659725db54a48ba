"""Costs, judged by PyTorch's own counter of operations and by a real cache."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from llmkit.models import (
    BERT,
    GPT,
    BERTConfig,
    GPTConfig,
    Llama,
    LlamaConfig,
    Modern,
    ModernConfig,
    ModernNGrams,
    ModernNGramsConfig,
    Seq2Seq,
    Seq2SeqConfig,
)
from llmkit.models.costs import (
    cost_table,
    count_flops,
    kv_cache_bytes,
    training_bytes,
)

SIZES = {"vocab_size": 17, "d_model": 12, "n_heads": 6, "n_layers": 3, "d_ff": 20}
MODELS = {
    "gpt": lambda: GPT(GPTConfig(**SIZES)),
    "modern": lambda: Modern(ModernConfig(**SIZES)),
    "ngrams": lambda: ModernNGrams(ModernNGramsConfig(**SIZES, buckets=31)),
    "llama": lambda: Llama(LlamaConfig(**SIZES, n_kv_heads=2, d_head=4)),
    "qwen": lambda: Llama(LlamaConfig(**SIZES, head_norm=True, tied=True)),
    "bert": lambda: BERT(BERTConfig(**SIZES)),
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


def test_weights_add_up(model):
    parts = cost_table(model, 5)
    assert sum(p.weights for p in parts) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("length", [1, 7])
def test_operations_equal_pytorchs_count(model, length):
    ids = torch.zeros(1, length, dtype=torch.int64)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(ids, output_attentions=True)
    assert count_flops(model, length) == counter.get_total_flops()


@pytest.mark.parametrize("name", ["gpt", "llama", "modern", "ngrams"])
def test_cache_bytes_equal_a_real_cache(name):
    model = MODELS[name]()
    cache = model.new_cache()
    with torch.no_grad():
        model(torch.zeros(1, 9, dtype=torch.int64), cache=cache)
    assert kv_cache_bytes(model, 9) == cache.n_bytes()
    assert kv_cache_bytes(model, 9, 2) == cache.n_bytes() // 2


def test_training_bytes_equal_what_adamw_holds():
    model = MODELS["gpt"]()
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.zeros(1, 3, dtype=torch.int64)).logits.sum().backward()
    optimizer.step()
    held = [t for s in optimizer.state.values() for t in s.values() if t.dim()]
    held += [p for p in model.parameters()] + [p.grad for p in model.parameters()]
    assert training_bytes(model) == sum(t.numel() * 4 for t in held)


def test_messages():
    with pytest.raises(
        TypeError, match=r"model must be GPT or Llama or Modern; got BERT. Only dec"
    ):
        kv_cache_bytes(MODELS["bert"](), 3)
    seq2seq = Seq2Seq(Seq2SeqConfig(vocab_size=9, d_model=8))
    with pytest.raises(TypeError, match="model must be GPT or Llama or Modern or BERT"):
        cost_table(seq2seq, 3)
    with pytest.raises(ValueError, match="length must be a number above 0"):
        count_flops(MODELS["gpt"](), 0)
