"""Attention, judged by PyTorch's own, forward and backward."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from llmkit.nn import (
    MultiHeadAttention,
    RMSNorm,
    alibi_bias,
    attention,
    causal_mask,
    merge_heads,
    padding_mask,
    repeat_kv,
    rotary_angles,
    sliding_window_mask,
    split_heads,
)

B, H, T, S, DH = 2, 3, 5, 7, 4
D = H * DH
F64 = torch.float64


def draw(*shape, seed=0):
    g = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(*shape, generator=g, dtype=F64)


def qkv(query_length=T):
    q, k, v = draw(B, H, query_length, DH, seed=1), draw(B, H, S, DH), draw(B, H, S, DH)
    return [x.requires_grad_() for x in (q, k, v + 1)]


def random_mask(seed=0):
    mask = torch.rand(B, 1, T, S, generator=torch.Generator().manual_seed(seed)) < 0.6
    mask[..., 0] = True  # every query sees something
    return mask


MASKS = {
    "none": None,
    "causal": causal_mask(T, S),
    "window": sliding_window_mask(T, S, window=2),
    "random": random_mask(),
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("biased", [False, True])
def test_equals_pytorch_forward_and_backward(name, biased):
    q, k, v = qkv()
    mask, bias = MASKS[name], draw(H, T, S) if biased else None
    ours, weights = attention(q, k, v, mask, bias)
    full = torch.zeros(B, H, T, S, dtype=F64)
    if mask is not None:
        full = full.masked_fill(~mask, -torch.inf)
    if bias is not None:
        full = full + bias
    theirs = F.scaled_dot_product_attention(q, k, v, attn_mask=full)
    torch.testing.assert_close(ours, theirs)
    pull = draw(B, H, T, DH, seed=9)
    for a, b in zip(
        torch.autograd.grad(ours, (q, k, v), pull),
        torch.autograd.grad(theirs, (q, k, v), pull),
        strict=True,
    ):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T, dtype=F64))


def test_by_hand():
    """Two keys, scores 2 and 0 after division by sqrt(4): the rest is a softmax."""
    q = torch.tensor([[[[2.0, 0, 0, 0]]]])
    k = torch.tensor([[[[2.0, 0, 0, 0], [0, 1, 0, 0]]]])
    v = torch.tensor([[[[1.0, 0, 0, 0], [0, 1, 0, 0]]]])
    mixed, weights = attention(q, k, v)
    want = torch.tensor([2.0, 0.0]).softmax(0)
    torch.testing.assert_close(weights[0, 0, 0], want)
    torch.testing.assert_close(mixed[0, 0, 0, :2], want)


def test_hidden_keys_get_exactly_nothing_and_an_empty_row_is_zero():
    q, k, v = qkv()
    mask = random_mask()
    mask[1, 0, 2] = False
    mixed, weights = attention(q, k, v, mask)
    assert (weights[~mask.expand_as(weights)] == 0).all()
    assert (mixed[1, :, 2] == 0).all()
    for grad in torch.autograd.grad(mixed.sum(), (q, k, v)):
        assert grad.isfinite().all()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 4), st.data())
def test_the_future_cannot_change_the_past(length, before, data):
    total = before + length
    at = data.draw(st.integers(0, total - 1))
    q, k, v = draw(1, 2, length, 4), draw(1, 2, total, 4), draw(1, 2, total, 4)
    mask = causal_mask(length, total)
    old = attention(q, k, v, mask)[0]
    k[:, :, at] += 5
    v[:, :, at] -= 5
    new = attention(q, k, v, mask)[0]
    same = (old == new).all(dim=-1).all(dim=1)[0]
    for t in range(length):
        assert same[t] == (before + t < at)


def test_without_positions_order_does_not_matter():
    layer = MultiHeadAttention(D, H).double()
    x, order = draw(B, T, D), torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(layer(x)[0][:, order], layer(x[:, order])[0])


def test_large_queries_in_16_bits_stay_finite():
    q, k, v = (x.detach().half() for x in qkv())
    out, weights = attention(200 * q, 200 * k, v)  # products of up to a million
    exact = attention(200 * q.double(), 200 * k.double(), v.double())
    assert out.dtype == weights.dtype == torch.float16
    torch.testing.assert_close(out.double(), exact[0], rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(weights.double(), exact[1], rtol=2e-3, atol=2e-3)


def test_heads_apart_and_together():
    x = draw(B, T, D)
    heads = split_heads(x, H)
    assert heads.shape == (B, H, T, DH)
    assert torch.equal(heads[1, 2, 3], x[1, 3, 2 * DH : 3 * DH])
    assert torch.equal(merge_heads(heads), x)
    assert split_heads(x[:0], H).shape == (0, H, T, DH)


def test_repeat_kv_keeps_neighbours_together():
    x = draw(B, 2, S, DH)
    assert torch.equal(repeat_kv(x, 6), x[:, [0, 0, 0, 1, 1, 1]])


def paired_with_pytorch(n_heads=H):
    ours = MultiHeadAttention(D, n_heads).double()
    theirs = torch.nn.MultiheadAttention(D, n_heads, batch_first=True).double()
    with torch.no_grad():
        parts = [ours.q_proj, ours.k_proj, ours.v_proj]
        theirs.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
        theirs.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
        theirs.out_proj.load_state_dict(ours.o_proj.state_dict())
    return ours, theirs


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("cross", [False, True])
def test_multi_head_equals_pytorch(need_weights, cross):
    ours, theirs = paired_with_pytorch()
    x = draw(B, T, D)
    context = draw(B, S, D) if cross else x
    real = torch.ones(B, context.shape[1], dtype=torch.bool)
    real[1, -2:] = False
    mixed, weights = ours(
        x,
        context=context if cross else None,
        mask=padding_mask(real),
        need_weights=need_weights,
    )
    want, their_weights = theirs(
        x, context, context, key_padding_mask=~real, average_attn_weights=False
    )
    torch.testing.assert_close(mixed, want)
    if need_weights:
        torch.testing.assert_close(weights, their_weights)
    else:
        assert weights is None


@pytest.mark.parametrize(
    ("n_kv_heads", "norm", "rotary", "biased", "masked"),
    list(product([1, 2, 4], [None, RMSNorm], [False, True], [False, True], [0, 1])),
)
def test_both_paths_agree_forward_and_backward(
    n_kv_heads, norm, rotary, biased, masked
):
    layer = MultiHeadAttention(16, 4, n_kv_heads, d_head=6, head_norm=norm).double()
    x = draw(B, T, 16).requires_grad_()
    options = {
        "rotary": rotary_angles(T, 6) if rotary else None,
        "bias": alibi_bias(4, T) if biased else None,
        "mask": causal_mask(T) if masked else None,
    }
    wrt = [x, *layer.parameters()]
    pull, results = draw(B, T, 16, seed=3), []
    for need_weights in (False, True):
        out, _ = layer(x, need_weights=need_weights, **options)
        results.append([out, *torch.autograd.grad(out, wrt, pull)])
    for fused, shown in zip(*results, strict=True):
        torch.testing.assert_close(fused, shown)


def test_both_paths_agree_on_a_row_that_sees_nothing():
    layer = MultiHeadAttention(D, H).double()
    x, mask = draw(B, T, D), causal_mask(T)
    mask[2] = False
    fused, shown = (layer(x, mask=mask, need_weights=n)[0] for n in (False, True))
    torch.testing.assert_close(fused, shown)


def test_grouped_queries_equal_repeated_heads():
    grouped = MultiHeadAttention(D, 6, n_kv_heads=2, d_head=DH).double()
    full = MultiHeadAttention(D, 6, d_head=DH).double()
    full.load_state_dict(
        {
            name: (
                value.unflatten(0, (2, DH)).repeat_interleave(3, dim=0).flatten(0, 1)
                if name.startswith(("k_proj", "v_proj"))
                else value
            )
            for name, value in grouped.state_dict().items()
        }
    )
    x = draw(B, T, D)
    for a, b in zip(
        grouped(x, need_weights=True), full(x, need_weights=True), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_one_token_and_no_token():
    layer = MultiHeadAttention(D, H).double()
    out, weights = layer(draw(B, 1, D), need_weights=True)
    assert out.shape == (B, 1, D)
    assert (weights == 1).all()
    assert layer(draw(0, 1, D))[0].shape == (0, 1, D)


def test_messages():
    q, k, v = qkv()
    with pytest.raises(ValueError, match=r"k must have the shape .* Dh=4.*Dh is 3"):
        attention(q, k[..., :3], v)
    with pytest.raises(ValueError, match=r"v must have the shape .* S=7.*S is 6"):
        attention(q, k, v[:, :, :6])
    with pytest.raises(TypeError, match=r"mask must be bool.*got torch.float64.*bias"):
        attention(q, k, v, torch.zeros(T, S, dtype=F64))
    layer, x, ones = MultiHeadAttention(D, H), torch.zeros(B, T, D), torch.ones(T, T)
    for need_weights in (False, True):
        with pytest.raises(TypeError, match=r"mask must be bool.*got torch.float32"):
            layer(x, mask=ones, need_weights=need_weights)
    with pytest.raises(ValueError, match="multiple of n_heads; got d_model=10, n_head"):
        MultiHeadAttention(10, 3)
    with pytest.raises(ValueError, match="n_heads=6, n_kv_heads=4"):
        MultiHeadAttention(12, 6, n_kv_heads=4)
    with pytest.raises(ValueError, match="width 10, n_heads=3"):
        split_heads(draw(B, T, 10), 3)
    with pytest.raises(ValueError, match="n_heads=5 and 3 key/value heads"):
        repeat_kv(k, 5)
    with pytest.raises(ValueError, match=r"x must have the shape .* D=12"):
        MultiHeadAttention(D, H)(torch.zeros(B, T, 11))
