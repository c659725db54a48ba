"""BERT's two tasks: the loss of transformers, scores by hand, and a run that learns."""

import math
import random

import pytest
import torch

from llmkit.data.pairs import sentence_pairs
from llmkit.data.stories import stories
from llmkit.hub import to_hf_state_dict
from llmkit.hub.configs_out import hf_config
from llmkit.models import BERT, BERTConfig
from llmkit.tokenizers import WordPieceTokenizer
from llmkit.training import adamw, train
from llmkit.training.bert import (
    masked_words_loss,
    pretraining_loss,
    score_pretraining,
)
from llmkit.training.masking import (
    IGNORED,
    EncodedPairs,
    MaskedBatch,
    Masking,
    masked_batches,
    ordered_batches,
)


@pytest.fixture(scope="module")
def data():
    told = [story.sentences for story in stories(60, seed=0)]
    tokenizer = WordPieceTokenizer.train([" ".join(d) for d in told], vocab_size=230)
    pairs = EncodedPairs(sentence_pairs(told, 90, random.Random(0)), tokenizer)
    return pairs, Masking(mask_id=tokenizer.mask_id, vocab_size=tokenizer.vocab_size)


def a_model(data, seed=0, **sizes):
    pairs, masking = data
    torch.manual_seed(seed)
    sizes = {"d_model": 24, "n_heads": 3, "n_layers": 2, "d_ff": 40} | sizes
    config = BERTConfig(
        vocab_size=masking.vocab_size, context_length=pairs.ids.shape[1], **sizes
    )
    return BERT(config)


def test_loss_is_that_of_transformers(data):
    transformers = pytest.importorskip("transformers")
    model = a_model(data).double().eval()
    config = transformers.BertConfig(**hf_config(model))
    theirs = transformers.BertForPreTraining(config).double().eval()
    missing = theirs.load_state_dict(to_hf_state_dict(model), strict=False)
    assert not missing.unexpected_keys
    batch = next(masked_batches(*data, 7, torch.Generator().manual_seed(1)))
    want = theirs(
        input_ids=batch.ids,
        attention_mask=batch.attention_mask.long(),
        token_type_ids=batch.segment_ids,
        labels=batch.labels,
        next_sentence_label=batch.follows,
    ).loss
    torch.testing.assert_close(pretraining_loss(model, batch), want, rtol=0, atol=1e-10)


def test_words_alone_leave_the_other_head_out(data):
    model = a_model(data)
    batch = next(masked_batches(*data, 7, torch.Generator().manual_seed(1)))
    masked_words_loss(model, batch).backward()
    assert model.nsp_head.weight.grad is None
    assert model.mlm_head.transform.weight.grad.abs().sum() > 0


class Oracle(torch.nn.Module):
    """Knows each answer, but for what it is told to get wrong."""

    def __init__(self, batches, vocab_size, wrong_words, wrong_pairs):
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))
        self.batches, self.vocab_size = iter(batches), vocab_size
        self.wrong_words, self.wrong_pairs = wrong_words, wrong_pairs

    def forward(self, ids, attention_mask, segment_ids):
        batch = next(self.batches)
        assert torch.equal(batch.ids, ids)
        answers = batch.labels.clamp(min=0)
        for row, column in self.wrong_words:
            answers[row, column] = (answers[row, column] + 1) % self.vocab_size
        follows = batch.follows.clone()
        follows[self.wrong_pairs] = 1 - follows[self.wrong_pairs]
        logits = 50.0 * torch.nn.functional.one_hot(answers, self.vocab_size)
        nsp = 50.0 * torch.nn.functional.one_hot(follows, 2)
        from llmkit.models import ModelOutput

        return ModelOutput(logits=logits, last_hidden_state=None, nsp_logits=nsp)


def test_scores_count_what_is_asked():
    labels = torch.tensor([[3, IGNORED, 2, 1], [IGNORED, 4, IGNORED, IGNORED]])
    batch = MaskedBatch(
        torch.zeros(2, 4).long(),
        torch.ones(2, 4).bool(),
        torch.zeros(2, 4).long(),
        labels,
        torch.tensor([0, 1]),
    )
    # wrong at two places that are asked and at one that is not: 2 of 4 are right
    model = Oracle([batch], 7, [(0, 0), (1, 1), (1, 3)], [1])
    scores = score_pretraining(model, [batch])
    assert scores.words.value == 0.5
    assert scores.words.low < 0.5 < scores.words.high
    assert scores.follows.value == 0.5
    assert scores.follows.n == 2
    assert math.isclose(scores.words_loss, 25.0, rel_tol=1e-6)
    with pytest.raises(ValueError, match="at least one batch"):
        score_pretraining(model, [])


def test_pairs_alone_can_be_scored(data):
    pairs, masking = data
    nothing = Masking(mask_id=4, vocab_size=masking.vocab_size, chosen=0.0)
    scores = score_pretraining(a_model(data), ordered_batches(pairs, nothing, 30))
    assert scores.words is None
    assert math.isnan(scores.words_loss)
    assert scores.follows.n == len(pairs)


def test_a_model_learns_both_tasks():
    # 12 pairs can be learned by heart: both losses must fall far below a guess
    told = [story.sentences for story in stories(60, seed=0)]
    tokenizer = WordPieceTokenizer.train([" ".join(d) for d in told], vocab_size=230)
    pairs = EncodedPairs(sentence_pairs(told, 12, random.Random(1)), tokenizer)
    masking = Masking(mask_id=tokenizer.mask_id, vocab_size=tokenizer.vocab_size)
    model = a_model((pairs, masking), d_model=32, n_heads=2)
    before = score_pretraining(model, ordered_batches(pairs, masking, 12))
    batches = masked_batches(pairs, masking, 12, torch.Generator().manual_seed(0))
    train(model, batches, adamw(model, 3e-3), steps=250, loss=pretraining_loss)
    after = score_pretraining(model, ordered_batches(pairs, masking, 12))
    assert after.words_loss < 0.6 * before.words_loss
    assert after.words.low > before.words.high
    assert after.follows_loss < 0.3 < 0.6 < before.follows_loss
