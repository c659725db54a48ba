"""A run that was stopped and went on equals one that was not."""

import random
import signal
from itertools import islice

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from llmkit.data import Packing, Stream
from llmkit.models import GPT, GPTConfig
from llmkit.training import (
    adamw,
    load_state,
    muon,
    ordered_windows,
    packed_batches,
    random_windows,
    save_state,
    separate_texts,
    train,
    warmup_cosine,
)
from tests.training import killed_run

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
    same, *_ = make("adamw", 5)
    before = same.lm_head.weight.detach().clone()
    with pytest.raises(
        ValueError, match=r"the optimisers AdamW of.*; got Muon of 12 w"
    ):
        load_state(path, same, muon(same, 0.1, 0.1))
    with pytest.raises(ValueError, match=r"AdamW of 14\+22 weights; got SGD of 36 w"):
        load_state(path, same, torch.optim.SGD(same.parameters(), lr=0.1))
    assert torch.equal(before, same.lm_head.weight)


def test_other_settings_are_refused(tmp_path):
    model, optimizer, *_ = make("adamw", 0)
    path = tmp_path / "run.safetensors"
    save_state(path, model, optimizer, 3, settings={"steps": 9, "rates": (1, 2)})
    assert load_state(path, model, optimizer, settings={"steps": 9, "rates": (1, 2)})
    with pytest.raises(ValueError, match=r"other settings: steps=9 there and 10 here$"):
        load_state(path, model, optimizer, settings={"steps": 10, "rates": (1, 2)})
    with pytest.raises(ValueError, match="steps=9 there and None here"):
        load_state(path, model, optimizer)


def test_every_source_of_chance_goes_on(tmp_path):
    model, optimizer, *_ = make("adamw", 0)
    path, own = tmp_path / "run.safetensors", random.Random(4)
    for source in (random, own):
        source.gauss(0, 1)  # which keeps a second number for the next call
    np.random.standard_normal()
    save_state(path, model, optimizer, 0, own)

    def draw():
        python = [source.gauss(0, 1) for source in (random, own)]
        numpy = np.random.standard_normal(3).tolist()
        return [*python, *numpy, *torch.rand(3).tolist(), own.random(), random.random()]

    want = draw()
    draw()
    load_state(path, model, optimizer, own)
    assert draw() == want
    with pytest.raises(ValueError, match=r"state of a random\.Random; got a Generator"):
        load_state(path, model, optimizer, torch.Generator())


def test_an_ordered_source_is_taken_up_by_its_step(tmp_path):
    text = torch.arange(400) % 11
    whole, optimizer, *_ = make("muon", 0)
    want = train(whole, ordered_windows(text, 6, 3), optimizer, steps=8)
    first, optimizer, *_ = make("muon", 0)
    train(first, ordered_windows(text, 6, 3), optimizer, steps=5)
    save_state(tmp_path / "run.safetensors", first, optimizer, 5)
    second, optimizer, *_ = make("muon", 1)
    step = load_state(tmp_path / "run.safetensors", second, optimizer)
    rest = islice(ordered_windows(text, 6, 3), step, None)
    got = train(second, rest, optimizer, steps=8, first_step=step)
    assert [s.loss for s in got] == [s.loss for s in want][5:]


def packed(whole):
    documents = [[1 + (i * j) % 10 for j in range(1 + i % 5)] for i in range(17)]
    return Packing(Stream(lambda _: documents, held_back=4), 6, 0, whole)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("killed_at", [1, 6])
def test_a_packed_stream_goes_on_bit_for_bit(tmp_path, whole, killed_at):
    def start(seed):
        model, optimizer, *_ = make("muon", seed)
        stream = packed(whole)
        return model, optimizer, stream, packed_batches(stream, 3)

    choices = {"steps": 13, "loss": separate_texts}
    one, optimizer, _, batches = start(0)
    want = train(one, batches, optimizer, **choices)

    first, optimizer, stream, batches = start(0)
    train(first, batches, optimizer, **choices | {"steps": killed_at})
    path = tmp_path / "run.safetensors"
    save_state(path, first, optimizer, killed_at, stream=stream)

    second, optimizer, stream, batches = start(5)
    step = load_state(path, second, optimizer, stream=stream)
    got = train(second, batches, optimizer, first_step=step, **choices)
    assert [s.loss for s in got] == [s.loss for s in want][killed_at:]
    for a, b in zip(one.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_stream_is_given_both_times_or_never(tmp_path):
    model, optimizer, *_ = make("adamw", 0)
    path = tmp_path / "run.safetensors"
    save_state(path, model, optimizer, 2)
    with pytest.raises(ValueError, match=r"no place in a stream.*Leave stream out"):
        load_state(path, model, optimizer, stream=packed(True))
    save_state(path, model, optimizer, 2, stream=packed(True))
    before = model.lm_head.weight.detach().clone()
    model.lm_head.weight.data += 1
    with pytest.raises(ValueError, match=r"was saved with a stream.*give stream"):
        load_state(path, model, optimizer)
    shorter = Stream(lambda _: [[1]])
    stream = Stream(lambda _: [[1], [2], [3]])
    list(islice(stream, 2))
    save_state(path, model, optimizer, 2, stream=stream)
    with pytest.raises(ValueError, match=r"position must lie within the source"):
        load_state(path, model, optimizer, stream=shorter)
    assert torch.equal(model.lm_head.weight, before + 1)
    with pytest.raises(TypeError, match=r"as Stream and Packing have; got generator"):
        save_state(path, model, optimizer, 2, stream=packed_batches(stream, 2))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_run_killed_at_any_moment_goes_on_bit_for_bit(tmp_path):
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    for folder in (calm, wild):
        folder.mkdir()
    found = killed_run.disturb(wild, 28, list(killed_run.MOMENTS), seed=0)
    assert [each["code"] for each in found] == [-signal.SIGKILL] * 3
    assert all(each["steps"] > 0 for each in found)  # it went on, and not from nothing
    # killed in a save, it leaves a draft; the next save clears away the last one's
    assert [each["drafts"] for each in found[1:]] == [1, 1]
    assert killed_run.finish(wild, 28) == killed_run.finish(calm, 28)
    assert [path.name for path in wild.iterdir()] == [killed_run.STATE]


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


def test_a_generator_that_is_forgotten_is_asked_for(tmp_path):
    model, optimizer, generator, _ = make("adamw", 0)
    path = tmp_path / "run.safetensors"
    save_state(path, model, optimizer, 0, generator)
    model.lm_head.weight.data += 1
    before = model.lm_head.weight.detach().clone()
    with pytest.raises(ValueError, match=r"saved with a generator.*; give generator"):
        load_state(path, model, optimizer)
    assert torch.equal(model.lm_head.weight, before)


def test_nothing_is_left_beside_it(tmp_path):
    model, optimizer, *_ = make("adamw", 0)
    save_state(tmp_path / "run.safetensors", model, optimizer, 0)
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]
