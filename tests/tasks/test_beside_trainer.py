"""`Trainer` and the plain loop: the same curve and the same weights."""

import copy

import pytest
import torch

from llmkit.tasks import (
    FineTuning,
    classification_loss,
    fine_tune,
    layer_rates,
    shuffled_batches,
    train_with_trainer,
)
from tests.tasks.tiny import classifier, examples


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_same_curve_from_the_same_seed(dropout, capsys):
    model = classifier(dropout=dropout)
    twin, some = copy.deepcopy(model), examples(21)
    settings = FineTuning(epochs=3, batch_size=4, lr=0.01, layer_decay=0.8, seed=2)
    n = settings.steps(len(some))

    torch.manual_seed(7)  # of the dropout
    ours = fine_tune(model, some, settings)
    torch.manual_seed(7)
    theirs = train_with_trainer(
        twin,
        shuffled_batches(some, 4, torch.Generator().manual_seed(2)),
        layer_rates(twin, 0.01, 0.8),
        steps=n,
        schedule=settings.schedule(len(some)),
    )
    assert len(ours) == len(theirs) == n
    assert [step.loss for step in ours] == pytest.approx(theirs, abs=1e-6)
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)
    assert capsys.readouterr().out == ""


def test_another_schedule_gives_another_curve():
    losses = []
    for share in (lambda step: 1.0, lambda step: 0.1):
        model = classifier(dropout=0.0)
        batches = shuffled_batches(examples(21), 4, torch.Generator().manual_seed(2))
        losses.append(
            train_with_trainer(
                model, batches, layer_rates(model, 0.01), steps=5, schedule=share
            )
        )
    assert losses[0][0] == losses[1][0]
    assert losses[0][2:] != losses[1][2:]


def test_the_loss_can_be_chosen():
    model = classifier(dropout=0.0)
    twin = copy.deepcopy(model)
    some = examples(8)
    made = [
        train_with_trainer(
            each,
            shuffled_batches(some, 4, torch.Generator().manual_seed(0)),
            layer_rates(each, 0.01),
            steps=1,
            loss=classification_loss(label_smoothing=smoothing),
        )[0]
        for each, smoothing in ((model, 0.0), (twin, 0.5))
    ]
    assert made[0] != made[1]


def test_steps_are_checked():
    model = classifier()
    with pytest.raises(ValueError, match="steps"):
        train_with_trainer(model, [], layer_rates(model, 0.01), steps=0)
