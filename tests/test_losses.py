"""Losses, judged by PyTorch's own, forward and backward."""

import math

import pytest
import torch
from torch.nn import functional as F

from llmkit.losses import (
    cross_entropy,
    masked_lm_loss,
    next_sentence_loss,
    next_token_loss,
    z_loss,
)

B, T, V = 3, 5, 11


@pytest.fixture
def batch():
    g = torch.Generator().manual_seed(1)
    logits = torch.randn(B, T, V, generator=g, dtype=torch.float64) * 3
    targets = torch.randint(V, (B, T), generator=g)
    targets[0, 1] = targets[2, 4] = -100
    return logits.requires_grad_(), targets


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_equals_pytorch_forward_and_backward(batch, smoothing, reduction):
    logits, targets = batch
    ours = cross_entropy(
        logits, targets, label_smoothing=smoothing, reduction=reduction
    )
    (grad,) = torch.autograd.grad(ours.sum(), logits)
    theirs = F.cross_entropy(
        logits.flatten(0, 1),
        targets.flatten(),
        label_smoothing=smoothing,
        reduction=reduction,
    )
    (their_grad,) = torch.autograd.grad(theirs.sum(), logits)
    torch.testing.assert_close(ours.flatten(), theirs.flatten())
    torch.testing.assert_close(grad, their_grad)


def test_any_ignore_index(batch):
    logits, targets = batch
    targets = targets.clamp(min=0)
    torch.testing.assert_close(
        cross_entropy(logits, targets, ignore_index=0),
        F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=0),
    )


def test_huge_logits_stay_finite():
    logits = torch.tensor([[1e4, 0.0, -1e4]])
    assert cross_entropy(logits, torch.tensor([0])) == 0
    assert cross_entropy(logits, torch.tensor([1])) == 1e4


def test_even_guess_scores_log_of_the_vocabulary():
    loss = cross_entropy(torch.zeros(4, V), torch.tensor([0, 3, 5, 10]))
    assert loss.item() == pytest.approx(math.log(V))


def test_nothing_to_predict_is_nan_as_in_pytorch():
    assert cross_entropy(torch.zeros(2, V), torch.full((2,), -100)).isnan()


def test_gradient_is_probability_minus_target():
    logits = torch.randn(1, V, dtype=torch.float64, requires_grad=True)
    cross_entropy(logits, torch.tensor([4])).backward()
    want = logits.detach().softmax(-1) - F.one_hot(torch.tensor([4]), V)
    torch.testing.assert_close(logits.grad, want)


def test_next_token_loss_shifts_by_one():
    """A model that always names the token just read is wrong about the next one."""
    ids = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
    copies = F.one_hot(ids, V) * 50.0
    foresees = F.one_hot(ids.roll(-1, dims=1), V) * 50.0
    assert next_token_loss(foresees, ids) < 1e-6 < 40 < next_token_loss(copies, ids)


def test_next_token_loss_never_scores_padding():
    g = torch.Generator().manual_seed(2)
    logits = torch.randn(2, T, V, generator=g)
    ids = torch.randint(V, (2, T), generator=g)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]).bool()
    got = next_token_loss(logits, ids, mask)
    pairs = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (1, 3)]
    want = [F.cross_entropy(logits[b, t], ids[b, t + 1]) for b, t in pairs]
    torch.testing.assert_close(got, torch.stack(want).mean())


def test_masked_lm_loss_equals_that_of_transformers():
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(3)
    sizes = {"vocab_size": V, "hidden_size": 8, "intermediate_size": 12}
    heads = {"num_hidden_layers": 1, "num_attention_heads": 2}
    bert = BertForMaskedLM(BertConfig(**sizes, **heads)).double().eval()
    ids = torch.randint(V, (B, T))
    labels = ids.masked_fill(torch.rand(B, T) < 0.6, -100)
    theirs = bert(ids, labels=labels)
    torch.testing.assert_close(masked_lm_loss(theirs.logits, labels), theirs.loss)


def test_masked_lm_loss_asks_nothing_of_what_is_seen(batch):
    logits, labels = batch
    labels = labels.masked_fill(torch.arange(T) != 2, -100)  # one place of each row
    kept = masked_lm_loss(logits, labels, reduction="none")
    assert (kept[:, 2] > 0).all()
    assert kept.sum() == kept[:, 2].sum()
    (grad,) = torch.autograd.grad(masked_lm_loss(logits, labels), logits)
    assert grad[:, 2].abs().sum() > 0
    assert grad.abs().sum() == grad[:, 2].abs().sum()


def test_next_sentence_loss_equals_pytorch():
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.5], [1.0, 4.0]], dtype=torch.float64)
    labels = torch.tensor([0, 1, -100])
    torch.testing.assert_close(
        next_sentence_loss(logits, labels), F.cross_entropy(logits, labels)
    )
    even = next_sentence_loss(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0]))
    assert even.item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_z_loss_equals_the_square_of_pytorchs_logsumexp(batch, reduction):
    logits, targets = batch
    ours = z_loss(logits, targets, reduction=reduction)
    (grad,) = torch.autograd.grad(ours.sum(), logits)
    kept = logits.logsumexp(-1)[targets != -100] ** 2
    theirs = kept.mean() if reduction == "mean" else kept.sum()
    (their_grad,) = torch.autograd.grad(theirs, logits)
    torch.testing.assert_close(ours.sum(), theirs)
    if reduction == "none":
        assert (ours[targets == -100] == 0).all()
    torch.testing.assert_close(grad, their_grad)


def test_z_loss_holds_the_drift_that_the_softmax_does_not_see(batch):
    logits, targets = batch
    moved = logits + 50.0
    torch.testing.assert_close(
        cross_entropy(moved, targets), cross_entropy(logits, targets)
    )
    assert z_loss(moved) > z_loss(logits) + 2000
    assert z_loss(torch.full((2, V), 1e4)).isfinite()
    sure = torch.tensor([[0.0, -1e4]])  # Z is 1 here
    assert z_loss(sure) == 0


def test_messages():
    logits, targets = torch.zeros(B, T, V), torch.zeros(B, T, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"without its last axis, \(3, 5\); got \(3,"):
        cross_entropy(logits, targets[:, 1:])
    with pytest.raises(TypeError, match=r"int64 token ids; got torch.float32"):
        cross_entropy(logits, targets.float())
    with pytest.raises(ValueError, match=r"between 0 and 10.*got 0 to 11"):
        cross_entropy(logits, targets.index_fill(1, torch.tensor([2]), 11))
    with pytest.raises(ValueError, match="reduction must be one of 'mean'"):
        cross_entropy(logits, targets, reduction="avg")
    with pytest.raises(ValueError, match="label_smoothing must lie between"):
        cross_entropy(logits, targets, label_smoothing=1.5)
    with pytest.raises(ValueError, match=r"logits must have .* axes, \(B, T, V\)"):
        masked_lm_loss(logits[0], targets[0])
    with pytest.raises(ValueError, match=r"logits must have the shape \(B, 2\)"):
        next_sentence_loss(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="reduction must be one of 'mean'"):
        z_loss(logits, reduction="avg")
