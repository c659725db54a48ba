"""Activations and MLPs, judged by torch.nn.functional and by transformers."""

import pytest
import torch
from torch.nn import functional as F

from llmkit.nn import (
    ACTIVATIONS,
    MLP,
    SwiGLU,
    gelu,
    gelu_tanh,
    relu,
    relu_squared,
    silu,
)

T, D, FF = 5, 6, 9
JUDGES = [
    (relu, F.relu),
    (relu_squared, lambda x: F.relu(x) ** 2),
    (silu, F.silu),
    (gelu, F.gelu),
    (gelu_tanh, lambda x: F.gelu(x, approximate="tanh")),
]


@pytest.mark.parametrize(("ours", "theirs"), JUDGES)
def test_equals_pytorch_forward_and_backward(ours, theirs):
    x = torch.linspace(-9, 9, 202, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(ours(x), theirs(x))
    (a,), (b,) = (torch.autograd.grad(f(x).sum(), x) for f in (ours, theirs))
    torch.testing.assert_close(a, b)


def test_the_tanh_is_near_but_not_the_same():
    x = torch.linspace(-6, 6, 1001, dtype=torch.float64)
    gap = (gelu(x) - gelu_tanh(x)).abs().max()
    assert 1e-4 < gap < 5e-4


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_mlp_in_one_pass_is_the_one_written_out(activation):
    mlp = MLP(D, FF, activation).double()
    x = torch.randn(2, T, D, dtype=torch.float64, requires_grad=True)
    open_way = mlp.down_proj(ACTIVATIONS[activation](mlp.up_proj(x)))
    torch.testing.assert_close(mlp(x), open_way)
    (a,), (b,) = (torch.autograd.grad(y.sum(), x) for y in (mlp(x), open_way))
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["gelu", "relu", "silu"])
def test_mlp_equals_a_pytorch_sequence(activation, bias):
    mlp = MLP(D, FF, activation, bias=bias)
    bend = {"gelu": torch.nn.GELU, "relu": torch.nn.ReLU, "silu": torch.nn.SiLU}
    theirs = torch.nn.Sequential(mlp.up_proj, bend[activation](), mlp.down_proj)
    x = torch.randn(2, T, D)
    torch.testing.assert_close(mlp(x), theirs(x))
    assert (mlp.up_proj.bias is not None) == bias


def test_swiglu_equals_llamas():
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaMLP

    ours = SwiGLU(D, FF)
    theirs = LlamaMLP(
        LlamaConfig(hidden_size=D, intermediate_size=FF, num_attention_heads=1)
    )
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, T, D)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("make", [MLP, SwiGLU])
def test_each_position_thinks_alone(make):
    layer, x = make(D, FF), torch.randn(2, T, D)
    torch.testing.assert_close(layer(x)[:, 3], layer(x[:, 3]))


def test_messages():
    with pytest.raises(
        ValueError, match=r"activation must be one of 'relu'.*got 'gelu"
    ):
        MLP(D, FF, "geluu")
    with pytest.raises(ValueError, match="d_ff must be a number above 0"):
        SwiGLU(D, 0)
