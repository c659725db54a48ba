"""The cost card: its totals, and that it reads without scripts."""

import re

import pytest
import torch

from llmkit import explore
from llmkit.models import BERT, GPT, BERTConfig, GPTConfig
from llmkit.models.costs import count_flops, kv_cache_bytes
from llmkit.tokenizers import CharTokenizer


@pytest.fixture
def gpt():
    return GPT(GPTConfig(vocab_size=17, d_model=12, n_heads=3, n_layers=2))


@pytest.mark.parametrize("kind", ["gpt", "bert"])
def test_totals(gpt, kind):
    model = gpt
    if kind == "bert":
        model = BERT(BERTConfig(vocab_size=17, d_model=12, n_heads=3, n_layers=2))
    card = explore.cost(model)
    assert card.weights == sum(p.numel() for p in model.parameters())
    assert card.flops == count_flops(model, 16)
    assert card.table()["weights"].sum() == card.weights
    for t in (3, 200):
        assert card.flops_at(t) == count_flops(model, t)
    if kind == "gpt":
        assert card.cache_bytes * 7 == kv_cache_bytes(model, 7)


def test_shapes_come_from_a_real_run(gpt):
    tokenizer = CharTokenizer.train(["abcdef"])
    card = explore.cost(gpt, tokenizer, "abcde", name="mine")
    assert card.length == 5
    rows = {what: shape for what, _, shape in card.shapes}
    assert rows["attention weights of a layer"] == "1 × 3 × 5 × 5"
    assert rows["logits"] == "1 × 5 × 17"
    assert card.alt.startswith("mine: ")


def test_reads_with_scripts_stripped_and_is_small(gpt):
    page = explore.cost(gpt).to_html()
    assert len(page) < 40_000
    plain = re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.S)
    assert "<input" not in plain
    text = re.sub(r"<[^>]+>", " ", plain)
    for word in (f"{sum(p.numel() for p in gpt.parameters()):,}", "131,072", "norms"):
        assert word in text
    assert "http" not in page


def test_an_encoder_keeps_no_cache_and_names_are_harmless():
    model = BERT(BERTConfig(vocab_size=17, d_model=12, n_heads=3, n_layers=2))
    card = explore.cost(model, name="<script>alert(1)</script>")
    assert card.cache_bytes is None
    assert "keys and values kept" not in card.to_html()
    assert "<script>alert" not in card.to_html()


def test_messages():
    with pytest.raises(TypeError, match="model must be GPT or Llama or Modern or BERT"):
        explore.cost(torch.nn.Linear(2, 2))


def test_a_text_without_tokens_is_named(gpt):
    tokenizer = CharTokenizer.train(["abcdef"])
    with pytest.raises(ValueError, match="text must give at least one token; got ''"):
        explore.cost(gpt, tokenizer, "")


def test_a_part_is_text_whatever_its_name(gpt):
    card = explore.cost(gpt)
    card.parts[0] = ("<span onclick=x>", *card.parts[0][1:])
    assert "<span onclick" not in card.to_html()
    assert "&lt;span onclick" in card.to_html()
    assert card.to_html().count('<span class="cost-bar"') == len(card.parts)
