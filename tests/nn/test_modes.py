"""Evaluation mode for a while: every part comes back as it was."""

import pytest
from torch import nn

from llmkit.nn import evaluating


@pytest.fixture
def mixed():
    model = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5))).train()
    model[1].eval()
    return model


def modes(model):
    return [module.training for module in model.modules()]


def test_all_parts_rest_inside_and_are_as_before_outside(mixed):
    assert modes(mixed) == [True, True, False, False]
    with evaluating(mixed):
        assert modes(mixed) == [False] * 4
    assert modes(mixed) == [True, True, False, False]


def test_also_after_an_error(mixed):
    with pytest.raises(KeyError), evaluating(mixed):
        raise KeyError
    assert modes(mixed) == [True, True, False, False]
