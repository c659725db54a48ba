"""The live playground: the logits of the model alone, whatever was typed before."""

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from llmkit.explore.next_token import Reader, next_token
from llmkit.models import GPT, GPTConfig
from llmkit.tokenizers import ByteBPETokenizer
from tests.models.kinds import KINDS, a_decoder

TEXT = "the cat sat on the mat. the dog sat on the log. caf\u00e9 \U0001f98a!\n" * 20
CONTEXT = 12


@pytest.fixture(scope="module")
def tokenizer():
    return ByteBPETokenizer.train([TEXT], vocab_size=300)


@pytest.fixture(scope="module", params=KINDS)
def model(request, tokenizer):
    sizes = {"d_model": 24, "n_heads": 4, "n_layers": 2, "context_length": CONTEXT}
    return a_decoder(request.param, tokenizer.vocab_size, **sizes)


def alone(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids[-CONTEXT:]])).logits[0, -1].numpy()


def test_typing_reads_only_what_changed_and_scores_the_same(model, tokenizer):
    reader = Reader(model, tokenizer)
    typed = ["t", "the", "the cat", "the cat sat", "the dog", "the", "x", TEXT[:60]]
    for text in [*typed, *reversed(typed)]:
        scores = reader.ask(text)
        assert scores.ids == tokenizer.encode(text)
        np.testing.assert_allclose(scores.logits, alone(model, scores.ids), atol=1e-5)
    assert "reads the last 12 tokens" in reader.ask(TEXT[:60]).note


def test_training_in_another_cell_is_seen(tokenizer):
    torch.manual_seed(0)
    sizes = {"d_model": 24, "n_heads": 4, "n_layers": 2, "context_length": CONTEXT}
    model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, **sizes)).eval()
    reader = Reader(model, tokenizer)
    reader.ask("the cat sat")
    with torch.no_grad():
        model.position_embedding.weight.mul_(30)
    now = reader.ask("the cat sat")
    np.testing.assert_allclose(now.logits, alone(model, now.ids), atol=1e-5)


def test_a_model_in_training_drops_nothing_and_goes_on_training(tokenizer):
    torch.manual_seed(0)
    sizes = {"d_model": 24, "n_heads": 4, "n_layers": 1, "dropout": 0.5}
    model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, **sizes)).train()
    one, two = (Reader(model, tokenizer).ask("the cat").logits for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert model.training


def test_clicked_tokens_are_appended_as_they_are(model, tokenizer):
    view = next_token(model, tokenizer, "the cat")
    ids = view.ids
    half = tokenizer.encode("\U0001f98a"[0])[0]
    view.append(half)  # perhaps only a part of a character
    assert view.ids == [*ids, half]
    np.testing.assert_allclose(view.logits, alone(model, view.ids), atol=1e-5)
    view.undo()
    assert (view.text, view.ids) == ("the cat", ids)


def test_a_transformers_model_and_tokenizer_work_too(tokenizer, tmp_path):
    from transformers import PreTrainedTokenizerFast

    torch.manual_seed(0)
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": CONTEXT}
    other = GPT2LMHeadModel(GPT2Config(vocab_size=tokenizer.vocab_size, **sizes)).eval()
    path = tokenizer.save(tmp_path / "tokenizer.json")
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(path))
    view = next_token(other, theirs, "the cat", temperature=0.5)
    np.testing.assert_allclose(view.logits, alone(other, view.ids), atol=1e-5)
    view.text = TEXT[:60]
    np.testing.assert_allclose(view.logits, alone(other, view.ids), atol=1e-5)


def test_the_empty_text(model, tokenizer):
    view = next_token(model, tokenizer, "")
    assert "at least one token" in view.frame["note"]
    view.text = "the"
    assert view.distribution.sum() == pytest.approx(1)


def test_every_row_of_the_table_has_a_label(tokenizer):
    part = next(i for i in range(256) if tokenizer.token_bytes(i) == b"\xe2")
    size = tokenizer.vocab_size + 3
    sizes = {"d_model": 8, "n_heads": 2, "n_layers": 1, "context_length": CONTEXT}
    labels = Reader(GPT(GPTConfig(vocab_size=size, **sizes)), tokenizer).vocab()
    assert len(labels) == size
    assert labels[part] == "<0xE2>"
    assert labels[tokenizer.encode(" the")[0]] == "\u00b7the"
    assert labels[-1] == f"[unused {size - 1}]"


def test_the_wrong_type_of_text_is_named(model, tokenizer):
    with pytest.raises(TypeError, match="text must be str; got int"):
        next_token(model, tokenizer, 3)


def test_a_model_that_fails_says_so(tokenizer):
    config = GPTConfig(vocab_size=tokenizer.vocab_size, d_model=8, n_heads=2)
    model = GPT(config).eval()
    view = next_token(model, tokenizer, "the")

    def full(*args, **kwargs):
        raise RuntimeError("out of memory")

    model.forward = full
    view.text = "the cat"
    assert view.frame["note"] == "Not read: out of memory"
    view.action = {"do": "append", "id": 1}
    assert view.frame["note"] == "Not read: out of memory"
    with pytest.raises(RuntimeError, match="out of memory"):
        view.append(1)
    del model.forward
    view.text = "the dog"
    assert (view.text, view.frame["note"]) == ("the dog", "")
