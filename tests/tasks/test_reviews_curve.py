"""The recorded learning curve: what is shipped, and a recipe that goes on."""

import json
from typing import ClassVar

import pytest

from llmkit.data import load_shipped
from llmkit.tasks import CurveRun, curve_points
from llmkit.tasks import reviews_curve as recipe


class Quick:
    """Stands in for real runs: the same shape, in no time."""

    made: ClassVar[list] = []

    def run(self, start, size, seed):
        Quick.made.append((start, size, seed))
        return [start == "pretrained", size > 50, seed % 2 == 0]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(recipe, "_Reviews", Quick)
    Quick.made = []


def test_a_recipe_goes_on_where_it_stopped(quick, tmp_path):
    assert recipe.make(tmp_path, minutes=0) is None
    assert len(Quick.made) == 1
    assert not (tmp_path / "log.json").exists()
    log = recipe.make(tmp_path)
    assert len(Quick.made) == len(set(Quick.made)) == 45
    assert json.loads(json.dumps(log)) == json.loads(
        (tmp_path / "log.json").read_text()
    )
    assert len(log["points"]) == 9
    runs = recipe.read_runs(tmp_path / "runs.jsonl")
    assert len(runs) == 45
    assert CurveRun("frozen", 50, 1, (False, False, False)) in runs
    # nothing is left to do
    recipe.make(tmp_path)
    assert len(Quick.made) == 45


def test_fewer_seeds(quick, tmp_path):
    recipe.make(tmp_path, seeds=2)
    assert {seed for _, _, seed in Quick.made} == {0, 1}


@pytest.mark.parametrize("start", recipe.STARTS)
def test_what_learns_after_each_start(start):
    model = recipe.classifier(start)
    learns = {n for n, w in model.named_parameters() if w.requires_grad}
    assert ("encoder.token_embedding.weight" in learns) == (start == "random")
    assert ("encoder.blocks.0.mlp.up_proj.weight" in learns) == (start != "frozen")
    assert "head.weight" in learns


def test_the_shipped_runs_are_whole():
    runs = recipe.read_runs()
    n = sum(row["split"] == "test" for row in load_shipped("reviews"))
    assert {len(run.right) for run in runs} == {n}
    assert len({(r.start, r.size, r.seed) for r in runs}) == len(runs)
    points = {(p.start, p.size): p.accuracy for p in curve_points(runs)}
    assert points["pretrained", 1000].low > points["random", 1000].high
    assert points["pretrained", 1000].low > points["frozen", 1000].value
