"""Pairs of a real model, judged by transformers."""

import pytest
import torch

from llmkit.explore.sentence_pair import sentence_pair
from llmkit.hub import to_hf_state_dict
from llmkit.hub.configs_out import hf_config
from llmkit.tokenizers import WordPieceTokenizer
from tests.explore.berts import a_bert

FIRST, SECOND = "Anna sang .", "She took the ball ."
OTHERS = ["Ben slept .", "Ben took Anna ."]


@pytest.fixture(scope="module")
def tokenizer():
    words = "Anna Ben sang She took the ball slept ."
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words.split()]
    vocab = {name: i for i, name in enumerate(names)}
    return WordPieceTokenizer(vocab, lowercase=False)


@pytest.fixture(scope="module")
def model(tokenizer):
    return a_bert(tokenizer, context_length=14)


@pytest.fixture(scope="module")
def judge(model, tokenizer):
    """What transformers says of a pair."""
    transformers = pytest.importorskip("transformers")
    theirs = transformers.BertForPreTraining(
        transformers.BertConfig(**hf_config(model))
    )
    theirs.load_state_dict(to_hf_state_dict(model), strict=False)
    theirs.eval()

    def follows(first, second):
        encoding = tokenizer(first, second)
        with torch.no_grad():
            logits = theirs(
                input_ids=torch.tensor([encoding.ids]),
                token_type_ids=torch.tensor([encoding.type_ids]),
            ).seq_relationship_logits
        return float(logits.softmax(-1)[0, 0])

    return follows


def test_scores_are_those_of_transformers(model, tokenizer, judge):
    view = sentence_pair(model, tokenizer, FIRST, SECOND, OTHERS)
    assert abs(view.score - judge(FIRST, SECOND)) < 2e-5
    assert abs(view.frame["swapped"] - judge(SECOND, FIRST)) < 2e-5
    for other, score in zip(OTHERS, view.frame["others"], strict=True):
        assert abs(score - judge(FIRST, other)) < 2e-5
    assert view.frame["segments"] == tokenizer(FIRST, SECOND).type_ids


def test_swap_exchange_and_go_back(model, tokenizer, judge):
    view = sentence_pair(model, tokenizer, FIRST, SECOND, OTHERS)
    view.swap()
    assert (view.first, view.second) == (SECOND, FIRST)
    assert abs(view.score - judge(SECOND, FIRST)) < 2e-5
    view.action = {"do": "other", "at": 1, "turn": 9}
    assert view.second == OTHERS[1]
    assert view.others == [OTHERS[0], FIRST]
    assert abs(view.score - judge(SECOND, OTHERS[1])) < 2e-5
    tried = [row[:2] for row in view.history]
    assert tried == [[FIRST, SECOND], [SECOND, FIRST], [SECOND, OTHERS[1]]]
    view.action = {"do": "back", "at": 0, "turn": 10}
    assert (view.first, view.second) == (FIRST, SECOND)


def test_typing_leaves_one_row_in_the_history(model, tokenizer):
    view = sentence_pair(model, tokenizer, FIRST, SECOND)
    for text in ("B", "Be", "Ben", "Ben slept ."):
        view.second = text
    assert [row[1] for row in view.history] == [SECOND, "Ben slept ."]
    assert view.history[-1][2] == view.score


def test_what_cannot_be_judged_is_said(model, tokenizer):
    view = sentence_pair(model, tokenizer, FIRST, "")
    assert view.score is None
    assert view.frame["note"] == "Type two passages."
    view.second = "Ben " * 20
    assert view.score is None
    assert "the model reads 14" in view.frame["note"]
    view.second = "Ben flew ."
    assert view.frame["note"].startswith("1 of the words")


def test_errors(tokenizer):
    headless = a_bert(tokenizer, nsp_head=False)
    with pytest.raises(ValueError, match="next-sentence head"):
        sentence_pair(headless, tokenizer, FIRST, SECOND)
    with pytest.raises(TypeError, match="second"):
        sentence_pair(a_bert(tokenizer), tokenizer, FIRST, None)
