"""The live comparison: real models of two kinds on the reader's own text."""

import time

import numpy as np
import pytest

from llmkit import explore
from llmkit.hub import load_encoder, minilm_path
from tests.trace.test_compare import TEXT, bpe, gpt, letters

__all__ = ["bpe", "letters"]  # fixtures


def test_minilm_and_transformers_minilm_differ_nowhere():
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = load_encoder("minilm")
    hf = AutoModel.from_pretrained(minilm_path())
    hf_tokenizer = AutoTokenizer.from_pretrained(minilm_path())
    view = explore.compare(model, tokenizer, hf, hf_tokenizer, "A quick fox.")
    assert view.bits_apart.max() < 1e-5
    assert view.units[0] == "[CLS]"
    view.pairing = "same place"
    assert view.bits_apart.max() < 1e-5
    first, second = view.attention
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_typing_compares_anew(letters, bpe):
    a, b = gpt(letters), gpt(bpe, n_heads=4)
    view = explore.compare(a, letters, b, bpe, TEXT, names=("letters", "BPE"))
    start = time.perf_counter()
    view.text = "the fox"
    # two tiny models: the target of a keystroke is 150 ms, three times that here
    assert time.perf_counter() - start < 0.45
    assert "".join(view.units) == "thefox"
    assert view.bits_needed.shape == (2, len(view.units))
    assert view.shape_b == [3, 4]


def test_nothing_in_common_is_said(letters, bpe):
    view = explore.compare(gpt(letters), letters, gpt(bpe), bpe, TEXT)
    sent = []
    view.send = sent.append
    view.text = ""
    assert "at least one token" in sent[0]["error"]
    with pytest.raises(ValueError, match="names must be two"):
        explore.compare(gpt(bpe), bpe, gpt(bpe), bpe, TEXT, names=("one",))
