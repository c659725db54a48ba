"""The loss of a model's own guess, judged by PyTorch."""

import pytest
import torch
from torch.nn import functional as F

from llmkit import explore
from llmkit.models import GPT, GPTConfig
from llmkit.tokenizers import CharTokenizer

TEXT = "the quick brown fox"


@pytest.fixture
def model():
    torch.manual_seed(0)
    tokenizer = CharTokenizer.train([TEXT])
    config = GPTConfig(vocab_size=tokenizer.vocab_size, d_model=16, n_heads=2)
    return GPT(config).eval(), tokenizer


@pytest.mark.parametrize("answer", [None, "k", "z", "x"])
def test_shares_are_the_models_own(model, answer):
    gpt, tokenizer = model
    if answer == "z":  # a sign that it does not know is read as the unknown one
        answer = "fox"
    view = explore.loss(gpt, tokenizer, "the qui", answer, n=4)
    ids = torch.tensor([tokenizer.encode("the qui")])
    with torch.no_grad():
        chances = gpt(ids).logits[0, -1].softmax(-1)
    assert len(view.tokens) == 5
    right = chances.argmax() if answer is None else tokenizer.encode(answer)[0]
    wanted = F.nll_loss(chances.log()[None], torch.tensor([int(right)]))
    assert view.loss == pytest.approx(wanted.item(), rel=1e-4)
    named = sum(view.shares[:-1])
    assert view.shares[-1] == pytest.approx(1 - named)
    assert view.prompt == "the qui"
    assert view.among == tokenizer.vocab_size  # not the five rows


def test_without_a_model():
    view = explore.loss(tokens=["a", "b"], logits=[0.0, 1.0], target=1)
    assert view.loss == pytest.approx(0.3133, abs=1e-4)
    assert explore.loss().loss == pytest.approx(1.3863, abs=1e-4)


def test_messages(model):
    with pytest.raises(ValueError, match="at least one token"):
        explore.loss(*model, "")
    with pytest.raises(ValueError, match="n must be a whole number"):
        explore.loss(*model, "a", n=1)
