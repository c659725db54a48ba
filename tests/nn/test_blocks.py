"""Blocks, judged by PyTorch's encoder and decoder layers."""

import pytest
import torch

from llmkit.nn import (
    MLP,
    Block,
    LayerNorm,
    MultiHeadAttention,
    RMSNorm,
    SwiGLU,
    causal_mask,
    padding_mask,
)

B, T, S, D, H, FF = 2, 5, 7, 12, 3, 20


def block(norm_first, activation="gelu", cross=False):
    return Block(
        MultiHeadAttention(D, H),
        MLP(D, FF, activation),
        LayerNorm(D),
        LayerNorm(D),
        cross_attention=MultiHeadAttention(D, H) if cross else None,
        cross_norm=LayerNorm(D) if cross else None,
        norm_first=norm_first,
    ).double()


def copy_attention(theirs, ours):
    with torch.no_grad():
        parts = [ours.q_proj, ours.k_proj, ours.v_proj]
        theirs.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
        theirs.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
        theirs.out_proj.load_state_dict(ours.o_proj.state_dict())


def pytorch_twin(ours, activation="gelu"):
    kind = torch.nn.TransformerEncoderLayer
    if ours.cross_attention is not None:
        kind = torch.nn.TransformerDecoderLayer
    theirs = kind(
        D,
        H,
        FF,
        dropout=0.0,
        activation=activation,
        batch_first=True,
        norm_first=ours.norm_first,
    ).double()
    copy_attention(theirs.self_attn, ours.attention)
    theirs.linear1.load_state_dict(ours.mlp.up_proj.state_dict())
    theirs.linear2.load_state_dict(ours.mlp.down_proj.state_dict())
    norms = [ours.norm1, ours.norm2]
    if ours.cross_attention is not None:
        copy_attention(theirs.multihead_attn, ours.cross_attention)
        norms.insert(1, ours.cross_norm)
    for i, norm in enumerate(norms, start=1):
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
        getattr(theirs, f"norm{i}").load_state_dict(norm.state_dict())
    return theirs


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("need_weights", [True, False])
def test_encoder_equals_pytorch(norm_first, activation, need_weights):
    ours = block(norm_first, activation)
    theirs = pytorch_twin(ours, activation)
    x = torch.randn(B, T, D, dtype=torch.float64)
    real = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()
    got, weights, cross = ours(x, mask=padding_mask(real), need_weights=need_weights)
    want = theirs(x, src_key_padding_mask=~real)
    torch.testing.assert_close(got[real], want[real])
    assert (weights is not None) == need_weights
    assert cross is None


@pytest.mark.parametrize("norm_first", [True, False])
def test_decoder_equals_pytorch_forward_and_backward(norm_first):
    ours = block(norm_first, cross=True)
    theirs = pytorch_twin(ours)
    x = torch.randn(B, T, D, dtype=torch.float64, requires_grad=True)
    context = torch.randn(B, S, D, dtype=torch.float64, requires_grad=True)
    real = torch.ones(B, S, dtype=torch.bool)
    real[0, 4:] = False
    got, _, cross = ours(
        x,
        mask=causal_mask(T),
        context=context,
        context_mask=padding_mask(real),
        need_weights=True,
    )
    want = theirs(x, context, tgt_mask=~causal_mask(T), memory_key_padding_mask=~real)
    torch.testing.assert_close(got, want)
    assert cross.shape == (B, H, T, S)
    pull = torch.randn(B, T, D, dtype=torch.float64)
    for a, b in zip(
        torch.autograd.grad(got, (x, context), pull),
        torch.autograd.grad(want, (x, context), pull),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_parts_that_write_nothing_leave_the_stream_alone():
    ours = Block(
        MultiHeadAttention(D, H), SwiGLU(D, FF), RMSNorm(D), RMSNorm(D)
    ).double()
    for out in (ours.attention.o_proj, ours.mlp.down_proj):
        for p in out.parameters():
            torch.nn.init.zeros_(p)
    x = torch.randn(B, T, D, dtype=torch.float64)
    assert torch.equal(ours(x)[0], x)


def test_dropout_works_in_training_only():
    ours = Block(
        MultiHeadAttention(D, H), MLP(D, FF), LayerNorm(D), LayerNorm(D), dropout=0.5
    )
    x = torch.randn(B, T, D)
    assert not torch.equal(ours(x)[0], ours(x)[0])
    ours.eval()
    assert torch.equal(ours(x)[0], ours(x)[0])


def test_messages():
    parts = [MultiHeadAttention(D, H), MLP(D, FF), LayerNorm(D), LayerNorm(D)]
    with pytest.raises(ValueError, match="cross_attention and cross_norm go together"):
        Block(*parts, cross_norm=LayerNorm(D))
    with pytest.raises(ValueError, match="needs a context"):
        block(True, cross=True)(torch.zeros(B, T, D, dtype=torch.float64))
