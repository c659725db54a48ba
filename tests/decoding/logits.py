"""Logits to filter: drawn ones, and rows that break careless code."""

import math

import torch

B, T = 3, 11
SIZES = (1, 2, 50, 50_257)


def draw(vocab_size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(B, vocab_size, generator=generator) * 4
    ids = torch.randint(vocab_size, (B, T), generator=generator)
    return logits, ids


def hostile(vocab_size):
    """Rows that break careless code: ties, -inf, huge gaps."""
    equal = torch.zeros(vocab_size)
    steps = torch.arange(vocab_size).div(3, rounding_mode="floor").float().neg()
    holes = torch.randn(vocab_size, generator=torch.Generator().manual_seed(1))
    holes[1::2] = -math.inf
    cliff = torch.full((vocab_size,), -60.0)
    cliff[-1] = 40.0
    ids = torch.arange(4 * T).remainder(vocab_size).view(4, T)
    return torch.stack([equal, steps, holes, cliff]), ids


def same(mine, theirs):
    assert torch.equal(mine == -math.inf, theirs == -math.inf)
    torch.testing.assert_close(mine, theirs)
