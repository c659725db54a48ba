"""Changed attention, judged by PyTorch's own attention on the same projections."""

import math

import pytest
import torch
from torch.nn import functional as F

from llmkit.nn import alibi_bias, causal_mask
from llmkit.nn.attention import MultiHeadAttention, merge_heads, repeat_kv, split_heads
from llmkit.trace.interventions import AttentionChange, changed_attention
from tests.models.kinds import KINDS, a_decoder

B, T, D, H, HKV, DH = 2, 5, 12, 6, 3, 4


class OneLayer(torch.nn.Module):
    """The least that has `.blocks`: one block that is only attention."""

    def __init__(self):
        super().__init__()
        block = torch.nn.Module()
        block.attention = MultiHeadAttention(D, H, HKV, DH)
        self.blocks = torch.nn.ModuleList([block])

    def forward(self, x, **kwargs):
        return self.blocks[0].attention(x, **kwargs)


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return OneLayer().double()


@pytest.fixture
def x():
    return torch.randn(B, T, D, dtype=torch.float64) * 3


def torchs_own(model, x, mask, scale=None, bias=None, silent=()):
    """The same layer through PyTorch: a float mask, its `scale`, heads cut out."""
    layer = model.blocks[0].attention
    q = split_heads(layer.q_proj(x), H)
    k, v = (split_heads(p(x), HKV) for p in (layer.k_proj, layer.v_proj))
    added = torch.zeros(mask.shape, dtype=x.dtype).masked_fill(~mask, -math.inf)
    added = added if bias is None else added + bias
    kv = (repeat_kv(k, H), repeat_kv(v, H))
    mixed = F.scaled_dot_product_attention(q, *kv, attn_mask=added, scale=scale)
    keep = torch.ones(H, 1, 1, dtype=x.dtype)
    keep[list(silent)] = 0
    return layer.o_proj(merge_heads(mixed * keep))


@pytest.mark.parametrize("need_weights", [True, False])
def test_hidden_cells_are_hidden_in_the_chosen_heads_only(layer, x, need_weights):
    hidden = AttentionChange(heads=(1, 4), hidden=((3, 0), (2, 2)))
    mask = causal_mask(T).repeat(B, H, 1, 1)
    mask[:, [1, 4], 3, 0] = False
    mask[:, [1, 4], 2, 2] = False
    with changed_attention(layer, hidden):
        out, weights = layer(x, mask=causal_mask(T), need_weights=need_weights)
    torch.testing.assert_close(out, torchs_own(layer, x, mask))
    if need_weights:
        assert (weights[:, [1, 4], 3, 0] == 0).all()
        assert (weights[:, [0, 2, 3, 5], 3, 0] > 0).all()


@pytest.mark.parametrize("need_weights", [True, False])
def test_scale_and_temperature_equal_torchs_scale(layer, x, need_weights):
    mask = causal_mask(T).repeat(B, H, 1, 1)
    with changed_attention(layer, AttentionChange(scale=3.0, temperature=2.0)):
        out, _ = layer(x, mask=causal_mask(T), need_weights=need_weights)
    scale = 3.0 / 2.0 / math.sqrt(DH)
    torch.testing.assert_close(out, torchs_own(layer, x, mask, scale))


def test_temperature_divides_the_bias_too_and_scale_does_not(layer, x):
    mask, bias = causal_mask(T).repeat(B, H, 1, 1), alibi_bias(H, T, T).double()
    with changed_attention(layer, AttentionChange(temperature=2.0)):
        out, _ = layer(x, mask=causal_mask(T), bias=bias)
    wanted = torchs_own(layer, x, mask, 1 / 2 / math.sqrt(DH), bias / 2)
    torch.testing.assert_close(out, wanted)
    with changed_attention(layer, AttentionChange(scale=2.0)):
        out, _ = layer(x, mask=causal_mask(T), bias=bias)
    torch.testing.assert_close(out, torchs_own(layer, x, mask, 2 / math.sqrt(DH), bias))


def test_silent_heads_write_nothing(layer, x):
    mask = torch.ones(B, H, T, T, dtype=torch.bool)
    with changed_attention(layer, AttentionChange(silent=(0, 5))):
        out, _ = layer(x)
    torch.testing.assert_close(out, torchs_own(layer, x, mask, silent=(0, 5)))


@pytest.mark.parametrize("family", KINDS)
def test_whole_models_change_and_come_back(family):
    model = a_decoder(family, 11, d_model=12, n_heads=3, n_layers=2)
    ids = torch.randint(0, 11, (1, T))
    before = model(ids).logits
    change = AttentionChange(layers=(1,), hidden=((4, 0),))
    with changed_attention(model, change):
        inside = model(ids).logits
        cache = model.new_cache()
        steps = [model(ids[:, t : t + 1], cache=cache).logits for t in range(T)]
    assert not torch.allclose(inside, before)
    torch.testing.assert_close(torch.cat(steps, 1), inside)  # counted with the cache
    torch.testing.assert_close(inside[:, :4], before[:, :4])  # only the last row
    torch.testing.assert_close(model(ids).logits, before, rtol=0, atol=0)


def test_an_error_inside_leaves_no_hook(layer, x):
    before, _ = layer(x)
    with pytest.raises(RuntimeError, match="stop"):
        with changed_attention(layer, AttentionChange(silent=(0,), scale=9)):
            raise RuntimeError("stop")
    torch.testing.assert_close(layer(x)[0], before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": (1,)}, "layers must lie between 0 and 0; got 1"),
        ({"silent": (6,)}, "silent must lie between 0 and 5; got 6"),
        ({"heads": (-1,)}, "heads must lie between 0 and 5; got -1"),
    ],
)
def test_what_does_not_exist_is_named(layer, change, message):
    with pytest.raises(ValueError, match=message):
        with changed_attention(layer, AttentionChange(**change)):
            pass


def test_impossible_numbers_are_refused():
    with pytest.raises(ValueError, match="scale must be a number of at least 0"):
        AttentionChange(scale=-1)
    with pytest.raises(ValueError, match=r"from 0 on; got \(1, -2\)"):
        AttentionChange(hidden=((0, 1), (1, -2)))
    with pytest.raises(ValueError, match="temperature must be a number above 0"):
        AttentionChange(temperature=0)
    with pytest.raises(TypeError, match=r"a model with \.blocks"):
        with changed_attention(torch.nn.Linear(2, 2)):
            pass
