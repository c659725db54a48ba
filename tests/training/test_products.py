"""Linear layers by oneDNN compute what PyTorch's compute, forth and back."""

import pytest
import torch
from torch import nn

from llmkit.losses import cross_entropy
from llmkit.models import GPT, GPTConfig
from llmkit.runtime import has_onednn
from llmkit.training import OneDNN

B, T, INSIDE, OUT = 3, 50, 96, 112  # B * T * INSIDE * OUT is above a million


def outcome(layer, x, on: bool):
    x = x.clone().requires_grad_()
    layer.zero_grad()
    if on:
        with OneDNN():
            y = layer(x)
    else:
        y = layer(x)
    (y * torch.arange(OUT)).sum().backward()
    bias = [] if layer.bias is None else [layer.bias.grad.clone()]
    return y, x.grad, layer.weight.grad.clone(), *bias


@pytest.mark.parametrize("bias", [True, False])
def test_same_numbers_forth_and_back(bias):
    layer = nn.Linear(INSIDE, OUT, bias=bias)
    x = torch.randn(B, T, INSIDE, generator=torch.Generator().manual_seed(0))
    mine, judge = outcome(layer, x, True), outcome(layer, x, False)
    if has_onednn():
        assert "_Linear" in type(mine[0].grad_fn).__name__
    for a, b in zip(mine, judge, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    ("inside", "kind"), [(4, torch.float32), (INSIDE, torch.float64)]
)
def test_small_and_64_bit_layers_go_their_usual_way(inside, kind):
    layer = nn.Linear(inside, OUT).to(kind)
    x = torch.randn(B, T, inside, dtype=kind)
    with OneDNN():
        mine = layer(x)
    assert torch.equal(mine, layer(x))
    assert "_Linear" not in type(mine.grad_fn).__name__


def test_a_model_has_the_same_gradient():
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=65, d_model=96, n_heads=4, n_layers=2))
    ids = torch.randint(65, (5, 31))
    found = []
    for on in (True, False):
        model.zero_grad()
        if on:
            with OneDNN():
                loss = cross_entropy(model(ids[:, :-1]).logits, ids[:, 1:])
        else:
            loss = cross_entropy(model(ids[:, :-1]).logits, ids[:, 1:])
        loss.backward()
        found.append([p.grad.clone() for p in model.parameters()])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_a_frozen_weight_gets_no_gradient():
    layer = nn.Linear(INSIDE, OUT).requires_grad_(False)
    x = torch.randn(B, T, INSIDE, requires_grad=True)
    with OneDNN():
        layer(x).sum().backward()
    assert layer.weight.grad is None
    torch.testing.assert_close(x.grad[0, 0], layer.weight.sum(0), rtol=1e-4, atol=1e-4)
