"""A run in parts is the run in one piece, bit for bit, with the same curve."""

import pytest
import torch

from llmkit.models import Llama, LlamaConfig
from llmkit.training import muon, random_windows
from llmkit.training.recipes import parts

STEPS = 12


def run(folder, minutes=None):
    torch.manual_seed(3)
    model = Llama(
        LlamaConfig(
            vocab_size=11, context_length=7, d_model=8, n_heads=2, n_layers=1, d_ff=6
        )
    )
    ids = torch.randint(11, (90,))
    batches = random_windows(ids, 7, 3)
    curve = parts.train_by_parts(
        folder,
        model,
        muon(model, 0.01, 0.01),
        lambda first: batches,
        steps=STEPS,
        minutes=minutes,
        note=lambda step: {"loss": step.loss} if step.step % 2 else None,
    )
    return model, curve


def test_parts_are_the_whole(tmp_path):
    whole, curve = run(tmp_path / "whole")
    calls = 0
    while True:
        # no time at all: each part ends after one step
        model, again = run(tmp_path / "parts", minutes=0)
        calls += 1
        if again is not None:
            break
    assert calls == STEPS
    for a, b in zip(whole.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [(r["step"], r["loss"]) for r in again] == [
        (r["step"], r["loss"]) for r in curve
    ]
    assert [r["step"] for r in curve] == [2, 4, 6, 8, 10, 12]
    assert not list((tmp_path / "parts").iterdir())


def test_a_part_cut_off_before_its_save_changes_nothing(tmp_path, monkeypatch):
    whole, curve = run(tmp_path / "whole")
    run(tmp_path / "parts", minutes=0)
    run(tmp_path / "parts", minutes=0)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(parts, "save_state", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "parts", minutes=0)
    model, again = run(tmp_path / "parts")
    for a, b in zip(whole.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [r["step"] for r in again] == [r["step"] for r in curve]
