"""The fast copy computes what the model computes."""

import pytest
import torch

from llmkit.decoding import beam_search, generate, left_pad, swift
from llmkit.decoding.swift import RowLinear
from llmkit.models import GPT, GPTConfig, Llama, LlamaConfig

V, N = 37, 9
MODELS = {
    "gpt": lambda: GPT(GPTConfig(vocab_size=V, d_model=24, n_heads=3, n_layers=2)),
    "relu": lambda: GPT(
        GPTConfig(vocab_size=V, d_model=24, n_heads=3, activation="relu_squared")
    ),
    "llama": lambda: Llama(
        LlamaConfig(vocab_size=V, d_model=24, n_heads=4, n_kv_heads=2, d_ff=40)
    ),
    "qwen": lambda: Llama(
        LlamaConfig(
            **{"vocab_size": V, "d_model": 24, "n_heads": 4, "d_head": 8, "d_ff": 40},
            **{"head_norm": True, "qkv_bias": True, "window": 4, "tied": True},
        )
    ),
}


@pytest.fixture(params=MODELS)
def model(request):
    torch.manual_seed(0)
    model = MODELS[request.param]().double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(6 if p.dim() > 1 else 1).add_(0.01)
    return model


@torch.no_grad()
def test_logits_and_weights_are_the_same(model):
    ids, mask = left_pad([[1, 2, 3], [4, 5, 6, 7, 8]])
    twin = swift(model)
    mine, theirs = (
        m(ids, attention_mask=mask, output_attentions=True, output_hidden_states=True)
        for m in (twin, model)
    )
    torch.testing.assert_close(mine.logits, theirs.logits, atol=1e-10, rtol=0)
    for a, b in zip(
        mine.attentions + mine.hidden_states,
        theirs.attentions + theirs.hidden_states,
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=0)


def test_texts_are_the_same(model):
    before = {name: p.clone() for name, p in model.named_parameters()}
    twin = swift(model)
    ids, mask = left_pad([[1, 2, 3], [4, 5, 6, 7, 8]])
    options = {"attention_mask": mask, "repetition_penalty": 1.2}
    assert torch.equal(
        generate(twin, ids, N, **options), generate(model, ids, N, **options)
    )
    found = [beam_search(m, ids[1:], N, num_beams=3).best for m in (twin, model)]
    assert [h.ids for h in found[0]] == [h.ids for h in found[1]]
    for name, p in model.named_parameters():  # the model itself is left alone
        assert torch.equal(p, before[name])
        assert p.requires_grad


@pytest.mark.parametrize("rows", [(1, 1), (3, 1), (2, 4)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(5, 7), (1030, 1040)])
def test_linear_layers_large_and_small(rows, bias, sizes):
    inside, out = sizes
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(out, inside, generator=generator)
    bias = torch.randn(out, generator=generator) if bias else None
    x = torch.randn(*rows, inside, generator=generator)
    judge = torch.nn.functional.linear(x, weight, bias)
    with torch.no_grad():
        mine = RowLinear(weight, bias)(x)
    torch.testing.assert_close(mine, judge, atol=1e-3, rtol=1e-4)


def test_only_a_module_can_be_copied():
    with pytest.raises(TypeError, match="model must be Module; got str"):
        swift("gpt")
