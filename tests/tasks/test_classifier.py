"""The head, judged by `BertForSequenceClassification` and by hand."""

import pytest
import torch

from llmkit.hub import from_hf
from llmkit.models import GPT, GPTConfig, Llama, LlamaConfig
from llmkit.tasks import Classifier, freeze, pad_batch
from tests.tasks.tiny import C, D, L, classifier, examples


def test_equals_hugging_faces_head():
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    theirs = BertForSequenceClassification(
        BertConfig(
            vocab_size=40,
            hidden_size=12,
            num_attention_heads=3,
            num_hidden_layers=2,
            intermediate_size=20,
            max_position_embeddings=13,
            num_labels=C,
        )
    ).eval()
    ours = Classifier(from_hf(theirs.bert), C, pooling="pooler").eval()
    ours.head.load_state_dict(theirs.classifier.state_dict())
    ids, mask, _ = pad_batch(examples(7))
    want = theirs(ids, attention_mask=mask.long()).logits
    torch.testing.assert_close(ours(ids, mask).logits, want, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pooling", ["mean", "first", "last", "max", "pooler"])
def test_padding_changes_nothing(pooling):
    model = classifier(pooling).double().eval()
    some = examples(6)
    ids, mask, _ = pad_batch(some)
    together = model(ids, mask).logits
    assert together.shape == (6, C)
    for row, example in zip(together, some, strict=True):
        alone = model(torch.tensor([example.ids])).logits[0]
        torch.testing.assert_close(row, alone)


@pytest.mark.parametrize("kind", ["gpt", "llama"])
def test_on_a_decoder(kind):
    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "d_model": D, "n_heads": 3, "n_layers": 2}
    sizes["context_length"] = 13
    if kind == "llama":
        decoder = Llama(LlamaConfig(**(sizes | {"d_ff": 20, "n_heads": 2})))
    else:
        decoder = GPT(GPTConfig(**sizes))
    model = Classifier(decoder, C, pooling="last").double().eval()
    some = examples(5)
    ids, mask, _ = pad_batch(some)
    together = model(ids, mask)
    for i, example in enumerate(some):
        out = decoder(torch.tensor([example.ids]))
        want = model.head(out.last_hidden_state[0, -1])
        torch.testing.assert_close(together.logits[i], want)


def test_hands_on_what_the_encoder_recorded():
    ids, mask, _ = pad_batch(examples(3))
    model = classifier().eval()
    out = model(ids, mask, output_attentions=True, output_hidden_states=True)
    assert len(out.attentions) == L
    assert len(out.hidden_states) == L + 1
    torch.testing.assert_close(model.head(out.pooled), out.logits)


def test_dropout_only_while_training():
    ids, mask, _ = pad_batch(examples(4))
    model = classifier(dropout=0.5)
    model.train()
    assert not torch.equal(model(ids, mask).logits, model(ids, mask).logits)
    model.eval()
    assert torch.equal(model(ids, mask).logits, model(ids, mask).logits)


def test_frozen_parts_stay_in_evaluation_mode():
    model = classifier(dropout=0.5)
    freeze(model, 2)
    model.train()
    assert [block.training for block in model.encoder.blocks] == [False] * 2 + [
        True
    ] * 2
    freeze(model, L)
    model.train()
    assert not model.encoder.training
    assert model.head.training
    ids, mask, _ = pad_batch(examples(4))
    assert torch.equal(model(ids, mask).pooled, model(ids, mask).pooled)
    freeze(model, 0)
    model.train()
    assert all(module.training for module in model.modules())


def test_classes_by_name():
    assert classifier(classes=["no", "perhaps", "yes"]).head.out_features == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classes": 1}, "n_classes"),
        ({"pooling": "sum"}, "pooling"),
        ({"dropout": 1.5}, "dropout"),
        ({"pooling": "pooler", "pooler": False, "nsp_head": False}, "has none"),
    ],
)
def test_bad_input(given, message):
    with pytest.raises(ValueError, match=message):
        classifier(**given)
