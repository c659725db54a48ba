"""The doctor changes nothing, says what it saw, and leaves no trace."""

import copy

import pytest
import torch
from torch.nn import functional as F

from llmkit.models import GPT, GPTConfig
from llmkit.training import adamw, random_windows, train
from llmkit.training.doctor import Doctor
from llmkit.training.doctor.batches import (
    find_targets,
    losses_in_several_ways,
    more_alike_within,
    see_batch,
)

V, T, B = 13, 10, 4


@pytest.fixture
def model():
    torch.manual_seed(0)
    sizes = {"vocab_size": V, "context_length": T, "d_model": 16, "n_heads": 2}
    return GPT(GPTConfig(**sizes, n_layers=2, dropout=0.1))


def text(seed=0):
    g = torch.Generator().manual_seed(seed)
    return (torch.arange(600) * 5 + torch.randint(3, (600,), generator=g)) % V


def batches(seed=0, ids=None):
    g = torch.Generator().manual_seed(seed)
    return random_windows(text() if ids is None else ids, T, B, g)


def test_a_run_with_a_doctor_is_the_same_run(model):
    twin = copy.deepcopy(model)
    torch.manual_seed(1)
    plain = train(twin, batches(), adamw(twin, 0.01), steps=25)
    valid = [next(batches(9))]
    optimizer = adamw(model, 0.01)
    doctor = Doctor(model, optimizer, validation=valid, every=5)
    torch.manual_seed(1)
    seen = train(model, doctor.watch(batches()), optimizer, steps=25, on_step=doctor)
    assert [s.loss for s in plain] == [s.loss for s in seen]
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b)
    assert model.training
    doctor.leave()
    assert not any(m._forward_hooks for m in model.modules())
    assert not any(m._forward_pre_hooks for m in model.modules())
    assert not any(p._backward_hooks for p in model.parameters())


def test_what_it_measures(model):
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    doctor = Doctor(model, optimizer)
    matrix = model.blocks[0].mlp.up_proj.weight
    before = matrix.detach().clone()
    history = train(
        model, doctor.watch(batches()), optimizer, steps=1, on_step=doctor, clip=0.01
    )
    seen = doctor.record.steps[0]
    assert seen.loss == history[0].loss
    assert seen.losses["plain"] == pytest.approx(seen.loss, rel=1e-5)
    assert seen.clipped == pytest.approx(0.01, rel=1e-3)
    assert seen.grad_norm > 0.1
    gain = before.square().mean().sqrt().item() * 4
    assert doctor.record.gains["blocks.0.mlp.up_proj.weight"] == pytest.approx(gain)
    assert doctor.record.causal is True
    assert 0 < seen.update < 0.1
    assert doctor.record.fresh is True


def test_it_speaks(model):
    optimizer = adamw(model, 0.01)
    doctor = Doctor(model, optimizer)
    same = ((ids, ids) for ids, _ in batches())
    assert "nothing wrong" in str(doctor)
    train(model, doctor.watch(same), optimizer, steps=12, on_step=doctor)
    assert repr(doctor) == "Doctor(12 steps: targets not shifted)"
    (note,) = doctor.notes
    assert note.what.startswith("Each target is its own input")
    assert "targets = ids[:, 1:]" in note.advice
    assert "1. TARGETS NOT SHIFTED: Each" in str(doctor)
    assert max(map(len, str(doctor).splitlines())) <= 88
    assert str(note).startswith("targets not shifted (step 11): ")


def test_without_watched_batches_it_still_looks(model):
    optimizer = adamw(model, 1e-9)
    doctor = Doctor(model, optimizer)
    train(model, batches(), optimizer, steps=25, on_step=doctor)
    assert [note.name for note in doctor.notes] == ["rate too low"]


def test_the_place_of_the_first_nan(model):
    optimizer = adamw(model, 0.01)
    doctor = Doctor(model, optimizer)

    def spoil(module, args, out):
        return out / 0 if doctor.record.steps[3:] else out

    handle = model.blocks[1].mlp.up_proj.register_forward_hook(spoil, prepend=True)
    with pytest.raises(FloatingPointError):
        train(model, doctor.watch(batches()), optimizer, steps=9, on_step=doctor)
    handle.remove()
    (note,) = doctor.notes
    assert note.name == "not a number"
    assert "At step 4" in note.what
    assert "blocks.1.mlp.up_proj" in note.what


def test_losses_in_several_ways():
    torch.manual_seed(0)
    logits, targets = torch.randn(B, T, V), torch.randint(V, (B, T))
    targets[0, 4:] = -100
    found = losses_in_several_ways(logits, targets, 0.85)
    flat, wanted = logits.flatten(0, 1), targets.flatten()
    plain = F.cross_entropy(flat, wanted).item()
    assert next(iter(found)) == "plain"
    assert found["plain"] == pytest.approx(plain)
    total = F.cross_entropy(flat, wanted, reduction="sum").item()
    assert found["sum"] == pytest.approx(total, rel=1e-5)
    assert found["sum over positions"] == pytest.approx(total / B, rel=1e-5)
    assert found["mean over ignored"] == pytest.approx(total / (B * T), rel=1e-5)
    again = F.cross_entropy(logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten())
    assert found["shifted"] == pytest.approx(again.item())
    assert losses_in_several_ways(logits, targets[:, 1:], 1.0) == {}
    assert losses_in_several_ways(logits, targets.fill_(-100), 0.0) == {}


def test_which_part_of_a_batch_holds_the_targets():
    ids = torch.tensor([[3, 4, 5], [6, 7, 8]])
    targets, labels = ids + 1, torch.tensor([0, 2])
    mask = torch.ones_like(ids)
    assert find_targets((ids, targets), ids, V) is targets
    assert find_targets((ids, mask, targets, labels), ids, V) is targets
    assert find_targets((ids, mask, labels), ids, V) is labels
    assert find_targets((ids, mask), ids, V) is ids
    assert find_targets((ids.float(),), ids, V) is None


def test_what_is_seen_in_a_batch():
    ids = torch.tensor([[3, 4, 5, 0, 0, 0], [6, 7, 8, 9, 0, 0], [1, 2, 3, 0, 0, 0]])
    targets = ids.roll(-1, 1)
    seen = see_batch(ids, targets, masked=False, pad_id=0)
    assert seen.padded
    assert seen.padding_asked == pytest.approx(2 / 18)
    assert seen.ahead[1] == 1.0
    assert see_batch(ids, targets, False, None).padded is True  # guessed
    assert not see_batch(ids[:, :3], targets[:, :3], False, None).padded
    # what also stands elsewhere is no padding
    ids[0, 0] = 0
    assert not see_batch(ids, targets, False, None).padded


def test_order_is_told_from_chance():
    g = torch.Generator().manual_seed(0)
    mixed = [
        [torch.randint(V, (20,), generator=g) for _ in range(4)] for _ in range(20)
    ]
    assert more_alike_within(mixed, V) < 0.1
    sorted_ = [[row % 3 + 3 * (i // 7) for row in b] for i, b in enumerate(mixed)]
    assert more_alike_within(sorted_, V) > 0.5
    assert more_alike_within(mixed[:3], V) is None


def test_messages(model):
    with pytest.raises(TypeError, match="model must be Module"):
        Doctor("gpt", adamw(model, 0.01))
    with pytest.raises(ValueError, match="every must be a whole number"):
        Doctor(model, adamw(model, 0.01), every=0)
