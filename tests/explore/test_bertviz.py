"""BertViz's views of live models: what they are given is what the model computed."""

import numpy as np
import pytest
import torch

from llmkit.explore import bertviz
from llmkit.models import BERT, BERTConfig, Llama, LlamaConfig
from llmkit.tokenizers import CharTokenizer, WordPieceTokenizer

TEXT, PAIR = "the cat sat", "on a mat"
SIZES = {"d_model": 24, "n_heads": 6, "n_layers": 2}


@pytest.fixture(scope="module")
def encoder():
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    tokenizer = WordPieceTokenizer.train(
        [TEXT, PAIR] * 9, vocab_size=60, special_tokens=special
    )
    torch.manual_seed(0)
    model = BERT(BERTConfig(vocab_size=tokenizer.vocab_size, **SIZES)).eval()
    return model, tokenizer


def test_a_pair_is_cut_where_the_second_text_begins(encoder):
    view = bertviz.head_view(*encoder, TEXT, PAIR, layer=1, heads=[3])
    whole, a, b, *_ = view.params["attention"]
    read = encoder[1](TEXT, PAIR)
    with torch.no_grad():
        ids, types = torch.tensor([read.ids]), torch.tensor([read.type_ids])
        output = encoder[0](ids, segment_ids=types, output_attentions=True)
    wanted = torch.stack(output.attentions)[:, 0].numpy()
    np.testing.assert_allclose(whole["attn"], wanted, atol=6e-5)
    assert a["left_text"][0] == "[CLS]"
    assert len(a["left_text"]) == read.type_ids.index(1)
    assert len(a["left_text"]) + len(b["left_text"]) == len(read.ids)
    chosen = bertviz.model_view(*encoder, TEXT, layers=[1])
    assert chosen.params["include_layers"] == [1]


def test_neuron_view_shows_the_numbers_behind_the_weights():
    torch.manual_seed(0)
    tokenizer = CharTokenizer.train([TEXT])
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, n_kv_heads=2, **SIZES)
    view = bertviz.neuron_view(Llama(config), tokenizer, TEXT, layer=1, head=5)
    part = view.params["attention"]["all"]
    q, k = np.array(part["queries"]), np.array(part["keys"])
    assert q.shape == k.shape == (2, 6, len(TEXT), 4)
    scores = np.einsum("lhtd,lhsd->lhts", q, k) / 2  # 2 = √4
    scores[..., np.triu(np.ones(scores.shape[-2:], bool), 1)] = -np.inf
    e = np.exp(scores - scores.max(-1, keepdims=True))
    weights = e / e.sum(-1, keepdims=True)
    np.testing.assert_allclose(part["attn"], weights, atol=2e-3)
    assert view.params["bidirectional"] is False
    assert view.params["layer"] == 1
    assert view.params["head"] == 5


def test_a_model_of_transformers_goes_in_too(encoder):
    import transformers

    config = transformers.BertConfig(
        vocab_size=encoder[1].vocab_size,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=6,
        intermediate_size=32,
    )
    torch.manual_seed(0)
    model = transformers.BertModel(config).eval()  # its default hands out no weights
    view = bertviz.neuron_view(model, encoder[1], TEXT)
    model.set_attn_implementation("eager")
    ids = torch.tensor([encoder[1](TEXT).ids])
    with torch.no_grad():
        wanted = torch.stack(model(ids, output_attentions=True).attentions)[:, 0]
    shown = view.params["attention"]["all"]["attn"]
    np.testing.assert_allclose(shown, wanted.numpy(), atol=6e-5)
