"""Positions, judged by the papers' formulas and by transformers."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmkit.nn import (
    LearnedPositions,
    alibi_bias,
    apply_rotary,
    attention,
    causal_mask,
    rotary_angles,
    sinusoidal_positions,
)

B, H, T, DH = 2, 3, 5, 8


def test_sinusoidal_by_the_formula():
    table = sinusoidal_positions(T, 6)
    for t in range(T):
        for i in range(3):
            angle = t / 10000 ** (2 * i / 6)
            assert table[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[t, 2 * i + 1].item() == pytest.approx(
                math.cos(angle), abs=1e-6
            )


def test_sinusoidal_distance_does_not_depend_on_the_place():
    table = sinusoidal_positions(60, 16).double()
    alike = table @ table.T
    for step in (1, 7, 30):
        line = alike.diagonal(step)
        torch.testing.assert_close(line, line[:1].expand_as(line), rtol=0, atol=1e-5)


def test_rotary_equals_llamas():
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import (
        LlamaRotaryEmbedding,
        apply_rotary_pos_emb,
    )

    q, k = torch.randn(B, H, T, DH), torch.randn(B, H, T, DH)
    config = LlamaConfig(hidden_size=H * DH, num_attention_heads=H)
    cos, sin = LlamaRotaryEmbedding(config)(q, torch.arange(T)[None])
    want_q, want_k = apply_rotary_pos_emb(q, k, cos, sin)
    ours = rotary_angles(T, DH)
    torch.testing.assert_close(ours[0], cos[0])
    torch.testing.assert_close(ours[1], sin[0])
    torch.testing.assert_close(apply_rotary(q, *ours), want_q)
    torch.testing.assert_close(apply_rotary(k, *ours), want_k)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 200))
def test_rotary_scores_depend_on_the_distance_alone(t, s, shift):
    g = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 1, 1, DH, generator=g, dtype=torch.float64)

    def score(at, to):
        turned = [
            apply_rotary(x, *rotary_angles(torch.tensor([p]), DH))
            for x, p in ((q, at), (k, to))
        ]
        return (turned[0] * turned[1]).sum().item()

    assert score(t, s) == pytest.approx(score(t + shift, s + shift), abs=1e-4)


def test_rotary_keeps_lengths_and_leaves_position_0():
    x = torch.randn(B, H, T, DH, dtype=torch.float64)
    turned = apply_rotary(x, *rotary_angles(T, DH))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1), rtol=1e-6, atol=0)
    assert torch.equal(turned[:, :, 0], x[:, :, 0])


def test_rotary_with_positions_for_each_row():
    positions = torch.tensor([[0, 1, 2, 3, 4], [0, 0, 0, 1, 2]])
    x = torch.randn(B, H, T, DH)
    turned = apply_rotary(x, *rotary_angles(positions, DH))
    for row in range(B):
        alone = apply_rotary(x[row : row + 1], *rotary_angles(positions[row], DH))
        torch.testing.assert_close(turned[row : row + 1], alone)


def test_rotary_stays_exact_far_out():
    """In float32, position × frequency is off by a hundredth of a turn out there."""
    far = 1_000_001
    cos, _ = rotary_angles(torch.tensor([far]), DH)
    want = math.cos(far * 10000 ** (-2 / DH))
    assert cos[0, 1].item() == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize("n_heads", [1, 4, 8, 3, 12])
def test_alibi_equals_blooms_under_a_causal_mask(n_heads):
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    theirs = build_alibi_tensor(torch.ones(1, T), n_heads, torch.float32)
    q, k, v = (torch.randn(1, n_heads, T, 4) for _ in range(3))
    mask = causal_mask(T)
    # theirs is counted from the first key: another constant for each query, which the
    # softmax does not see
    want = attention(q, k, v, mask, theirs.view(n_heads, 1, T))[1]
    torch.testing.assert_close(
        attention(q, k, v, mask, alibi_bias(n_heads, T))[1], want
    )


def test_alibi_with_a_cache_is_the_last_rows():
    assert torch.equal(alibi_bias(H, 2, T), alibi_bias(H, T)[:, -2:])
    assert (alibi_bias(H, T).diagonal(dim1=1, dim2=2) == 0).all()


def test_learned_positions_are_a_table():
    table = LearnedPositions(T, DH, offset=2)
    assert table.weight.shape == (T + 2, DH)
    assert torch.equal(table(torch.arange(T)), table.weight[2:])
    assert table(torch.zeros(B, 3, dtype=torch.int64)).shape == (B, 3, DH)


def test_messages():
    with pytest.raises(
        ValueError, match=r"position 5 is past the end.*context_length=5"
    ):
        LearnedPositions(5, DH)(torch.arange(6))
    with pytest.raises(ValueError, match="the width must be even; got 7"):
        sinusoidal_positions(T, 7)
    with pytest.raises(ValueError, match=r"cos must have the shape .*Dh=8"):
        apply_rotary(torch.zeros(B, H, T, DH), *rotary_angles(T, 6))
    with pytest.raises(ValueError, match="base must be a number above 0"):
        rotary_angles(T, DH, base=-1)
