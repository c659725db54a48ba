"""Windows, judged by hand."""

import pytest
import torch

from llmkit.training import ordered_windows, random_windows

T, B = 4, 3


def test_targets_are_one_place_further():
    ids = torch.arange(100, 150)
    inputs, targets = next(random_windows(ids, T, B))
    assert inputs.shape == targets.shape == (B, T)
    assert (targets == inputs + 1).all()
    assert (inputs[:, 1:] == inputs[:, :-1] + 1).all()


def test_every_window_can_come_and_none_runs_over():
    ids = torch.arange(T + 3)
    windows = random_windows(ids, T, 200, torch.Generator().manual_seed(0))
    inputs, targets = next(windows)
    assert set(inputs[:, 0].tolist()) == {0, 1, 2}
    assert targets.max() == T + 2


def test_same_generator_same_windows():
    ids = torch.arange(1000)
    one, two = (
        next(random_windows(ids, T, B, torch.Generator().manual_seed(7)))
        for _ in range(2)
    )
    assert (one[0] == two[0]).all()


def test_ordered_windows_read_each_token_once():
    ids = torch.arange(2 * 3 * T + 3)
    batches = list(ordered_windows(ids, T, 2))
    assert [len(inputs) for inputs, _ in batches] == [2, 2, 2]
    assert torch.cat([i.flatten() for i, _ in batches]).tolist() == list(range(6 * T))
    assert all((targets == inputs + 1).all() for inputs, targets in batches)


@pytest.mark.parametrize("windows", [random_windows, ordered_windows])
def test_messages(windows):
    with pytest.raises(ValueError, match=r"longer than context_length=4.*got 4 tokens"):
        next(windows(torch.arange(4), 4, 1))
    with pytest.raises(ValueError, match=r"ids must have 1 axes, \(N\); got 2"):
        next(windows(torch.zeros(2, 9, dtype=torch.int64), 4, 1))
    with pytest.raises(ValueError, match="batch_size must be a number above 0"):
        next(windows(torch.arange(9), 4, 0))
