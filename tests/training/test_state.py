"""A run that was stopped and went on equals one that was not."""

import pytest
import torch
from safetensors.torch import save_file

from llmkit.models import GPT, GPTConfig
from llmkit.training import (
    adamw,
    load_state,
    muon,
    random_windows,
    save_state,
    train,
    warmup_cosine,
)

SIZES = {"vocab_size": 11, "context_length": 6, "d_model": 8, "n_heads": 2}


def make(kind, seed, **sizes):
    torch.manual_seed(seed)
    model = GPT(GPTConfig(**{**SIZES, "n_layers": 2, "dropout": 0.1, **sizes}))
    optimizer = muon(model, 0.02, 0.01) if kind == "muon" else adamw(model, 0.01)
    generator = torch.Generator().manual_seed(1)
    text = torch.arange(200) % 11
    return model, optimizer, generator, random_windows(text, 6, 3, generator)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
@pytest.mark.parametrize("killed_at", [1, 4, 7])
def test_goes_on_bit_for_bit(tmp_path, kind, killed_at):
    share = warmup_cosine(9, warmup=2)
    whole, optimizer, _, batches = make(kind, 0)
    want = train(whole, batches, optimizer, steps=9, schedule=share)

    first, optimizer, generator, batches = make(kind, 0)
    train(first, batches, optimizer, steps=killed_at, schedule=share)
    path = tmp_path / "run.safetensors"
    save_state(path, first, optimizer, killed_at, generator)

    second, optimizer, generator, batches = make(kind, 77)
    step = load_state(path, second, optimizer, generator)
    assert step == killed_at
    got = train(second, batches, optimizer, steps=9, first_step=step, schedule=share)
    assert [s.loss for s in got] == [s.loss for s in want][killed_at:]
    for a, b in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_another_configuration_is_refused(tmp_path):
    model, optimizer, *_ = make("adamw", 0)
    path = tmp_path / "run.safetensors"
    save_state(path, model, optimizer, 0)
    other, optimizer, *_ = make("adamw", 0, n_layers=3)
    with pytest.raises(ValueError, match="n_layers=2 there and 3 here"):
        load_state(path, other, optimizer)
    same, *_ = make("adamw", 0)
    with pytest.raises(ValueError, match="holds 1 optimisers; got 2"):
        load_state(path, same, muon(same, 0.1, 0.1))


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(1)}, str(path))
    model, optimizer, *_ = make("adamw", 0)
    with pytest.raises(ValueError, match="holds no state of a run"):
        load_state(path, model, optimizer)


def test_a_generator_that_was_not_saved_is_refused(tmp_path):
    model, optimizer, *_ = make("adamw", 0)
    path = tmp_path / "run.safetensors"
    save_state(path, model, optimizer, 0)
    with pytest.raises(ValueError, match=r"holds no generator.*Leave generator out"):
        load_state(path, model, optimizer, torch.Generator())


def test_nothing_is_left_beside_it(tmp_path):
    model, optimizer, *_ = make("adamw", 0)
    save_state(tmp_path / "run.safetensors", model, optimizer, 0)
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]
