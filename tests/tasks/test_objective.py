"""The loss, judged by PyTorch's own."""

import pytest
import torch
from torch.nn import functional as F

from llmkit.tasks import class_weights, classification_loss, pad_batch
from tests.tasks.tiny import C, classifier, examples

WEIGHTS = torch.tensor([0.2, 1.0, 3.0, 0.5, 2.0])


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_equals_pytorchs_loss(weights, smoothing):
    if weights is not None and smoothing:
        pytest.skip("PyTorch also weighs the even part, so the two differ")
    model = classifier(dropout=0.0)
    batch = pad_batch(examples(9))
    want = F.cross_entropy(
        model(batch[0], batch[1]).logits,
        batch[2],
        weight=weights,
        label_smoothing=smoothing,
    )
    got = classification_loss(weights, smoothing)(model, batch)
    torch.testing.assert_close(got, want)


def test_rare_classes_weigh_more():
    labels = [0] * 6 + [1] * 3 + [2] * 1
    weights = class_weights(labels, 3)
    torch.testing.assert_close(weights, torch.tensor([10 / 18, 10 / 9, 10 / 3]))
    # all classes together weigh alike, and an example weighs 1 on average
    assert sum(weights[label] for label in labels) == pytest.approx(len(labels))


def test_weights_make_a_constant_guess_even():
    """With the weights, a rare class pulls an unconditional guess to one half."""
    labels = torch.tensor([0] * 9 + [1])
    weights = class_weights(labels, 2)[labels]
    logit = torch.zeros(2, requires_grad=True)
    losses = F.cross_entropy(logit.expand(10, 2), labels, reduction="none")
    (weights * losses).sum().backward()
    torch.testing.assert_close(logit.grad, torch.zeros(2), atol=1e-6, rtol=0)


def test_bad_input():
    with pytest.raises(ValueError, match="class 1 has no example"):
        class_weights([0, 0, 2], 3)
    with pytest.raises(ValueError, match="between 0 and 1; got 2"):
        class_weights([0, 1, 2], 2)
    with pytest.raises(ValueError, match="weights"):
        classification_loss(torch.ones(C + 1))(classifier(), pad_batch(examples(3)))
