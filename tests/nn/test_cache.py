"""Cached equals uncached, whatever the text is cut into."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.nn import (
    KVCache,
    LayerCache,
    MultiHeadAttention,
    causal_mask,
    rotary_angles,
)

B, T, D, H = 2, 9, 12, 6
CUTS = st.lists(st.integers(1, T - 1), unique=True).map(sorted)


@settings(max_examples=20, deadline=None)
@given(CUTS, st.booleans(), st.booleans())
def test_cached_equals_uncached(cuts, turned, gradient):
    torch.manual_seed(0)
    layer = MultiHeadAttention(D, H, n_kv_heads=2).double()
    x = torch.randn(B, T, D, dtype=torch.float64)
    rotary = rotary_angles(T, D // H) if turned else None
    whole, _ = layer(x, mask=causal_mask(T), rotary=rotary)
    cache, parts = LayerCache(), []
    with torch.set_grad_enabled(gradient):
        for a, b in zip([0, *cuts], [*cuts, T], strict=True):
            here = None if rotary is None else tuple(r[a:b] for r in rotary)
            mask = causal_mask(b - a, b)
            parts.append(layer(x[:, a:b], mask=mask, rotary=here, cache=cache)[0])
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    assert cache.length == T


def test_grows_past_its_first_room_and_never_changes_what_was_kept():
    cache = LayerCache()
    k, v = torch.randn(2, B, H, 150, 4)
    for t in range(150):
        keys, values = cache.extend(k[:, :, t : t + 1], v[:, :, t : t + 1])
    assert torch.equal(keys, k)
    assert torch.equal(values, v)


def test_crop_select_and_bytes():
    cache = KVCache(2)
    k, v = torch.randn(2, 3, H, 5, 4)
    for layer in range(2):
        cache[layer].extend(k, v)
    assert cache.n_bytes() == 2 * 2 * k.numel() * 4
    cache.crop(3)
    cache.select(torch.tensor([2, 0]))
    assert cache.length == 3
    keys, _ = cache[0].extend(k[:2, :, :1], v[:2, :, :1])
    assert torch.equal(keys[:, :, :3], k[[2, 0], :, :3])
    assert KVCache(1).n_bytes() == 0


def test_messages():
    with pytest.raises(ValueError, match="n_layers must be a number above 0; got 0"):
        KVCache(0)
    with pytest.raises(ValueError, match="length must be at least 0; got -1"):
        KVCache(1).crop(-1)
