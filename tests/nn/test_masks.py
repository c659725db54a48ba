"""Masks, judged by their definition, one pair at a time."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmkit.nn import causal_mask, document_mask, padding_mask, sliding_window_mask

LENGTHS = st.tuples(st.integers(1, 8), st.integers(0, 6))


@given(LENGTHS)
def test_causal(lengths):
    length, before = lengths
    mask = causal_mask(length, before + length)
    for t in range(length):
        for s in range(before + length):
            assert mask[t, s] == (s <= before + t)


@given(LENGTHS, st.integers(1, 20))
def test_sliding_window(lengths, window):
    length, before = lengths
    mask = sliding_window_mask(length, before + length, window)
    for t in range(length):
        for s in range(before + length):
            assert mask[t, s] == (0 <= before + t - s < window)


def test_a_window_of_one_sees_itself_and_a_wide_one_everything():
    assert torch.equal(sliding_window_mask(5, window=1), torch.eye(5).bool())
    assert torch.equal(sliding_window_mask(5, window=99), causal_mask(5))


def test_padding_broadcasts_over_heads_and_queries():
    mask = padding_mask(torch.tensor([[1, 1, 0], [1, 0, 0]]))
    assert mask.shape == (2, 1, 1, 3)
    assert mask.dtype == torch.bool
    assert mask[1, 0, 0].tolist() == [True, False, False]


def test_messages():
    with pytest.raises(ValueError, match="key_length=3, query_length=4"):
        causal_mask(4, 3)
    with pytest.raises(ValueError, match="window must be a number above 0; got 0"):
        sliding_window_mask(4, window=0)
    with pytest.raises(ValueError, match=r"attention_mask must have 2 axes, \(B, S\)"):
        padding_mask(torch.ones(3))


def test_documents_of_a_row_do_not_see_each_other():
    segments = torch.tensor([[1, 1, 2, 2, 2, 0], [1, 2, 3, 0, 0, 0]])
    mask = document_mask(segments)
    for b in range(2):
        for t in range(6):
            for s in range(6):
                same = segments[b, t] == segments[b, s] != 0
                assert mask[b, t, s] == (same or t == s)
    with pytest.raises(ValueError, match="segments"):
        document_mask(segments[0])
