"""What a run does between its steps, worked by hand and in a true run."""

import pytest
import torch

from llmkit.training import Step, every, stop_early, together, train


def steps(count):
    return [Step(n, 1.0, 0.1, 0.5, 0.0) for n in range(count)]


def test_every_third_step():
    seen = []
    watch = every(3, lambda step: seen.append(step.step))
    assert [watch(step) for step in steps(8)] == [None] * 8
    assert seen == [2, 5]
    assert every(2, lambda step: True)(steps(2)[-1])


def test_together_calls_all_even_when_the_first_says_stop():
    seen = []
    watch = together(lambda step: True, seen.append, lambda step: None)
    assert watch(steps(1)[0]) is True
    assert len(seen) == 1
    assert not together(seen.append, lambda step: None)(steps(1)[0])


def stops_at(losses, **settings):
    values = iter(losses)
    watch = stop_early(lambda: next(values), **settings)
    return next((s.step for s in steps(len(losses)) if watch(s)), None)


def test_stops_after_so_many_without_a_new_best():
    assert stops_at([3, 2, 1, 1.5, 1.2, 1.1, 0], patience=3) == 5
    assert stops_at([3, 2, 1, 1.5, 0.9, 1.1, 0], patience=3) is None
    assert stops_at([3, 3, 2], patience=1) == 1


def test_a_gain_must_be_large_enough():
    losses = [3, 2.95, 2.9, 2.85, 2.8]
    assert stops_at(losses, patience=2, least=0.12) == 2
    assert stops_at(losses, patience=2) is None


def test_a_loss_that_is_no_number_is_never_a_best():
    assert stops_at([float("nan"), float("nan"), 1], patience=2) == 1


def test_ends_a_true_run_that_no_longer_learns():
    model = torch.nn.Linear(2, 1)
    model.weight.data.fill_(1.0)
    batch = (torch.ones(3, 2), torch.zeros(3, 1))

    def loss(model, batch):
        return (model(batch[0]) - batch[1]).square().mean()

    def measure():
        return loss(model, batch).item()

    optimizer = torch.optim.SGD(model.parameters(), lr=1e-9)  # too low to learn
    watch = every(2, stop_early(measure, patience=3, least=1e-3))
    history = train(model, [batch] * 50, optimizer, steps=50, loss=loss, on_step=watch)
    assert len(history) == 8  # a best after 2 steps, then three that are none


def test_messages():
    with pytest.raises(ValueError, match="patience must be a whole number"):
        stop_early(lambda: 1.0, patience=0)
    with pytest.raises(ValueError, match="steps must be a whole number"):
        every(0, print)
