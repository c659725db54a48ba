"""Losses, judged by PyTorch's own, forward and backward."""

import math

import pytest
import torch
from torch.nn import functional as F

from llmkit.losses import cross_entropy, next_token_loss

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
