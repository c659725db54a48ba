"""Optimisers, judged by PyTorch's own; Muon by the singular value decomposition."""

import copy

import pytest
import torch

from llmkit.models import GPT, GPTConfig
from llmkit.training import SGD, Adam, AdamW, Muon, adamw, muon, orthogonalize


@pytest.fixture
def model():
    return GPT(GPTConfig(vocab_size=13, context_length=6, d_model=8, n_layers=2))


RULES = [
    (SGD, torch.optim.SGD, {}),
    (SGD, torch.optim.SGD, {"momentum": 0.9}),
    (SGD, torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    (SGD, torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
    (Adam, torch.optim.Adam, {}),
    (Adam, torch.optim.Adam, {"betas": (0.7, 0.95), "weight_decay": 0.1}),
    (Adam, torch.optim.Adam, {"eps": 0.1}),
    (AdamW, torch.optim.AdamW, {}),
    (AdamW, torch.optim.AdamW, {"betas": (0.9, 0.95), "weight_decay": 0.3}),
]


@pytest.mark.parametrize(("ours", "theirs", "settings"), RULES)
def test_equals_pytorch_over_many_steps(ours, theirs, settings):
    def run(rule):
        g = torch.Generator().manual_seed(2)
        w = torch.nn.Parameter(torch.randn(3, 5, generator=g, dtype=torch.float64))
        idle = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
        optimizer = rule([w, idle], lr=0.05, **settings)
        places = []
        for step in range(200):
            optimizer.param_groups[0]["lr"] = 0.05 / (1 + step / 50)
            x = torch.randn(7, 3, generator=g, dtype=torch.float64)
            optimizer.zero_grad()
            (x @ w).cos().sum().backward()
            optimizer.step()
            places.append(w.detach().clone())
        assert torch.equal(idle, torch.ones_like(idle))  # it never had a gradient
        return torch.stack(places)

    torch.testing.assert_close(run(ours), run(theirs), rtol=1e-9, atol=1e-11)


def test_adamw_made_for_a_model_computes_what_is_written_out(model):
    model.double()  # in float32 a gradient of 0 is noise, which Adam makes large
    twin = copy.deepcopy(model)
    fast = adamw(model, lr=0.01, weight_decay=0.3)
    groups = [
        {"params": [p for p in twin.parameters() if p.dim() >= 2], "weight_decay": 0.3},
        {"params": [p for p in twin.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    slow = AdamW(groups, lr=0.01, betas=(0.9, 0.95))
    ids = torch.randint(13, (3, 6), generator=torch.Generator().manual_seed(1))
    for each, optimizer in ((model, fast), (twin, slow)):
        for _ in range(30):
            optimizer.zero_grad()
            each(ids).logits.logsumexp(-1).sum().backward()
            optimizer.step()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_written_rules_step_by_what_the_closure_returns():
    w = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = SGD([w], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) == 1
    assert w.item() == pytest.approx(0.0)


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


def test_orthogonalize_in_bfloat16_stays_near():
    matrix = torch.randn(40, 90, generator=torch.Generator().manual_seed(4))
    coarse = orthogonalize(matrix, dtype=torch.bfloat16)
    assert coarse.dtype == torch.float32
    fine = orthogonalize(matrix)
    assert (coarse - fine).norm() < 0.05 * fine.norm()
    w = torch.nn.Parameter(matrix.clone())
    w.grad = matrix
    Muon([w], lr=0.1, weight_decay=0.0, bf16=True).step()
    step = (matrix - w.detach()) / (0.1 * 0.2 * 90**0.5)
    torch.testing.assert_close(step, coarse, rtol=0.05, atol=0.01)


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
    for rule in (SGD, Adam, AdamW, lambda params, lr: adamw(model, lr)):
        with pytest.raises(ValueError, match="lr must be a number above 0; got 0"):
            rule([torch.nn.Parameter(torch.zeros(3))], lr=0)
    with pytest.raises(ValueError, match="nesterov needs momentum above 0"):
        SGD([torch.nn.Parameter(torch.zeros(3))], lr=0.1, nesterov=True)
    with pytest.raises(ValueError, match="betas must lie between"):
        Adam([torch.nn.Parameter(torch.zeros(3))], lr=0.1, betas=(0.9, 1.5))
