"""Packed weights: size, error bound, triangle, round trip in the browser's terms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from llmkit.viz import codec

L, H, T, S = 2, 3, 5, 7


@given(arrays.arrays(np.float32, (L, T, S), elements=st.floats(0, 1, width=32)))
def test_every_weight_comes_back_within_half_a_step(weights):
    back = codec.unpack_weights(codec.pack_weights(weights), weights.shape)
    assert np.abs(np.sqrt(back) - np.sqrt(weights)).max() <= 0.5 / 255 + 1e-6


def test_the_triangle_is_packed_row_after_row():
    weights = np.tril(np.arange(1, 10).reshape(3, 3) / 9)
    data = codec.pack_weights(weights, causal=True)
    by_hand = [weights[i, j] for i in range(3) for j in range(i + 1)]
    assert list(data) == [round(255 * w**0.5) for w in by_hand]
    back = codec.unpack_weights(data, (3, 3), causal=True)
    assert np.allclose(back, weights, atol=0.004)


def test_leading_axes_keep_their_order():
    weights = np.tril(np.random.default_rng(0).random((L, H, T, T)))
    data = codec.pack_weights(weights, causal=True)
    back = codec.unpack_weights(data, (L, H, T, T), causal=True)
    assert np.abs(np.sqrt(back) - np.sqrt(weights)).max() <= 0.5 / 255 + 1e-6


def test_text():
    data = bytes(range(256)) * 9
    text = codec.to_text(data)
    assert codec.from_text(text) == data
    assert text.isascii()
    assert len(text) < len(data)


def test_empty():
    assert codec.pack_weights(np.zeros((L, 0, 0))) == b""


def test_errors():
    with pytest.raises(ValueError, match=r"got a range of -1 to 0\.5"):
        codec.pack_weights(np.array([[-1, 0.5]]))
    with pytest.raises(ValueError, match="numbers from 0 to 1"):
        codec.pack_weights(np.array([[np.nan, 0.5]]))
    with pytest.raises(ValueError, match="got 5 queries and 7 keys"):
        codec.pack_weights(np.zeros((T, S)), causal=True)
    with pytest.raises(ValueError, match=r"must hold 35 bytes.*got 3"):
        codec.unpack_weights(b"abc", (T, S))
