"""The recipe from end to end, in small, and the shipped checkpoint against its log."""

import json
import math

import pytest
import torch

from llmkit.data.stories import stories as tell_stories
from llmkit.data.stories import tell
from llmkit.hub import load_decoder
from llmkit.training.recipes import stories
from llmkit.training.recipes.stories_sheet import datasheet

SMALL = stories.StoriesRecipe(
    d_model=16,
    n_heads=2,
    n_layers=1,
    d_ff=24,
    batch_size=4,
    steps=40,
    warmup=2,
    bf16=False,
    n_validation=30,
    n_counted=50,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "small"
    return folder, stories.make(folder, recipe=SMALL)


def test_writes_everything_and_it_loads_again(made):
    folder, log = made
    names = {path.name for path in folder.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "log.json"}
    assert not names & {"run.safetensors", "run.json"}
    assert json.loads((folder / "log.json").read_text()) == log
    assert (folder / "README.md").read_text() == datasheet(log)
    model, tokenizer = load_decoder(folder)
    assert sum(p.numel() for p in model.parameters()) == log["weights"]
    assert tokenizer.decode(tokenizer.encode("Anna sang.")) == "Anna sang."
    assert tokenizer("Anna sang.").ids[0] == tokenizer.sep_id


def test_scores_are_those_of_the_stored_weights(made):
    folder, log = made
    model, tokenizer = load_decoder(folder)
    told = list(tell_stories(30, seed=stories.VALIDATION_SEED))
    nats, tokens = 0.0, 0
    for story in told:
        ids = torch.tensor([[tokenizer.sep_id, *tokenizer.encode(story.text)]])
        targets = torch.tensor([*ids[0, 1:].tolist(), tokenizer.sep_id])
        with torch.no_grad():
            logits = model(ids).logits[0]
        nats += float(torch.nn.functional.cross_entropy(logits, targets) * len(targets))
        tokens += len(targets)
    scores = log["scores"]
    assert scores["model"]["loss"] == pytest.approx(nats / tokens, abs=2e-4)
    floor = sum(s.surprisal for s in told) * math.log(2) / tokens
    assert scores["floor"]["loss"] == pytest.approx(floor, abs=1e-4)
    above, low, high = scores["model"]["above_floor"]
    assert above == pytest.approx(nats / tokens / floor - 1, abs=1e-3)
    assert low < above < high
    assert scores["unigram"]["loss"] > scores["bigram"]["loss"] > floor


def test_samples_are_judged(made):
    _, log = made
    judged = log["judged"]
    assert judged["stories"] == stories.JUDGED
    assert 0 <= judged["possible"][0] <= judged["grammatical"][0] <= 1
    told = [tell(0).text, tell(1).text[:-8], "Anna was in the park. Anna was."]
    again = stories.judged(told)
    assert again["flawless"][0] == pytest.approx(1 / 3, abs=1e-4)
    assert again["possible"][0] == pytest.approx(1 - 1 / again["sentences"], abs=1e-4)
    assert stories.judged([""])["sentences"] == 0


def test_same_seed_same_weights(made, tmp_path):
    folder, _ = made
    stories.make(tmp_path, recipe=SMALL, minutes=0)
    assert stories.make(tmp_path, recipe=SMALL) is not None
    ours, theirs = load_decoder(folder)[0], load_decoder(tmp_path)[0]
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)
