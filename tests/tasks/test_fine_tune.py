"""The run: the plain loop written out, learning what can be learned, stopping early."""

import copy
import itertools

import pytest
import torch
from torch.nn import functional as F

from llmkit.metrics import accuracy
from llmkit.tasks import (
    FineTuning,
    class_weights,
    classification_loss,
    fine_tune,
    freeze,
    layer_rates,
    predict,
    shuffled_batches,
    text_vectors,
)
from llmkit.training import evaluate, every, stop_early
from tests.tasks.tiny import C, D, L, classifier, examples


def test_equals_the_loop_written_out():
    model = classifier(dropout=0.0)
    twin, some = copy.deepcopy(model), examples(10)
    settings = FineTuning(epochs=2, batch_size=4, lr=0.01, warmup=0.5, seed=3)
    steps = fine_tune(model, some, settings)
    assert len(steps) == settings.steps(10) == 6

    optimizer = torch.optim.AdamW(twin.parameters(), lr=0.01, betas=(0.9, 0.999))
    for group in optimizer.param_groups:
        group["weight_decay"] = 0.0
    flat = [w for w in twin.parameters() if w.dim() < 2]
    deep = [w for w in twin.parameters() if w.dim() >= 2]
    optimizer = torch.optim.AdamW(
        [{"params": flat, "weight_decay": 0.0}, {"params": deep, "weight_decay": 0.01}],
        lr=0.01,
    )
    share = settings.schedule(10)
    batches = shuffled_batches(some, 4, torch.Generator().manual_seed(3))
    for number, (ids, mask, labels) in zip(range(6), batches, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * share(number)
        loss = F.cross_entropy(twin(ids, mask).logits, labels)
        assert steps[number].loss == pytest.approx(loss.item(), abs=1e-5)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
        optimizer.step()


def test_learns_what_the_first_token_tells():
    model = classifier("first")
    fine_tune(model, examples(200), FineTuning(epochs=8, lr=0.01))
    unseen = examples(100, seed=9)
    probs = predict(model, unseen)
    assert probs.shape == (100, C)
    found = accuracy(probs.argmax(-1), torch.tensor([e.label for e in unseen]))
    assert found.low > 0.8, found


def test_a_frozen_encoder_is_left_alone():
    model = classifier()
    freeze(model, L)
    before = copy.deepcopy(model.encoder.state_dict())
    fine_tune(model, examples(20), FineTuning(epochs=2, lr=0.1))
    after = model.encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_predictions_keep_the_order_and_the_mode():
    model, some = classifier(dropout=0.4), examples(17)
    model.train()
    together = predict(model, some, batch_size=5)
    assert model.training
    assert model.dropout.training
    torch.testing.assert_close(together.sum(-1), torch.ones(17))
    one_by_one = torch.cat([predict(model, [example]) for example in some])
    torch.testing.assert_close(together, one_by_one, atol=1e-5, rtol=0)
    vectors = text_vectors(model, some, batch_size=4)
    assert vectors.shape == (17, D)
    torch.testing.assert_close(model.head(vectors).softmax(-1), together)


def test_stops_early():
    model, some = classifier(), examples(20)
    batches = list(zip(range(5), shuffled_batches(some, 4), strict=False))
    held_out = [batch for _, batch in batches]
    watch = stop_early(
        lambda: evaluate(model, held_out, classification_loss()), patience=1, least=9.0
    )
    steps = fine_tune(model, some, FineTuning(epochs=9), on_step=every(3, watch))
    # nothing gets better by 9: the second measurement ends the run
    assert len(steps) == 6


def test_weights_find_a_rare_class():
    """One example in twenty is rare, and seen only by its last token."""
    some = [e._replace(label=int(i % 20 == 0)) for i, e in enumerate(examples(400))]
    some = [e._replace(ids=[*e.ids[:-1], 39 if e.label else 7]) for e in some]
    weights = class_weights([e.label for e in some], 2)
    found = {}
    for name, loss in (("even", None), ("weighted", classification_loss(weights))):
        model = classifier(classes=2, dropout=0.0)
        fine_tune(model, some, FineTuning(epochs=1, lr=0.003), loss=loss)
        rare = [e for e in some if e.label]
        found[name] = predict(model, rare)[:, 1].mean().item()
    assert found["weighted"] > found["even"] + 0.2


def test_layers_learn_at_their_own_rates():
    model = classifier()
    before = copy.deepcopy(model)
    fine_tune(
        model, examples(20), FineTuning(epochs=1, lr=0.01, layer_decay=0.1, warmup=0.0)
    )

    def change(i):
        old, new = before.encoder.blocks[i], model.encoder.blocks[i]
        pairs = zip(old.parameters(), new.parameters(), strict=True)
        return max((a - b).abs().max().item() for a, b in pairs)

    changes = [change(i) for i in range(L)]
    for lower, upper in itertools.pairwise(changes):
        assert lower < 0.3 * upper


@pytest.mark.parametrize(
    ("given", "message"),
    [({"epochs": 0}, "epochs"), ({"lr": -1.0}, "lr"), ({"warmup": 1.0}, "warmup")],
)
def test_bad_settings(given, message):
    with pytest.raises(ValueError, match=message):
        FineTuning(**given)


def test_nothing_to_predict():
    with pytest.raises(ValueError, match="at least one"):
        predict(classifier(), [])


def test_the_first_rate_is_the_heads():
    model = classifier()
    settings = FineTuning(epochs=1, lr=0.02, warmup=0.0, layer_decay=0.5)
    steps = fine_tune(model, examples(4), settings)
    assert steps[0].lr == 0.02
    assert layer_rates(model, 0.02, 0.5).param_groups[-1]["lr"] < 0.02
