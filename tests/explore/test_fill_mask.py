"""Blanks of a real model: every probability judged by transformers, or by hand."""

import numpy as np
import pytest
import torch

from llmkit.explore.fill_mask import fill_mask
from llmkit.hub import to_hf_state_dict
from llmkit.hub.configs_out import hf_config
from llmkit.models import GPT, GPTConfig
from llmkit.tokenizers import WordPieceTokenizer
from llmkit.viz.filled import READINGS
from tests.explore.berts import a_bert

TEXT = "Anna took the red ball ."
WORDS = "Anna Ben took the red blue ball lamp gave . He un ##known"


@pytest.fixture(scope="module")
def tokenizer():
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]
    vocab = {name: i for i, name in enumerate(names)}
    return WordPieceTokenizer(vocab, lowercase=False)


@pytest.fixture(scope="module")
def model(tokenizer):
    return a_bert(tokenizer)


@pytest.fixture(scope="module")
def theirs(model):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(**hf_config(model), attn_implementation="eager")
    theirs = transformers.BertForPreTraining(config).eval()
    theirs.load_state_dict(to_hf_state_dict(model), strict=False)
    return theirs


def probabilities(theirs, ids):
    with torch.no_grad():
        logits = theirs(input_ids=torch.tensor([ids])).prediction_logits
    return logits[0].softmax(-1).numpy()


def hide(tokenizer, text, *places):
    ids = tokenizer(text).ids
    return [tokenizer.mask_id if at in places else i for at, i in enumerate(ids)]


def test_a_blank_reads_as_in_transformers(model, tokenizer, theirs):
    view = fill_mask(model, tokenizer, TEXT, ["red"])
    ids = hide(tokenizer, TEXT, 4)
    # [CLS] Anna took the [MASK] ball . [SEP]
    hidden = {"both sides": [4], "left only": [4, 5, 6], "right only": [1, 2, 3, 4]}
    for name in READINGS:
        want = probabilities(theirs, hide(tokenizer, TEXT, *hidden[name]))[4]
        np.testing.assert_allclose(view.distribution(name), want, atol=2e-6)
    shown = view.candidates(3)
    want = probabilities(theirs, ids)[4].argsort()[::-1][:3]
    red = tokenizer.token_to_id("red")
    assert shown == [*want, *([] if red in want else [red])]


def test_several_blanks_are_hidden_from_each_other(model, tokenizer, theirs):
    view = fill_mask(model, tokenizer, TEXT, ["Anna", "ball"])
    want = probabilities(theirs, hide(tokenizer, TEXT, 1, 5))
    assert view.slot == 5
    np.testing.assert_allclose(view.distribution(), want[5], atol=2e-6)
    view.slot = 1
    np.testing.assert_allclose(view.distribution(), want[1], atol=2e-6)
    for (token, p), at in zip(view.filled.others, (1, 5), strict=True):
        assert token == want[at].argmax()
        assert abs(p - want[at].max()) < 2e-6


def test_influence_is_what_hiding_a_neighbour_costs(model, tokenizer, theirs):
    view = fill_mask(model, tokenizer, TEXT, [4])
    red, ids = tokenizer.token_to_id("red"), hide(tokenizer, TEXT, 4)
    whole = probabilities(theirs, ids)[4, red]
    for at in (1, 2, 3, 5, 6):
        less = probabilities(theirs, hide(tokenizer, TEXT, 4, at))[4, red]
        assert abs(view.filled.influence[at] - (whole - less)) < 4e-6
    assert view.filled.influence[0] == view.filled.influence[7] == 0


def test_one_side_alone_does_not_see_the_other(model, tokenizer):
    first = fill_mask(model, tokenizer, "Anna took the red ball .", [3])
    second = fill_mask(model, tokenizer, "Anna took the blue lamp .", [3])
    np.testing.assert_allclose(
        first.distribution("left only"), second.distribution("left only"), atol=1e-7
    )
    assert abs(first.distribution() - second.distribution()).max() > 1e-3


def test_typing_keeps_the_blank(model, tokenizer):
    view = fill_mask(model, tokenizer, TEXT, ["ball"])
    view.text = "Anna took the red unknown ball ."
    assert view.masked == [7]
    assert view.filled.tokens[4:7] == ["red", "un", "##known"]
    view.text = "[MASK] took the red lamp ."
    assert view.masked == [1]
    assert view.filled.answer == -1
    view.text = ""
    assert view.masked == []
    with pytest.raises(ValueError, match="there is no blank"):
        view.distribution()


def test_a_candidate_can_be_put_in(model, tokenizer):
    view = fill_mask(model, tokenizer, TEXT, ["red"])
    view.action = {"do": "fill", "id": tokenizer.token_to_id("blue")}
    assert view.text == "Anna took the blue ball ."
    assert view.masked == []


def test_pinned_bars_stay(model, tokenizer):
    view = fill_mask(model, tokenizer, TEXT, ["ball"])
    before = view.distribution().copy()
    view.pinned = True
    view.text = TEXT.replace("red", "blue")
    assert view.masked == [5]
    table = view.table()
    ids = view.candidates()
    np.testing.assert_allclose(table["pinned"], before[ids])
    assert not np.allclose(table["both sides"], table["pinned"], atol=1e-4)
    view.pinned = False
    assert "pinned" not in view.table()


def test_a_transformers_model_will_do(model, tokenizer, theirs):
    ours = fill_mask(model, tokenizer, TEXT, ["red"]).distribution()
    taken = fill_mask(theirs, tokenizer, TEXT, ["red"]).distribution()
    np.testing.assert_allclose(ours, taken, atol=2e-6)


def test_a_word_is_hidden_with_all_its_pieces(model, tokenizer):
    view = fill_mask(model, tokenizer, "Anna took the unknown ball .", ["unknown"])
    assert view.masked == [4, 5]
    assert view.filled.answers == [tokenizer.token_to_id(t) for t in ("un", "##known")]


def test_long_texts_are_cut(model, tokenizer):
    view = fill_mask(model, tokenizer, "Anna " * 40, [2])
    assert len(view.filled.tokens) == 16
    assert "first 16 tokens" in view.frame["note"]
    assert view.filled.free[-1] is False


def test_errors(model, tokenizer):
    headless = a_bert(tokenizer, mlm_head=False)
    with pytest.raises(ValueError, match="'minilm' has lost its own"):
        fill_mask(headless, tokenizer, TEXT)
    with pytest.raises(ValueError, match="got a GPT"):
        fill_mask(GPT(GPTConfig(vocab_size=20)), tokenizer, TEXT)
    with pytest.raises(ValueError, match="masked must be one of"):
        fill_mask(model, tokenizer, TEXT, ["green"])
    with pytest.raises(ValueError, match="mask token"):
        fill_mask(model, WordPieceTokenizer({"[UNK]": 0, "a": 1}), TEXT)
