"""Clipping, judged by PyTorch's own."""

import copy

import pytest
import torch

from llmkit.training import clip_gradients


@pytest.fixture
def layers():
    torch.manual_seed(2)
    layers = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Linear(5, 2)).double()
    layers[1].bias.requires_grad_(False)
    layers(torch.randn(7, 3, dtype=torch.float64)).square().sum().backward()
    return layers


@pytest.mark.parametrize("longest", [0.01, 1.0, 1e6])
def test_equals_pytorch(layers, longest):
    twin = copy.deepcopy(layers)
    for ours, theirs in zip(layers.parameters(), twin.parameters(), strict=True):
        theirs.grad = None if ours.grad is None else ours.grad.clone()
    length = clip_gradients(layers.parameters(), longest)
    theirs = torch.nn.utils.clip_grad_norm_(twin.parameters(), longest)
    assert length == pytest.approx(theirs.item(), rel=1e-12)
    for ours, theirs in zip(layers.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_the_direction_stays_and_the_length_is_kept_under_the_bound(layers):
    grads = [p.grad for p in layers.parameters() if p.grad is not None]
    before = torch.cat([grad.flatten() for grad in grads])
    assert clip_gradients(layers.parameters()) == pytest.approx(before.norm().item())
    clip_gradients(layers.parameters(), 0.5)
    after = torch.cat([grad.flatten() for grad in grads])
    torch.testing.assert_close(after, before * 0.5 / before.norm(), rtol=1e-5, atol=0)
    assert after.norm() <= 0.5


def test_nothing_to_clip():
    assert clip_gradients([torch.nn.Parameter(torch.ones(2))], 1.0) == 0.0


def test_messages(layers):
    with pytest.raises(ValueError, match="longest must be a number above 0; got 0"):
        clip_gradients(layers.parameters(), 0)
