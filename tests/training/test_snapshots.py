"""Snapshots come back as they were taken, into the model they were taken from only."""

import itertools
import json

import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file
from torch import nn

from llmkit.models import GPT, GPTConfig, Llama, LlamaConfig
from llmkit.training import (
    Snapshot,
    load_snapshots,
    save_snapshots,
    snapshot_steps,
    take_snapshot,
)

SIZES = {"vocab_size": 11, "context_length": 6, "d_model": 8, "n_heads": 2}


def make(seed=0, **sizes):
    torch.manual_seed(seed)
    return GPT(GPTConfig(**{**SIZES, "n_layers": 2, **sizes}))


def make_tied(seed):
    torch.manual_seed(seed)
    return Llama(LlamaConfig(**SIZES, n_layers=1, d_ff=16, tied=True))


def taken(count=3):
    """Some snapshots, and the model's logits at each."""
    model, ids = make(), torch.tensor([[1, 5, 2, 7]])
    snapshots, logits = [], []
    for step in range(count):
        for p in model.parameters():
            p.data = p.data.half().float() + torch.tensor(step / 4)
            p.data = p.data.half().float()
        snapshots.append(take_snapshot(model, 10 * step, loss=3.0 - step, text="ah"))
        logits.append(model(ids).logits.detach())
    return snapshots, logits, ids


def test_every_moment_comes_back(tmp_path):
    snapshots, logits, ids = taken()
    path = tmp_path / "s.safetensors"
    save_snapshots(path, snapshots)
    other = make(seed=5)
    loaded = load_snapshots(path, other)
    assert [s.step for s in loaded] == [0, 10, 20]
    assert loaded[1].scores == {"loss": 2.0, "text": "ah"}
    for snapshot, want in zip(loaded, logits, strict=True):
        # the weights were float16 already, so nothing is lost
        torch.testing.assert_close(
            snapshot.put_into(other)(ids).logits, want, rtol=0, atol=0
        )
        assert next(other.parameters()).dtype == torch.float32


def test_it_is_a_plain_file_of_halves(tmp_path):
    snapshots, *_ = taken(2)
    path = tmp_path / "s.safetensors"
    save_snapshots(path, snapshots)
    assert {t.dtype for t in load_file(path).values()} == {torch.float16}
    with safe_open(str(path), framework="pt") as file:
        notes = json.loads(file.metadata()["llmkit.snapshots"])
    assert notes["moments"][1]["step"] == 10
    weights = [w for s in snapshots for w in s.weights.values()]
    # the header names each weight in about 100 bytes
    most = sum(2 * w.numel() for w in weights) + 120 * len(weights) + 1000
    assert path.stat().st_size < most
    assert [p.name for p in tmp_path.iterdir()] == ["s.safetensors"]


def test_training_on_does_not_change_a_snapshot():
    model = make()
    snapshot = take_snapshot(model, 0)
    before = {k: v.clone() for k, v in snapshot.weights.items()}
    with torch.no_grad():
        for p in model.parameters():
            p += 1
    assert all(torch.equal(before[k], v) for k, v in snapshot.weights.items())


def test_tied_weights_are_stored_once():
    tied = make_tied(0)
    snapshot = take_snapshot(tied, 0)
    stored = sum(w.numel() for w in snapshot.weights.values())
    assert stored == sum(p.numel() for p in tied.parameters())  # each once
    fresh = make_tied(3)
    ids = torch.tensor([[1, 2]])
    got, want = snapshot.put_into(fresh)(ids).logits, tied(ids).logits
    torch.testing.assert_close(got, want, rtol=1e-2, atol=1e-2)


def test_another_configuration_is_refused(tmp_path):
    snapshots, *_ = taken(2)
    path = tmp_path / "s.safetensors"
    save_snapshots(path, snapshots)
    other = make(n_layers=3)
    with pytest.raises(ValueError, match=r"s.safetensors was .* n_layers=2 there and"):
        load_snapshots(path, other)
    with pytest.raises(ValueError, match=r"step 10 was saved from another.*3 here"):
        snapshots[1].put_into(other)


def test_a_model_without_config_is_known_by_its_weights():
    snapshot = take_snapshot(nn.Linear(2, 3), 0)
    with pytest.raises(ValueError, match="of another model; they differ in: other sh"):
        snapshot.put_into(nn.Linear(2, 4))
    with pytest.raises(ValueError, match="they differ in: bias"):
        snapshot.put_into(nn.Linear(2, 3, bias=False))


def test_what_does_not_belong_together_is_refused(tmp_path):
    (a, b), *_ = taken(2)
    path = tmp_path / "s.safetensors"
    with pytest.raises(ValueError, match="at least one"):
        save_snapshots(path, [])
    with pytest.raises(ValueError, match=r"rising order of step; got \[10, 0\]"):
        save_snapshots(path, [b, a])
    with pytest.raises(TypeError, match="take_snapshot"):
        save_snapshots(path, [make()])
    other = take_snapshot(make(n_layers=1), 30)
    with pytest.raises(ValueError, match="step 0 and 30 are of different ones"):
        save_snapshots(path, [a, other])
    assert not path.exists()


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(1)}, str(path))
    with pytest.raises(ValueError, match="holds no snapshots"):
        load_snapshots(path)


def test_a_weight_that_float16_cannot_hold_is_refused():
    model = nn.Linear(2, 2)
    model.weight.data[0, 0] = 1e5
    with pytest.raises(ValueError, match=r"weight must .* below 65504.*got 1e\+05"):
        take_snapshot(model, 0)
    with pytest.raises(ValueError, match="step must be a whole number"):
        take_snapshot(model, -1)


def test_the_moments_lie_close_together_at_first():
    steps = snapshot_steps(1000, 20)
    assert steps[0] == 0
    assert steps[-1] == 1000
    assert len(steps) == 20
    gaps = [b - a for a, b in itertools.pairwise(steps)]
    assert gaps == sorted(gaps)
    assert snapshot_steps(3, 20) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="count must be"):
        snapshot_steps(5, 1)


def test_a_snapshot_says_little():
    assert "tensor" not in repr(Snapshot(3, {"loss": 1.0}, {"a": torch.zeros(9)}))
