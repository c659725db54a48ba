"""The live explorer: any model, any text, and what it says when a text is too long."""

import numpy as np
import pytest
import torch

from llmkit import explore
from llmkit.explore.attention import maps_of
from llmkit.models import BERT, GPT, BERTConfig, GPTConfig, Seq2Seq, Seq2SeqConfig
from llmkit.tokenizers import CharTokenizer
from llmkit.trace import capture

TEXT, OTHER = "the fox", "a dog ran"
ROOM = 24


@pytest.fixture(scope="module")
def letters():
    return CharTokenizer.train([TEXT, OTHER, "xyz."], special_tokens=["<s>", "</s>"])


@pytest.fixture(scope="module")
def gpt(letters):
    torch.manual_seed(0)
    sizes = {"d_model": 24, "n_heads": 3, "n_layers": 2, "context_length": ROOM}
    return GPT(GPTConfig(vocab_size=letters.vocab_size, **sizes)).eval()


def test_the_model_runs_again_when_the_text_changes(gpt, letters):
    view = explore.attention(gpt, letters, TEXT, selection={"layer": 1, "head": 2})
    assert repr(view) == "LiveAttention(2 layers, 3 heads, 7 tokens)"
    view.text = OTHER
    expected = capture(gpt, letters, OTHER).attentions
    assert np.allclose(view.selected_attention(), expected[1, 2][None], atol=1e-6)
    assert view.maps[0]["causal"]
    assert view.editable == ["text"]


def test_products_and_softmax_give_the_weights(gpt, letters):
    maps = maps_of(capture(gpt, letters, OTHER, parts=True))["decoder"]
    scores = maps.queries @ maps.keys.swapaxes(-1, -2) * maps.scale
    scores = np.where(np.tri(len(OTHER)) > 0, scores, -np.inf)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    assert np.allclose(weights, maps.weights, atol=1e-6)


def test_a_text_that_does_not_fit_is_explained_and_the_last_one_stays(gpt, letters):
    view = explore.attention(gpt, letters, TEXT)
    for bad in ("x" * 99, ""):
        view.text = bad
        assert view.note.startswith("Not shown: ")
        assert view.summary().endswith("7 tokens")
    view.text = OTHER
    assert view.note == ""


def test_scores_sort_and_match_the_metrics(gpt, letters):
    from llmkit.metrics.heads import sink_score

    view = explore.attention(gpt, letters, OTHER)
    sent = np.array(view.maps[0]["scores"]["sink"]).reshape(2, 3)
    attentions = capture(gpt, letters, OTHER).attentions
    assert np.allclose(sent, sink_score(attentions), atol=1e-5)


def test_an_encoder_decoder_has_three_kinds(letters):
    torch.manual_seed(0)
    sizes = {"d_model": 24, "n_heads": 3, "vocab_size": letters.vocab_size}
    model = Seq2Seq(
        Seq2SeqConfig(**sizes, n_encoder_layers=2, n_decoder_layers=1)
    ).eval()
    view = explore.attention(model, letters, TEXT, target=OTHER)
    assert [m["name"] for m in view.maps] == ["encoder", "decoder", "cross"]
    view.selection = {"view": "cross", "layer": 0, "head": 1}
    trace = capture(model, letters, TEXT, target=OTHER)
    assert np.allclose(
        view.selected_attention()[0], trace.cross_attentions[0, 1], atol=1e-6
    )
    view.second = "xyz"
    assert view.note == ""
    assert view.editable == ["text", "second"]


def test_pairs(letters):
    torch.manual_seed(0)
    config = BERTConfig(
        vocab_size=letters.vocab_size, d_model=24, n_heads=3, n_layers=2
    )
    view = explore.attention(BERT(config).eval(), letters, TEXT, pair=OTHER, live=False)
    view.pair = "A to B"
    assert view.selected_attention().shape == (1, len(TEXT), len(OTHER))
    assert view.editable == []


def test_every_swept_value_is_accepted(gpt, letters):
    view = explore.attention(gpt, letters, TEXT)
    for name, values in view.sweep.items():
        for value in values:
            setattr(view, name, value)


def test_errors(gpt, letters):
    with pytest.raises(TypeError, match="attention has no setting 'colour'"):
        explore.attention(gpt, letters, TEXT, colour="red")
    with pytest.raises(TypeError, match="text must be str; got int"):
        explore.attention(gpt, letters, 3)
