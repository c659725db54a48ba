"""From token vectors to one vector, judged text by text."""

import pytest
import torch

from llmkit.tasks import first_pool, last_pool, max_pool, mean_pool

B, T, D = 3, 5, 4
LENGTHS = [5, 1, 3]


@pytest.fixture
def batch():
    x = torch.randn(B, T, D, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(T) < torch.tensor(LENGTHS)[:, None]
    return x, mask


@pytest.mark.parametrize(
    ("pool", "alone"),
    [
        (mean_pool, lambda x: x.mean(0)),
        (first_pool, lambda x: x[0]),
        (last_pool, lambda x: x[-1]),
        (max_pool, lambda x: x.max(0).values),
    ],
)
def test_equals_each_text_alone(batch, pool, alone):
    x, mask = batch
    want = torch.stack([alone(row[:n]) for row, n in zip(x, LENGTHS, strict=True)])
    torch.testing.assert_close(pool(x, mask), want)
    torch.testing.assert_close(pool(x, mask.long()), want)


@pytest.mark.parametrize("pool", [mean_pool, first_pool, last_pool, max_pool])
def test_padding_has_no_say(batch, pool):
    x, mask = batch
    changed = x.masked_fill(~mask[..., None], 1e9)
    torch.testing.assert_close(pool(changed, mask), pool(x, mask))


def test_a_text_of_padding_is_refused(batch):
    x, mask = batch
    mask[1] = False
    with pytest.raises(ValueError, match="text 1 of 3 has none"):
        mean_pool(x, mask)


def test_shapes_are_checked(batch):
    x, mask = batch
    with pytest.raises(ValueError, match="attention_mask"):
        last_pool(x, mask[:, :-1])
