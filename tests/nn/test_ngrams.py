"""N-gram vectors, judged by a table kept in Python."""

import pytest
import torch

from llmkit.nn import NGramEmbedding

B, T, D, ROWS = 2, 9, 5, 4096


@pytest.fixture
def table():
    torch.manual_seed(0)
    table = NGramEmbedding(D, longest=4, buckets=ROWS).double()
    for part in table.tables:
        torch.nn.init.normal_(part.weight)
    return table


def test_begins_by_adding_nothing():
    ids = torch.zeros(B, T, dtype=torch.int64)
    assert NGramEmbedding(D)(ids).abs().sum() == 0
    assert NGramEmbedding(D)(ids).shape == (B, T, D)


def test_same_ngram_same_row_and_others_elsewhere(table):
    """Rows against n-grams written out as tuples, over a long random text."""
    ids = torch.randint(6, (3, 400), generator=torch.Generator().manual_seed(1))
    for back, rows in enumerate(table.rows(ids), 2):
        assert rows.min() >= 0
        assert rows.max() < ROWS
        seen = {}
        for text, places in zip(ids.tolist(), rows.tolist(), strict=True):
            text = [None] * (back - 1) + text
            for end, row in enumerate(places, back):
                seen.setdefault(tuple(text[end - back : end]), set()).add(row)
        assert all(len(rows) == 1 for rows in seen.values())
        different = len({row for rows in seen.values() for row in rows})
        # so many different rows are hit when n balls fall into ROWS at random
        fair = ROWS * (1 - (1 - 1 / ROWS) ** len(seen))
        assert different > 0.95 * fair


def test_knows_the_last_four_and_no_more(table):
    ids = torch.randint(50, (1, T), generator=torch.Generator().manual_seed(2))
    other = ids.clone()
    other[0, 2] = (other[0, 2] + 1) % 50
    moved = (table(ids) - table(other)).abs().sum(-1)[0] > 0
    assert moved.tolist() == [False, False, True, True, True, True] + [False] * 3


def test_one_token_and_none(table):
    assert table(torch.tensor([[3]])).shape == (1, 1, D)
    assert table(torch.zeros(1, 0, dtype=torch.int64)).shape == (1, 0, D)


def test_messages():
    with pytest.raises(ValueError, match="longest must be a whole number of at least"):
        NGramEmbedding(D, longest=1)
    with pytest.raises(ValueError, match="buckets must be a whole number"):
        NGramEmbedding(D, buckets=0)
    with pytest.raises(ValueError, match=r"ids must have 2 axes, \(B, T\)"):
        NGramEmbedding(D)(torch.zeros(3, dtype=torch.int64))
