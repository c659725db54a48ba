"""The small modern decoder, judged by its formula in plain PyTorch."""

import math

import pytest
import torch
from torch.nn import functional as F

from llmkit.decoding import generate
from llmkit.models import (
    DECODERS,
    Modern,
    ModernConfig,
    ModernNGrams,
    ModernNGramsConfig,
)
from llmkit.training import adamw, random_windows, train
from tests.models.kinds import KINDS

V, T, D, H, L, FF, B = 17, 9, 12, 3, 2, 19, 4
SIZES = {"vocab_size": V, "context_length": 20, "d_model": D, "n_heads": H}
SIZES |= {"n_layers": L, "d_ff": FF}
MAKERS = {
    "plain": lambda: Modern(ModernConfig(**SIZES)),
    "ngrams": lambda: ModernNGrams(ModernNGramsConfig(**SIZES, buckets=64)),
}


@pytest.fixture(params=MAKERS)
def model(request):
    torch.manual_seed(0)
    model = MAKERS[request.param]().double().eval()
    for p in model.parameters():  # larger than at the start: no part may hide
        torch.nn.init.normal_(p, std=0.4)
    return model


def ids(length=T, seed=0):
    return torch.randint(V, (B, length), generator=torch.Generator().manual_seed(seed))


def by_hand(model, batch):
    """The whole model, with none of the kit's layers."""
    x = model.token_embedding.weight[batch]
    if isinstance(model, ModernNGrams):
        for table, rows in zip(
            model.ngrams.tables, model.ngrams.rows(batch), strict=True
        ):
            x = x + table.weight[rows]
    t, dh = batch.shape[1], D // H
    pairs = torch.arange(dh // 2, dtype=torch.float64)
    angles = torch.arange(t)[:, None] * 10000.0 ** (-2 * pairs / dh)
    turn = torch.polar(torch.ones_like(angles), angles)  # e to the i angle

    def rms(y, norm):
        return F.rms_norm(y, y.shape[-1:], norm.weight, 1e-6)

    def heads(y):
        return y.view(B, t, H, dh).transpose(1, 2)

    def turned(y):
        z = torch.complex(*y.chunk(2, dim=-1)) * turn
        return torch.cat([z.real, z.imag], dim=-1)

    for block in model.blocks:
        a, y = block.attention, rms(x, block.norm1)
        q = turned(rms(heads(y @ a.q_proj.weight.T), a.q_norm))
        k = turned(rms(heads(y @ a.k_proj.weight.T), a.k_norm))
        v = heads(y @ a.v_proj.weight.T)
        scores = (q @ k.mT / math.sqrt(dh)).masked_fill(
            ~torch.ones(t, t).tril().bool(), -math.inf
        )
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(B, t, D)
        x = x + mixed @ a.o_proj.weight.T
        wide = rms(x, block.norm2) @ block.mlp.up_proj.weight.T
        x = x + (wide.clamp(min=0) ** 2) @ block.mlp.down_proj.weight.T
    return rms(x, model.final_norm) @ model.lm_head.weight.T


def test_equals_its_formula(model):
    torch.testing.assert_close(
        model(ids()).logits, by_hand(model, ids()), rtol=1e-6, atol=1e-6
    )


def test_in_the_open_and_fused_are_one(model):
    shown = model(ids(), output_attentions=True, output_hidden_states=True)
    torch.testing.assert_close(shown.logits, model(ids()).logits)
    assert [w.shape for w in shown.attentions] == [(B, H, T, T)] * L
    assert len(shown.hidden_states) == L + 1


def test_the_future_cannot_change_the_past(model):
    other = ids()
    other[:, 6:] = (other[:, 6:] + 3) % V
    a, b = model(ids()).logits, model(other).logits
    torch.testing.assert_close(a[:, :6], b[:, :6])
    assert (a[:, 6:] - b[:, 6:]).abs().amax(-1).min() > 1e-6


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_cached_equals_uncached(model, cut):
    cache = model.new_cache()
    whole = model(ids()).logits
    first = model(ids()[:, :cut], cache=cache).logits
    rest = [model(ids()[:, i : i + 1], cache=cache).logits for i in range(cut, T)]
    torch.testing.assert_close(torch.cat([first, *rest], 1), whole)
    # back to the cut, with the rows turned round
    cache.crop(cut)
    cache.select(torch.arange(B - 1, -1, -1))
    again = model(ids().flip(0)[:, cut:], cache=cache).logits
    torch.testing.assert_close(again, whole.flip(0)[:, cut:])


def test_padding_on_the_left_changes_nothing(model):
    pad = torch.full((B, 3), 5)
    real = torch.cat([torch.zeros(B, 3), torch.ones(B, T)], 1)
    padded = model(torch.cat([pad, ids()], 1), attention_mask=real).logits
    torch.testing.assert_close(padded[:, 3:], model(ids()).logits)


def test_generates_with_its_cache_what_it_does_without(model):
    prompt = ids(5)[:1]
    written = generate(model, prompt, max_new_tokens=7)
    row = prompt
    for _ in range(7):
        row = torch.cat([row, model(row).logits[:, -1:].argmax(-1)], 1)
    assert written[0].tolist()[-7:] == row[0].tolist()[-7:]


def test_begins_with_an_even_guess_and_learns():
    text = torch.arange(300) % 7
    for make in MAKERS.values():
        torch.manual_seed(0)
        model = make()
        batches = random_windows(text, T, B, torch.Generator().manual_seed(0))
        history = train(model, batches, adamw(model, 0.02), steps=60)
        assert history[0].loss == pytest.approx(math.log(V))
        assert history[-1].loss < 0.3


def test_messages():
    with pytest.raises(ValueError, match="multiple of n_heads; got d_model=12"):
        ModernConfig(**{**SIZES, "n_heads": 5})
    with pytest.raises(ValueError, match=r"vocab_size - 1 = 16"):
        MAKERS["plain"]()(torch.tensor([[17]]))
    model = MAKERS["ngrams"]()
    with pytest.raises(ValueError, match=r"border between.*row of its own"):
        model(ids(), attention_mask=torch.ones(B, T, T))


def test_every_kind_of_decoder_is_among_those_that_all_views_are_tested_with():
    assert {make for make, *_ in KINDS.values()} >= set(DECODERS)
