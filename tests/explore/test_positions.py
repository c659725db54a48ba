"""The position explorer draws what the kit's own functions compute."""

import numpy as np
import pytest
import torch

from llmkit import explore
from llmkit.nn import alibi_bias, apply_rotary, rotary_angles, sinusoidal_positions


def test_values_are_the_kit_s_own():
    view = explore.positions(width=10, base=77.0)
    assert view.values() == pytest.approx(sinusoidal_positions(64, 10, 77.0).numpy())
    view.kind, view.heads, view.head = "alibi", 6, 5
    assert view.values() == pytest.approx(alibi_bias(6, 64)[5].numpy())


def test_rotary_similarity_is_the_score_of_a_vector_with_itself():
    view = explore.positions("rotary", width=8, base=20.0, position=9)
    q = torch.cat([torch.ones(4), torch.zeros(4)]).expand(1, 1, 64, 8)
    turned = apply_rotary(q, *rotary_angles(64, 8, 20.0))[0, 0]
    scores = (turned @ turned[9] / 4).numpy()
    assert view.similarity() == pytest.approx(scores, abs=1e-6)


def test_a_learned_table_from_a_model():
    table = torch.nn.Parameter(torch.randn(70, 6))
    view = explore.positions("learned", learned=table, position=3)
    assert view.values().shape == (64, 6)
    judge = torch.cosine_similarity(table[3], table[:64], dim=-1)
    assert view.similarity() == pytest.approx(judge.detach().numpy(), abs=1e-6)


def test_fewer_heads_than_the_chosen_one():
    view = explore.positions("alibi", heads=8, head=7)
    view.heads = 2
    assert view.values() == pytest.approx(alibi_bias(2, 64)[1].numpy())
    assert np.isfinite(view.similarity()).all()
