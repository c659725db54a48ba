"""Encoder-decoder, judged by PyTorch's own Transformer layers."""

import pytest
import torch

from llmkit.models import Seq2Seq, Seq2SeqConfig

V, S, T, D, H, B = 17, 7, 5, 12, 3, 2
SIZES = {
    "vocab_size": V,
    "context_length": 11,
    "d_model": D,
    "n_heads": H,
    "n_encoder_layers": 3,
    "n_decoder_layers": 2,
    "d_ff": 20,
}
KINDS = {
    "bart": {"position_offset": 2},
    "marian": {
        "positions": "sinusoidal",
        "embedding_norm": False,
        "scale_embedding": True,
    },
}


@pytest.fixture(params=KINDS)
def model(request):
    torch.manual_seed(0)
    model = Seq2Seq(Seq2SeqConfig(**SIZES, **KINDS[request.param])).double().eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.4)
    return model


@pytest.fixture
def batch():
    g = torch.Generator().manual_seed(1)
    return torch.randint(V, (B, S), generator=g), torch.randint(V, (B, T), generator=g)


def copy_attention(theirs, ours):
    with torch.no_grad():
        parts = [ours.q_proj, ours.k_proj, ours.v_proj]
        theirs.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
        theirs.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
        theirs.out_proj.load_state_dict(ours.o_proj.state_dict())


def twin(block):
    cross = block.cross_attention is not None
    kind = (
        torch.nn.TransformerDecoderLayer if cross else torch.nn.TransformerEncoderLayer
    )
    layer = kind(D, H, 20, 0.0, "gelu", batch_first=True).double()
    copy_attention(layer.self_attn, block.attention)
    layer.linear1.load_state_dict(block.mlp.up_proj.state_dict())
    layer.linear2.load_state_dict(block.mlp.down_proj.state_dict())
    norms = [block.norm1, block.norm2]
    if cross:
        copy_attention(layer.multihead_attn, block.cross_attention)
        norms.insert(1, block.cross_norm)
    for i, norm in enumerate(norms, start=1):
        getattr(layer, f"norm{i}").load_state_dict(norm.state_dict())
    return layer


def test_equals_pytorchs_layers(model, batch):
    source, target = batch
    real = torch.ones(B, S, dtype=torch.bool)
    real[0, 5:] = False
    table = model.token_embedding.weight
    scale = D**0.5 if model.config.scale_embedding else 1.0
    x = model.encoder.embed(table[source] * scale, 0)
    for block in model.encoder_blocks:
        x = twin(block)(x, src_key_padding_mask=~real)
    y = model.decoder.embed(table[target] * scale, 0)
    hidden = ~torch.ones(T, T).tril().bool()
    for block in model.decoder_blocks:
        y = twin(block)(y, x, tgt_mask=hidden, memory_key_padding_mask=~real)
    got = model(source, target, real, output_attentions=True)
    torch.testing.assert_close(got.logits, y @ table.T + model.logits_bias)
    assert [w.shape for w in got.cross_attentions] == [(B, H, T, S)] * 2
    assert [w.shape for w in got.encoder_attentions] == [(B, H, S, S)] * 3
    assert all((w[0, :, :, 5:] == 0).all() for w in got.cross_attentions)


def test_the_future_cannot_change_the_past(model, batch):
    source, target = batch
    other = target.clone()
    other[:, 3] = (other[:, 3] + 1) % V
    a, b = model(source, target).logits, model(source, other).logits
    assert torch.equal(a[:, :3], b[:, :3])
    assert not torch.equal(a[:, 3], b[:, 3])


def test_cached_equals_uncached_and_reads_the_source_once(model, batch):
    source, target = batch
    real = torch.ones(B, S, dtype=torch.bool)
    real[1, 4:] = False
    want = model(source, target, real).logits
    with torch.no_grad():
        encoded, cache, parts = model.encode(source, real), model.new_cache(), []
        for t in range(T):
            out = model(
                source, target[:, t : t + 1], real, encoded=encoded, cache=cache
            )
            parts.append(out.logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), want)


def test_padding_never_matters(model, batch):
    source, target = batch
    real = torch.ones(B, S, dtype=torch.bool)
    real[0, 4:] = False
    padded = model(source, target, real).logits[:1]
    torch.testing.assert_close(padded, model(source[:1, :4], target[:1]).logits)


def test_record(model, batch):
    out = model(*batch, output_hidden_states=True)
    assert len(out.encoder_hidden_states) == 4
    assert len(out.hidden_states) == 3
    assert out.attentions is None is out.encoder_attentions is None
    assert torch.equal(out.hidden_states[-1], out.last_hidden_state)


def test_messages(model, batch):
    source, target = batch
    with pytest.raises(ValueError, match="decoder_ids must lie between"):
        model(source, target + V)
    with pytest.raises(ValueError, match="12 positions, but context_length=11"):
        model(torch.zeros(1, 12, dtype=torch.int64), target[:1])
    with pytest.raises(ValueError, match="positions must be one of 'learned'"):
        Seq2SeqConfig(**SIZES, positions="rotary")
