"""The recipe from end to end, in small, and the shipped checkpoint against its log."""

import json
import math
from itertools import islice

import pytest
import torch

from llmkit.data.stories import stories as tell_stories
from llmkit.data.stories import tell
from llmkit.hub import load_decoder
from llmkit.runtime import project_root
from llmkit.training import load_snapshots
from llmkit.training.recipes import stories
from llmkit.training.recipes.stories_beginnings import TAKEN_BACK
from llmkit.training.recipes.stories_gap import KINDS, gap_by_kind
from llmkit.training.recipes.stories_model import story_model
from llmkit.training.recipes.stories_sheet import datasheet
from llmkit.training.rows import row_losses, story_ids

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


def test_long_stories_come_first_and_a_run_goes_on_in_them():
    recipe = stories.StoriesRecipe(batch_size=3, steps=40, cooling=0.5, seed=5)
    assert recipe.steady == 20
    tokenizer = stories.stories_tokenizer()
    whole = list(islice(stories.training_batches(tokenizer, recipe), 40))
    words = [int((targets >= 0).sum()) for _, targets in whole]
    assert sum(words[:20]) > 1.3 * sum(words[20:])
    for first in (0, 7, 19, 20, 33):
        batch = next(stories.training_batches(tokenizer, recipe, first))
        assert torch.equal(batch[0], whole[first][0])
    rates = [recipe.schedule()(step) for step in range(40)]
    assert rates[4:21] == [1.0] * 17
    assert 1 > rates[21] > rates[39] >= 0


def test_the_short_runs_are_told_apart(made):
    _, log = made
    runs = log["beginnings"]["runs"]
    assert list(runs) == list(TAKEN_BACK)
    scores = [each["above_floor"] for seeds in runs.values() for each in seeds]
    assert len(set(scores)) == len(scores) == 10
    assert min(scores) > 0


@pytest.mark.parametrize(
    ("beginning", "word_vectors", "output_vectors", "looks_back"),
    [
        ("as shipped", 1.0, 0.3, True),
        ("no head that looks back", 1.0, 0.3, False),
        ("short word vectors", 0.02, 0.3, True),
        ("short output vectors", 1.0, 0.02, True),
    ],
)
def test_first_weights(beginning, word_vectors, output_vectors, looks_back):
    torch.manual_seed(3)
    model = story_model(70, 60, d_model=48, n_heads=3, n_layers=2, d_ff=20)
    TAKEN_BACK[beginning][0](model)
    with torch.no_grad():
        tables = model.token_embedding.weight, model.lm_head.weight
        spread = [float(table.std()) for table in tables]
        assert spread == pytest.approx([word_vectors, output_vectors], rel=0.1)
        ids = torch.randint(5, 70, (4, 40))
        first, second = model(ids, output_attentions=True).attentions
    back = first.diagonal(offset=-1, dim1=-2, dim2=-1).mean((0, 2))  # (H,)
    here = first.diagonal(dim1=-2, dim2=-1).mean((0, 2))
    others = [*back[1:], *second.diagonal(offset=-1, dim1=-2, dim2=-1).mean((0, 2))]
    assert (back[0] > 0.35) == looks_back
    assert (back[0] > 1.5 * here[0]) == looks_back
    assert max(others) < 0.2


def test_the_gap_is_taken_apart(made):
    folder, log = made
    told = list(tell_stories(30, seed=stories.VALIDATION_SEED))
    model, tokenizer = load_decoder(folder)
    found = gap_by_kind(model, tokenizer, told, batch_size=7)
    assert list(found) == list(KINDS)
    above = sum(sums["share"] for sums in found.values())
    assert above == pytest.approx(log["scores"]["model"]["above_floor"][0], abs=1e-3)
    words = [word for story in told for word in story.words]
    assert sum(sums["words"] for sums in found.values()) == len(words) + len(told)
    # each event with a thing names its colour and then the thing
    acts = sum(bool(e.thing) and e.kind != "happy" for s in told for e in s.events)
    moves = sum(e.kind == "went" for s in told for e in s.events)
    events = sum(len(s.events) for s in told)
    assert found["which colour"]["words"] == acts
    assert found["which thing had that colour"]["words"] == acts
    assert found["which place"]["words"] == moves
    assert found["what happens"]["words"] == events + len(told)  # "The end"
    assert found["who, or the end"]["words"] == events + 2 * len(told)


@pytest.fixture(scope="module")
def shipped():
    folder = project_root() / "data" / "checkpoints" / "stories"
    return folder, json.loads((folder / "log.json").read_text())


def test_the_shipped_one_is_near_the_floor_and_fits(shipped):
    folder, log = shipped
    above, low, high = log["scores"]["model"]["above_floor"]
    assert 0 < low < above < high < 0.05
    assert log["scores"]["trigram"]["above_floor"][0] > 3 * high
    assert (folder / "model.safetensors").stat().st_size <= 1_200_000
    assert (folder / "README.md").read_text() == datasheet(log)
    model, tokenizer = load_decoder("stories")
    assert sum(p.numel() for p in model.parameters()) == log["weights"]
    # on stories that nobody has looked at before
    told = list(tell_stories(150, seed=77))
    rows = [story_ids(tokenizer, story) for story in told]
    surprisal = sum(story.surprisal for story in told) * math.log(2)
    found = float(row_losses(model, rows).sum()) / surprisal - 1
    assert found == pytest.approx(above, abs=0.015)
    runs = log["beginnings"]["runs"]
    best = max(run["thing"] for run in runs["as shipped"])
    assert all(
        run["thing"] > best
        for name, each in runs.items()
        for run in each
        if name != "as shipped"
    )


def test_the_shipped_moments_fit_and_load(shipped):
    folder, log = shipped
    path = folder / "snapshots.safetensors"
    assert path.stat().st_size <= 1_200_000
    moments = load_snapshots(path)
    assert len(moments) == log["snapshots"]["moments"] >= 18
    assert moments[-1].scores["loss"] == log["snapshots"]["loss"]
    assert moments[-1].scores["loss"] < log["scores"]["trigram"]["loss"]
    assert moments[0].config["vocab_size"] == log["vocabulary"] + 5
