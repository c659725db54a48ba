"""BERT, judged by PyTorch's post-norm encoder and by its own definition."""

import pytest
import torch

from llmkit.models import BERT, BERTConfig

V, T, D, H, L, B = 17, 7, 12, 3, 2, 3
SIZES = {
    "vocab_size": V,
    "context_length": 11,
    "d_model": D,
    "n_heads": H,
    "n_layers": L,
    "d_ff": 20,
}


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = BERT(BERTConfig(**SIZES)).double().eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.4)
    return model


@pytest.fixture
def batch():
    g = torch.Generator().manual_seed(1)
    return torch.randint(V, (B, T), generator=g), torch.randint(2, (B, T), generator=g)


def test_equals_pytorchs_layers(model, batch):
    ids, segments = batch
    real = torch.ones(B, T, dtype=torch.bool)
    real[1, 4:] = False
    layer = torch.nn.TransformerEncoderLayer(
        D, H, 20, 0.0, "gelu", layer_norm_eps=1e-12, batch_first=True
    )
    theirs = torch.nn.TransformerEncoder(layer, L, enable_nested_tensor=False).double()
    for a, b in zip(model.blocks, theirs.layers, strict=True):
        parts = [a.attention.q_proj, a.attention.k_proj, a.attention.v_proj]
        with torch.no_grad():
            b.self_attn.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
            b.self_attn.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
        b.self_attn.out_proj.load_state_dict(a.attention.o_proj.state_dict())
        b.linear1.load_state_dict(a.mlp.up_proj.state_dict())
        b.linear2.load_state_dict(a.mlp.down_proj.state_dict())
        b.norm1.load_state_dict(a.norm1.state_dict())
        b.norm2.load_state_dict(a.norm2.state_dict())
    x = model.token_embedding.weight[ids]
    x = x + model.position_embedding.weight[:T]
    x = x + model.segment_embedding.weight[segments]
    norm = model.embedding_norm
    x = torch.nn.functional.layer_norm(x, (D,), norm.weight, norm.bias, 1e-12)
    want = theirs(x, src_key_padding_mask=~real)
    got = model(ids, real, segments)
    torch.testing.assert_close(got.last_hidden_state[real], want[real])
    pooled = torch.tanh(model.pooler(want[:, 0]))
    torch.testing.assert_close(got.pooled, pooled)
    torch.testing.assert_close(got.nsp_logits, model.nsp_head(pooled))


def test_reads_from_both_sides(model, batch):
    ids, _ = batch
    other = ids.clone()
    other[:, -1] = (other[:, -1] + 1) % V
    assert (model(ids).logits[:, 0] != model(other).logits[:, 0]).any()


def test_padding_never_matters(model, batch):
    ids, segments = batch
    mask = torch.ones(B, T, dtype=torch.bool)
    mask[1, 4:] = False
    padded = model(ids, mask, segments, output_attentions=True)
    alone = model(ids[1:2, :4], None, segments[1:2, :4])
    torch.testing.assert_close(padded.logits[1:2, :4], alone.logits)
    torch.testing.assert_close(padded.nsp_logits[1:2], alone.nsp_logits)
    assert all((weights[1, :, :, 4:] == 0).all() for weights in padded.attentions)


def test_segments_and_positions_count(model, batch):
    ids, segments = batch
    assert not torch.equal(model(ids).logits, model(ids, None, 1 - segments).logits)
    order = torch.arange(T).flip(0)
    assert not torch.allclose(model(ids).logits[:, order], model(ids[:, order]).logits)


def test_record(model, batch):
    ids, _ = batch
    plain = model(ids)
    full = model(ids, output_attentions=True, output_hidden_states=True)
    torch.testing.assert_close(plain.logits, full.logits)
    assert len(full.hidden_states) == L + 1
    assert torch.equal(full.hidden_states[0], model.embed(ids))
    assert torch.equal(full.hidden_states[-1], full.last_hidden_state)
    assert [w.shape for w in full.attentions] == [(B, H, T, T)] * L


def test_heads_can_be_left_out():
    bare = BERT(BERTConfig(**SIZES, pooler=False, mlm_head=False, nsp_head=False))
    out = bare(torch.zeros(1, 1, dtype=torch.int64))
    assert out.logits is None is out.pooled is None is out.nsp_logits
    assert out.last_hidden_state.shape == (1, 1, D)
    no_segments = BERT(BERTConfig(**SIZES, n_segments=0))
    assert no_segments.segment_embedding is None


def test_the_masked_word_head_shares_the_token_table(model):
    assert model.mlm_head.decoder.weight is model.token_embedding.weight


def test_messages(model):
    with pytest.raises(ValueError, match="12 positions, but context_length=11"):
        model(torch.zeros(1, 12, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"attention_mask must have the shape"):
        model(torch.zeros(2, 5, dtype=torch.int64), torch.ones(2, 4))
    with pytest.raises(ValueError, match="nsp_head reads the pooled vector"):
        BERTConfig(**SIZES, pooler=False)
