"""Optimisers: AdamW's groups, Muon judged by the singular value decomposition."""

import pytest
import torch

from llmkit.models import GPT, GPTConfig
from llmkit.training import Muon, adamw, muon
from llmkit.training.optimizers import orthogonalize


@pytest.fixture
def model():
    return GPT(GPTConfig(vocab_size=13, context_length=6, d_model=8, n_layers=2))


def test_adamw_decays_matrices_only_and_every_weight_once(model):
    groups = adamw(model, lr=0.1, weight_decay=0.3).param_groups
    assert [g["weight_decay"] for g in groups] == [0.3, 0.0]
    assert all(p.dim() >= 2 for p in groups[0]["params"])
    assert all(p.dim() < 2 for p in groups[1]["params"])
    assert sum(len(g["params"]) for g in groups) == len(list(model.parameters()))


def test_adamw_without_gradient_shrinks_matrices_only():
    layer = torch.nn.Linear(3, 2)
    before = layer.weight.clone(), layer.bias.clone()
    optimizer = adamw(layer, lr=0.1, weight_decay=0.5)
    layer.weight.grad = torch.zeros(2, 3)
    layer.bias.grad = torch.zeros(2)
    optimizer.step()
    torch.testing.assert_close(layer.weight.detach(), before[0] * 0.95)
    torch.testing.assert_close(layer.bias.detach(), before[1])


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (7, 7)])
def test_orthogonalize_keeps_directions_and_levels_sizes(shape):
    g = torch.Generator().manual_seed(4)
    matrix = torch.randn(shape, generator=g, dtype=torch.float64)
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    middle = u.T @ orthogonalize(matrix) @ vh.T
    sizes = middle.diagonal()
    assert ((sizes > 0.6) & (sizes < 1.3)).all()
    torch.testing.assert_close(middle, torch.diag(sizes))


def test_muon_takes_the_matrices_of_the_blocks_and_adamw_the_rest(model):
    first, second = muon(model, lr=0.01, adamw_lr=0.02)
    ours = [p for g in first.param_groups for p in g["params"]]
    theirs = [p for g in second.param_groups for p in g["params"]]
    assert len(ours) == 2 * 6  # q, k, v, o, up, down in each block
    assert {id(p) for p in ours + theirs} == {id(p) for p in model.parameters()}
    assert len(ours) + len(theirs) == len(list(model.parameters()))


def test_muon_leaves_frozen_weights_alone(model):
    model.blocks[0].requires_grad_(False)
    model.token_embedding.requires_grad_(False)
    free = {id(p) for p in model.parameters() if p.requires_grad}
    groups = [g for o in muon(model, 0.01, 0.02) for g in o.param_groups]
    assert {id(p) for g in groups for p in g["params"]} == free


def test_muon_wants_blocks():
    with pytest.raises(TypeError, match=r"`blocks`; got Linear.*adamw"):
        muon(torch.nn.Linear(3, 2), 0.01, 0.02)


def test_muon_finds_a_matrix():
    """On a badly scaled least-squares problem it gets there."""
    g = torch.Generator().manual_seed(5)
    goal = torch.randn(4, 6, generator=g)
    x = torch.randn(50, 6, generator=g) * torch.tensor([10, 1, 1, 1, 0.1, 0.1])
    w = torch.nn.Parameter(torch.zeros(4, 6))
    optimizer = Muon([w], lr=0.2, weight_decay=0.0)
    first = ((x @ (w - goal).T) ** 2).mean().item()
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.2 * (1 - step / 200)
        optimizer.zero_grad()
        loss = ((x @ (w - goal).T) ** 2).mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < first / 1000


def test_muon_decay():
    w = torch.nn.Parameter(torch.ones(2, 3))
    w.grad = torch.zeros(2, 3)
    Muon([w], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(w.detach(), torch.full((2, 3), 0.95))


def test_messages(model):
    with pytest.raises(ValueError, match=r"matrices only; got a shape of \(3,\)"):
        Muon([torch.nn.Parameter(torch.zeros(3))], lr=0.1)
    with pytest.raises(ValueError, match="lr must be a number above 0; got 0"):
        adamw(model, lr=0)
