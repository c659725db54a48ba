"""The live lens: its numbers, its laziness on large models, its errors."""

import sys

import numpy as np
import pytest
import torch

from llmkit import explore
from llmkit.models import GPT, GPTConfig
from llmkit.trace.lens import logit_lens
from llmkit.viz import codec
from tests.trace.test_lens import Letters


@pytest.fixture
def model():
    torch.manual_seed(0)
    return GPT(GPTConfig(vocab_size=50, d_model=24, n_heads=3, n_layers=2))


def test_what_is_sent_equals_the_lens(model):
    view = explore.lens(model, Letters(), "the fox", top=3, watch=["a"])
    found = logit_lens(model, Letters(), "the fox", top=3, watch=["a"])
    shape = tuple(found.top_ids.shape)
    top = np.frombuffer(view.top, "<u2").reshape(shape)
    shown = np.vectorize(view.words.__getitem__)(top)
    named = np.vectorize(found.label.__getitem__)(found.top_ids.numpy())
    assert (shown == named).all()
    probs = (np.frombuffer(view.probs, "<u2").reshape(shape) / 65535) ** 2
    np.testing.assert_allclose(probs, found.top_probs, atol=4e-5)
    numbers = np.frombuffer(view.numbers, "<f4").reshape(*shape[:2], 4)
    np.testing.assert_array_equal(numbers[..., 1], found.kl)
    np.testing.assert_array_equal(numbers[..., 3], found.watched[..., 0])


def test_typing_reads_the_model_again_and_an_error_keeps_the_old_answer(model):
    view = explore.lens(model, Letters(), "the fox")
    sent = []
    view.send = sent.append
    view.text = "a"
    assert view.tokens == ["a"]
    view.text = ""
    assert view.tokens == ["a"]
    assert "at least one token" in sent[-1]["error"]
    view.text = "a"
    view.watch_text = "b, abc"
    assert view.watch == []
    assert "single token" in sent[-1]["error"]
    view.text, view.watch_text = "xy", "b, c, d"
    assert view.watch == ["b", "c"]


def test_a_model_that_fails_says_so(model, monkeypatch):
    view = explore.lens(model, Letters(), "the fox")
    sent = []
    view.send = sent.append

    def full(*args, **kwargs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(sys.modules["llmkit.explore.lens"], "read_streams", full)
    view.text = "a"
    assert sent == [{"error": "out of memory"}]


def test_a_large_model_is_read_one_column_at_a_time(model, monkeypatch):
    monkeypatch.setattr(sys.modules["llmkit.explore.lens"], "_AT_ONCE", 1)
    view = explore.lens(model, Letters(), "the fox")
    assert view.columns == [6]
    view._asked(view, {"column": 2}, [])
    assert view.columns == [2]
    view._asked(view, {"column": 99}, [])
    assert view.columns == [2]
    for said in (view.alt, view.summary(), view.table().index.name):
        assert "after token 2 (e)" in said


def test_a_page_of_12_layers_and_64_tokens_is_small():
    torch.manual_seed(0)
    config = GPTConfig(vocab_size=5000, d_model=24, n_heads=3, n_layers=12)
    view = explore.lens(GPT(config), Letters(), "abcdefgh" * 8, top=5)
    state = view.static_state()
    size = sum(
        len(codec.to_text(value)) if isinstance(value, bytes) else len(repr(value))
        for value in state.values()
    )
    assert len(view.rows) == 25
    assert size <= 120_000
    assert len(view._esm) <= 25_000


def test_outputs(model):
    view = explore.lens(model, Letters(), "the fox", watch=["a"])
    assert view.table().shape == (5, 6)
    assert view.to_png().startswith(b"\x89PNG")
    assert "after the last token the model says" in view.alt
    assert repr(view).startswith("LogitLens(5 rows, 7 tokens")


def test_a_token_of_dollar_signs_is_no_formula(model):
    view = explore.lens(model, Letters(), "fox")
    view.tokens = [r"$\frac$", "$$", "$_$"]
    assert view.to_png().startswith(b"\x89PNG")


def test_training_in_another_cell_is_seen(model):
    view = explore.lens(model, Letters(), "fox")
    with torch.no_grad():
        model.token_embedding.weight.mul_(3)
    view.watch_text = "a"
    found = logit_lens(model, Letters(), "fox", watch=["a"])
    np.testing.assert_array_equal(view.lens["numbers"][..., 1], found.kl)
