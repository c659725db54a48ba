"""Schedules, judged by hand and by PyTorch's cosine."""

import pytest
import torch

from llmkit.training import constant, warmup_cosine


def test_climbs_then_glides():
    share = warmup_cosine(steps=10, warmup=3, final=0.1)
    shares = [share(step) for step in range(10)]
    assert shares[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert shares[3:] == sorted(shares[3:], reverse=True)
    assert shares[-1] == pytest.approx(0.1)


def test_equals_pytorch_cosine():
    steps = 9
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps - 1)
    ours = warmup_cosine(steps)
    for step in range(steps):
        assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        theirs.step()


def test_stays_at_the_end_when_a_run_goes_on():
    assert warmup_cosine(10, final=0.2)(500) == pytest.approx(0.2)
    assert constant(10**6) == 1.0
    assert warmup_cosine(1)(0) == 1.0


def test_messages():
    with pytest.raises(ValueError, match="shorter than the run of 5 steps; got 5"):
        warmup_cosine(5, warmup=5)
    with pytest.raises(ValueError, match="final must lie between"):
        warmup_cosine(5, final=2.0)
