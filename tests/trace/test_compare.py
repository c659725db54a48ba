"""Two runs: units by characters, divergence against SciPy's, bits by hand."""

import time

import numpy as np
import pytest
import torch

from llmkit.hub import from_hf, load_encoder
from llmkit.models import GPT, GPTConfig
from llmkit.tokenizers import ByteBPETokenizer, CharTokenizer
from llmkit.trace import capture
from llmkit.trace.compare import align, compare, divergence
from tests.hub.tiny import tiny

TEXT = "the dog saw the  fox"


@pytest.fixture(scope="module")
def letters():
    return CharTokenizer.train([TEXT, "abcdefghijklmnopqrstuvwxyz 🦊"])


@pytest.fixture(scope="module")
def bpe():
    return ByteBPETokenizer.train([TEXT * 3], vocab_size=280)


def gpt(tokenizer, n_heads=2, n_layers=3, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        sizes = {"d_model": 16, "n_heads": n_heads, "n_layers": n_layers}
        model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, **sizes))
        for p in model.parameters():
            torch.nn.init.normal_(p, std=0.4)
    return model.eval()


def test_identical_models_differ_nowhere(bpe):
    trace = capture(gpt(bpe), bpe, TEXT)
    found = compare(trace, capture(gpt(bpe), bpe, TEXT))
    assert found.units == trace.tokens
    assert float(found.same_place.abs().max()) < 1e-6
    assert float(found.to_nearest.abs().max()) < 1e-6
    assert found.nearest.flatten().tolist() == list(range(6))
    torch.testing.assert_close(found.bits_a, found.bits_b, equal_nan=True)


def test_the_kits_model_and_transformers_differ_nowhere(bpe):
    hf = tiny("GPT-2", vocab_size=bpe.vocab_size)
    found = compare(capture(from_hf(hf), bpe, TEXT), capture(hf, bpe, TEXT))
    assert float(found.same_place.max()) < 1e-6
    assert found.nearest.flatten().tolist() == list(range(12))


def test_divergence_is_scipys_squared_distance():
    from scipy.spatial.distance import jensenshannon

    generator = torch.Generator().manual_seed(0)
    p, q = torch.rand(2, 4, 7, generator=generator, dtype=torch.float64)
    p, q = p / p.sum(-1, keepdim=True), q / q.sum(-1, keepdim=True)
    expected = [jensenshannon(x, y, base=2) ** 2 for x, y in zip(p, q, strict=True)]
    np.testing.assert_allclose(divergence(p, q).numpy(), expected)
    assert float(divergence(p, p).abs().max()) < 1e-12
    apart = divergence(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))
    assert float(apart) == pytest.approx(1)


def test_units_of_two_tokenizers(letters, bpe):
    a = capture(gpt(letters), letters, TEXT)
    b = capture(gpt(bpe), bpe, TEXT)
    units, tokens_a, tokens_b = align(a, b)
    # every token of b is at least one unit here, and nothing is lost or doubled
    assert "".join(units) == TEXT.replace(" ", "")
    assert sorted(i for unit in tokens_a for i in unit) == list(range(len(a)))
    assert sorted(i for unit in tokens_b for i in unit) == list(range(len(b)))
    for label, mine, yours in zip(units, tokens_a, tokens_b, strict=True):
        for trace, members in ((a, mine), (b, yours)):
            text = b"".join(trace.token_bytes[i] for i in members).decode()
            assert text.strip() == label


def test_units_where_neither_cut_is_finer():
    # "ab|c" against "a|bc" can only be compared as "abc"
    one = ByteBPETokenizer.train(["ab ab ab c"], vocab_size=258)
    two = ByteBPETokenizer.train(["bc bc bc a"], vocab_size=258)
    a, b = (capture(gpt(t), t, "abc xabc") for t in (one, two))
    assert a.tokens != b.tokens
    units, _, _ = align(a, b)
    assert units == ["abc", "x", "abc"]


def test_an_emoji_cut_into_bytes(letters, bpe):
    a, b = (capture(gpt(t), t, "a 🦊 b") for t in (letters, bpe))
    units, _, tokens_b = align(a, b)
    assert units == ["a", "🦊", "b"]
    assert sum(map(len, tokens_b)) == len(b)


def test_added_tokens_are_left_out_when_only_one_side_has_them(bpe):
    bert, wordpiece = load_encoder("minilm")
    found = compare(capture(bert, wordpiece, TEXT), capture(gpt(bpe), bpe, TEXT))
    assert found.units == ["the", "dog", "saw", "the", "fox"]
    assert found.same_place is None
    assert found.nearest.shape == (6, 12)
    assert int(found.nearest.max()) < 6
    assert found.bits_a is None
    rows = found.attention_a.sum(-1)
    torch.testing.assert_close(rows, torch.ones_like(rows))


def test_attention_by_units_adds_up(letters, bpe):
    a, b = capture(gpt(letters), letters, TEXT), capture(gpt(bpe), bpe, TEXT)
    found = compare(a, b)
    q, k = 3, 1
    sums = a.attentions[:, :, found.tokens_a[q]][..., found.tokens_a[k]].sum(-1)
    torch.testing.assert_close(found.attention_a[:, :, q, k], sums.mean(-1))


def test_bits_of_the_same_text_add_up_whatever_the_cut(letters, bpe):
    a, b = capture(gpt(letters), letters, TEXT), capture(gpt(bpe), bpe, TEXT)
    found = compare(a, b)
    for trace, bits in ((a, found.bits_a), (b, found.bits_b)):
        assert bits[0].isnan()
        loss = torch.nn.functional.cross_entropy(
            trace.logits[:-1], torch.tensor(trace.ids[1:]), reduction="none"
        )
        first = [i for u in found.tokens_a if 0 in u for i in u]
        first = (
            first if trace is a else [i for u in found.tokens_b if 0 in u for i in u]
        )
        rest = loss[[i - 1 for i in range(1, len(trace)) if i not in first]]
        expected = float(rest.sum() / np.log(2))
        assert float(bits.nansum()) == pytest.approx(expected, rel=1e-5)


def test_a_shuffled_head_is_found_again(bpe):
    trace = capture(gpt(bpe, n_heads=4), bpe, TEXT)
    order = torch.tensor([2, 0, 3, 1])
    from dataclasses import replace

    found = compare(replace(trace, attentions=trace.attentions[:, order]), trace)
    assert found.nearest[1].tolist() == [4 + int(i) for i in order]
    assert float(found.to_nearest.max()) < 1e-6
    assert float(found.same_place.max()) > 1e-3


def test_other_texts_are_refused(bpe):
    model = gpt(bpe)
    with pytest.raises(ValueError, match="same text; got 'a' and 'b'"):
        compare(capture(model, bpe, "a"), capture(model, bpe, "b"))


def test_time_of_144_heads_on_64_tokens(letters):
    model = gpt(letters, n_heads=4, n_layers=1)
    trace = capture(model, letters, ("abcdefgh" * 8))
    from dataclasses import replace

    generator = torch.Generator().manual_seed(0)
    runs = [
        replace(
            trace,
            attentions=torch.randn(12, 12, 64, 64, generator=generator).softmax(-1),
        )
        for _ in range(2)
    ]
    start = time.perf_counter()
    found = compare(*runs)
    # the target is 1 s; three times that on a busy machine
    assert time.perf_counter() - start < 3
    assert found.nearest.shape == (12, 12)
