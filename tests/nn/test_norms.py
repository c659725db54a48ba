"""Norms, judged by PyTorch's own, forward and backward."""

import pytest
import torch

from llmkit.nn import LayerNorm, RMSNorm

B, T, D = 2, 5, 7
PAIRS = [(LayerNorm, torch.nn.LayerNorm), (RMSNorm, torch.nn.RMSNorm)]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize("eps", [1e-5, 0.1])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_equals_pytorch_forward_and_backward(ours, theirs, eps, size):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(B, T, D, generator=g, dtype=torch.float64) * size + 2 * size
    ours, theirs = ours(D, eps).double(), theirs(D, eps).double()
    with torch.no_grad():
        for p in ours.parameters():
            p.copy_(torch.randn(D, generator=g))
    theirs.load_state_dict(ours.state_dict())
    x.requires_grad_()
    pull = torch.randn(B, T, D, generator=g, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))
    for a, b in zip(
        torch.autograd.grad(ours(x), [x, *ours.parameters()], pull),
        torch.autograd.grad(theirs(x), [x, *theirs.parameters()], pull),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_both_ways_through_layer_norm_are_one():
    g = torch.Generator().manual_seed(3)
    x = torch.randn(B, T, D, generator=g, dtype=torch.float64, requires_grad=True)
    norm = LayerNorm(D, 0.1).double()
    with torch.no_grad():
        for p in norm.parameters():
            p.copy_(torch.randn(D, generator=g))
    pull = torch.randn(B, T, D, generator=g, dtype=torch.float64)
    torch.testing.assert_close(norm(x), norm.in_the_open(x))
    for a, b in zip(
        torch.autograd.grad(norm(x), [x, *norm.parameters()], pull),
        torch.autograd.grad(norm.in_the_open(x), [x, *norm.parameters()], pull),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_what_comes_out_is_standard():
    x = torch.randn(B, T, D, dtype=torch.float64) * 9 + 4
    y = LayerNorm(D).double()(x)
    torch.testing.assert_close(y.mean(-1), torch.zeros(B, T).double())
    torch.testing.assert_close(
        y.var(-1, correction=0), torch.ones(B, T).double(), rtol=1e-4, atol=1e-4
    )
    y = RMSNorm(D).double()(x)
    torch.testing.assert_close(y.square().mean(-1), torch.ones(B, T).double())


def test_invariances():
    """LayerNorm forgets shift and size; RMSNorm forgets the size alone."""
    x = torch.randn(B, T, D, dtype=torch.float64)
    layer, rms = LayerNorm(D, 1e-12).double(), RMSNorm(D, 1e-12).double()
    torch.testing.assert_close(layer(3 * x + 5), layer(x))
    torch.testing.assert_close(rms(3 * x), rms(x))
    assert not torch.allclose(rms(x + 5), rms(x))


@pytest.mark.parametrize("norm", [LayerNorm, RMSNorm])
def test_constant_vector_and_one_feature_stay_finite(norm):
    assert norm(D)(torch.full((B, D), 3.0)).isfinite().all()
    assert norm(D)(torch.zeros(B, D)).abs().max() == 0
    assert norm(1)(torch.ones(4, 1)).isfinite().all()


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_large_numbers_in_16_bits(ours, theirs, dtype):
    x = (torch.randn(B, T, D) * 1000).to(dtype)  # their squares overflow in float16
    ours, theirs = ours(D).to(dtype), theirs(D, ours(D).eps).to(dtype)
    torch.testing.assert_close(ours(x), theirs(x))
    assert ours.float()(x).dtype == torch.float32


@pytest.mark.parametrize("norm", [LayerNorm, RMSNorm])
def test_messages(norm):
    with pytest.raises(ValueError, match=r"\(\.\.\., D\) with D=7; got \(2, 6\)"):
        norm(D)(torch.zeros(2, 6))
    with pytest.raises(ValueError, match="d_model must be a number above 0; got 0"):
        norm(0)
