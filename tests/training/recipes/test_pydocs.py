"""A recipe from end to end, in small, and the shipped checkpoint against its log."""

import json
import math

import pytest
import torch

from llmkit.hub import load_decoder
from llmkit.runtime import project_root
from llmkit.tokenizers import ByteBPETokenizer
from llmkit.training import load_snapshots
from llmkit.training.recipes import pydocs
from llmkit.training.recipes.pydocs_sheet import datasheet

SMALL = pydocs.PydocsRecipe(
    vocab_size=280,
    context_length=100,
    d_model=24,
    n_heads=2,
    n_layers=1,
    d_ff=32,
    batch_size=2,
    steps=30,
    warmup=2,
)
TEXTS = {
    "train": ["the cat sat on the mat\n" * 30, "a list is a row of things\n" * 30],
    "validation": ["the list sat on the cat\n" * 30],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pydocs, "_documents", TEXTS.__getitem__)
        return folder, pydocs.make(folder, recipe=SMALL)


def test_writes_everything_and_it_loads_again(made):
    folder, log = made
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert {"log.json", "README.md"} <= names
    assert json.loads((folder / "log.json").read_text()) == log
    model, tokenizer = load_decoder(folder)
    assert sum(p.numel() for p in model.parameters()) == log["weights"]
    assert tokenizer.decode(tokenizer.encode("the cat")) == "the cat"


def test_scores_are_those_of_the_stored_weights(made):
    folder, log = made
    model, tokenizer = load_decoder(folder)
    ids = torch.tensor([[0, *tokenizer.encode(TEXTS["validation"][0])]])
    ids = ids[:, : (ids.shape[1] - 1) // 100 * 100 + 1]
    windows = ids[0, :-1].view(-1, 100)
    with torch.no_grad():
        logits = model(windows).logits.flatten(0, 1)
    loss = torch.nn.functional.cross_entropy(logits, ids[0, 1:])
    assert log["scores"]["model"]["loss"] == pytest.approx(loss.item(), abs=2e-4)
    assert log["scores"]["model"]["loss"] < math.log(280)
    assert set(log["scores"]) == {"model", "unigram", "bigram", "trigram"}


def test_same_seed_same_weights(made, tmp_path, monkeypatch):
    folder, _ = made
    monkeypatch.setattr(pydocs, "_documents", TEXTS.__getitem__)
    pydocs.make(tmp_path, recipe=SMALL)
    ours, theirs = load_decoder(folder)[0], load_decoder(tmp_path)[0]
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_shipped_one_beats_counting_and_fits():
    folder = project_root() / "data" / "checkpoints" / "pydocs"
    log = json.loads((folder / "log.json").read_text())
    assert log["scores"]["model"]["loss"] < log["scores"]["trigram"]["loss"]
    assert (folder / "model.safetensors").stat().st_size <= 6_000_000
    model, tokenizer = load_decoder("pydocs")
    assert model.config.vocab_size == tokenizer.vocab_size == 3072
    assert sum(p.numel() for p in model.parameters()) == log["weights"]


def test_the_shipped_moments_fit_and_load():
    folder = project_root() / "data" / "checkpoints" / "pydocs"
    log = json.loads((folder / "log.json").read_text())
    path = folder / "snapshots" / "snapshots.safetensors"
    assert path.stat().st_size <= 1_200_000
    moments = load_snapshots(path)
    assert len(moments) == log["snapshots"]["moments"] >= 18
    losses = [moment.scores["loss"] for moment in moments]
    assert losses[-1] == log["snapshots"]["loss"] == min(losses)
    tokenizer = ByteBPETokenizer.load(folder / "snapshots")
    assert moments[0].config["vocab_size"] == tokenizer.vocab_size
    assert (folder / "README.md").read_text() == datasheet(log)
