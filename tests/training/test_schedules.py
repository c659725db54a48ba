"""Schedules, judged by hand and by PyTorch's cosine."""

import pytest
import torch

from llmkit.training import (
    constant,
    trapezoid,
    warmup_constant,
    warmup_cosine,
    warmup_linear,
)


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


def test_climbs_and_stays():
    share = warmup_constant(3)
    assert [share(step) for step in (0, 1, 2, 3, 900)] == [0.25, 0.5, 0.75, 1, 1]
    assert warmup_constant(0)(0) == 1


@pytest.mark.parametrize("warmup", [0, 4])
def test_the_linear_one_equals_that_of_transformers(warmup):
    from transformers import get_linear_schedule_with_warmup

    # theirs counts the climb from 0 and ends one step after the last
    steps = 11
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = get_linear_schedule_with_warmup(optimizer, warmup + 1, steps)
    ours, seen = warmup_linear(steps, warmup), []
    for _ in range(steps):
        optimizer.step()
        theirs.step()
        seen.append(optimizer.param_groups[0]["lr"])
    assert [ours(step) for step in range(steps)] == pytest.approx(seen, abs=1e-12)


def test_trapezoid_by_hand():
    share = trapezoid(steps=10, warmup=2, cooldown=4, final=0.1)
    shares = [share(step) for step in range(11)]
    assert shares[:2] == pytest.approx([1 / 3, 2 / 3])
    assert shares[2:7] == [1.0] * 5
    assert shares[6:10] == pytest.approx([1.0, 0.7, 0.4, 0.1])
    assert shares[10] == pytest.approx(0.1)


def test_until_it_cools_a_trapezoid_knows_nothing_of_its_end():
    short, long = trapezoid(20, 3, 5), trapezoid(200, 3, 50)
    assert [short(step) for step in range(15)] == [long(step) for step in range(15)]
    assert [trapezoid(5)(step) for step in range(5)] == [1.0] * 5


def test_stays_at_the_end_when_a_run_goes_on():
    assert warmup_cosine(10, final=0.2)(500) == pytest.approx(0.2)
    assert constant(10**6) == 1.0
    assert warmup_cosine(1)(0) == 1.0


def test_messages():
    with pytest.raises(ValueError, match="shorter than the run of 5 steps; got 5"):
        warmup_cosine(5, warmup=5)
    with pytest.raises(ValueError, match="final must lie between"):
        warmup_cosine(5, final=2.0)
    with pytest.raises(ValueError, match=r"the 7 steps after.*; got 8"):
        trapezoid(10, warmup=3, cooldown=8)
    with pytest.raises(ValueError, match="warmup must lie between"):
        warmup_constant(-1)
