"""Models and tokenizers of transformers go into every view."""

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from llmkit import explore
from llmkit.explore.given import bert_with, own_model
from llmkit.models import BERT, GPT, BERTConfig, GPTConfig
from llmkit.tokenizers import CharTokenizer, as_tokenizer
from tests.models.kinds import KINDS, a_decoder


def borrowed():
    vocab = {word: i for i, word in enumerate(["[UNK]", "the", "fox", "runs"])}
    inner = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=inner)


def test_a_transformers_model_and_tokenizer_are_taken_as_they_are():
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=4, n_positions=16, n_embd=24, n_layer=2, n_head=3
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    view = explore.lens(model, borrowed(), "the fox runs")
    assert view.tokens == ["the", "fox", "runs"]
    logits = model(torch.tensor([[1, 2, 3]])).logits[0, -1]
    best = ["[UNK]", "the", "fox", "runs"][int(logits.argmax())]
    assert view.words[int(view.lens["top"][-1, -1, 0])] == best
    steps = explore.steps(model, borrowed(), "the fox", layer=1, head=2)
    assert steps.tensor("weights").shape == (2, 2)


def test_the_kits_own_pass_unchanged():
    model = GPT(GPTConfig(vocab_size=4, d_model=24, n_heads=3, n_layers=1))
    assert own_model(model) is model
    characters = CharTokenizer.train(["abc"])
    assert as_tokenizer(characters) is characters


@pytest.mark.parametrize("thing", [None, "gpt2", object(), torch.nn.Linear(2, 2)])
def test_what_is_no_tokenizer_is_named(thing):
    model = GPT(GPTConfig(vocab_size=4, d_model=24, n_heads=3, n_layers=1))
    for make in (explore.lens, explore.steps, explore.what_if, explore.next_token):
        with pytest.raises(TypeError, match="tokenizer must be Tokenizer; got"):
            make(model, thing, "abc")


def test_a_head_is_asked_for_by_name():
    bert = BERT(BERTConfig(vocab_size=9, d_model=8, n_heads=2, n_layers=1))
    assert bert_with("masked-word", bert) is bert
    assert bert_with("next-sentence", bert) is bert
    bert.nsp_head = None
    with pytest.raises(ValueError, match=r"next-sentence head; got a BERT without one"):
        bert_with("next-sentence", bert)
    gpt = GPT(GPTConfig(vocab_size=9, d_model=8, n_heads=2, n_layers=1))
    with pytest.raises(ValueError, match=r"masked-word head; got a GPT\. load_encoder"):
        bert_with("masked-word", gpt)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    "attention block cost generation_tree lens next_token steps what_if".split(),
)
def test_every_view_of_a_decoder_takes_every_decoder(kind, name):
    tokenizer = CharTokenizer.train(["a small fox"])
    model = a_decoder(kind, tokenizer.vocab_size, d_model=12, n_heads=3, n_layers=2)
    given = (model, tokenizer, "a fox") if name != "cost" else (model,)
    view = getattr(explore, name)(*given)
    assert len(view.table())
    assert repr(view).startswith(type(view).__name__)
