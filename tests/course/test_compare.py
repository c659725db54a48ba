"""Differences in words, for every kind of result."""

import numpy as np
import pytest
import torch

from llmkit.course.compare import difference, same

T = 1e-4


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 1.00005),
        ([1, 2], (1, 2)),
        ({"a": [1]}, {"a": [1]}),
        (torch.tensor(2.0), 2),
        (torch.ones(2, dtype=torch.float64), torch.ones(2)),
        (float("nan"), float("nan")),
        (torch.tensor([float("-inf")]), torch.tensor([float("-inf")])),
        (np.arange(3), np.arange(3)),
        ({1, 2}, {2, 1}),
        ("é", "é"),
        (torch.empty(0, 3), torch.empty(0, 3)),
        (torch.tensor([1 + 2j]), torch.tensor([1 + 2j])),
    ],
)
def test_alike(a, b):
    assert same(a, b, T)


@pytest.mark.parametrize(
    ("got", "want", "text"),
    [
        (1.2, 1.0, "1 was expected; you have 1.2"),
        ("1", 1, "should be a number; it is a string"),
        (True, 1, "should be a number"),
        (1, True, "should be True or False; it is a whole number"),
        ([1], [1, 2], "2 items were expected; you have 1: [1]"),
        ([1, 3], [1, 2], "item 1 (counted from 0): 2 was expected; you have 3"),
        ("ab", ["a", "b"], "should be a list of 2; it is a string"),
        ({}, {"a": 1}, "the key 'a' is missing"),
        ({"a": 1, "b": 1}, {"a": 1}, "the key 'b' should not be there"),
        ({"a": 2}, {"a": 1}, "at key 'a': 1 was expected"),
        (None, "x", "should be a string; it is None"),
        (b"x", "x", "should be a string; it is bytes"),
        ("y", "x", "'x' was expected; you have 'y'"),
        ([1, 2], {1, 2}, "should be a set; it is a list"),
        (torch.ones(2), torch.ones(2).bool(), "True/False values"),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]), "1 of 2 numbers differ"),
        (torch.tensor([1 + 2j]), torch.tensor([1 - 2j]), "numbers differ"),
    ],
)
def test_different(got, want, text):
    assert text in difference(got, want, T)


def test_no_number_is_near_an_infinite_one():
    inf = float("inf")
    assert same(inf, inf, T)
    for got, want in ((3.0, inf), (inf, 3.0), (-inf, inf), (3.0, -inf)):
        assert not same(got, want, T)
