"""Sizes that no model can have are refused by name, before any weight is made."""

import pytest
import torch

from llmkit.models import BERT, BERTConfig, GPTConfig, LlamaConfig, Seq2SeqConfig


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "3"])
@pytest.mark.parametrize("config", [GPTConfig, LlamaConfig, BERTConfig, Seq2SeqConfig])
def test_counts_are_whole_and_at_least_1(config, value):
    layers = ["n_layers"]
    if config is Seq2SeqConfig:
        layers = ["n_encoder_layers", "n_decoder_layers"]
    for name in ("vocab_size", "context_length", "d_model", "n_heads", "d_ff", *layers):
        with pytest.raises(ValueError, match=f"{name} must be a whole number"):
            config(**{"vocab_size": 40, name: value})


@pytest.mark.parametrize("config", [GPTConfig, BERTConfig, Seq2SeqConfig])
def test_dropout_is_a_share(config):
    with pytest.raises(ValueError, match="dropout must lie between"):
        config(vocab_size=40, dropout=1.5)


@pytest.mark.parametrize("name", ["n_kv_heads", "d_head", "window"])
def test_what_may_be_left_out_is_no_zero(name):
    with pytest.raises(ValueError, match=f"{name} must be a whole number"):
        LlamaConfig(vocab_size=40, **{name: 0})


@pytest.mark.parametrize(("n_segments", "most"), [(2, 1), (0, 0)])
def test_segments_that_the_model_lacks(n_segments, most):
    sizes = {"d_model": 12, "n_heads": 3, "n_layers": 1, "n_segments": n_segments}
    model = BERT(BERTConfig(vocab_size=40, **sizes)).eval()
    ids = torch.tensor([[1, 2, 3, 4, 5]])
    torch.testing.assert_close(
        model(ids, segment_ids=torch.full_like(ids, 0)).last_hidden_state,
        model(ids).last_hidden_state,
    )
    with pytest.raises(ValueError, match=f"between 0 and {most}.*got 0 to 2"):
        model(ids, segment_ids=torch.tensor([[0, 0, 0, 2, 2]]))
    with pytest.raises(ValueError, match="segment_ids must have"):
        model(ids, segment_ids=torch.tensor([[0, 0]]))
