"""The dashboard tied to a run: it tells what happens, and does what is asked."""

import time

import pytest
import torch

from llmkit import explore
from llmkit.models import BERT, GPT, BERTConfig, GPTConfig
from llmkit.tokenizers import CharTokenizer
from llmkit.training import Run, adamw, random_windows

TEXT = "the cat sat on the mat and the dog sat on the cat. "
LETTERS = CharTokenizer.train([TEXT])


def make(steps=12, **choices):
    torch.manual_seed(0)
    sizes = {"context_length": 32, "d_model": 8, "n_heads": 2, "n_layers": 3}
    model = GPT(GPTConfig(vocab_size=LETTERS.vocab_size, dropout=0.1, **sizes))
    generator = torch.Generator().manual_seed(1)
    batches = random_windows(torch.tensor(LETTERS.encode(TEXT)), 8, 4, generator)
    return Run(model, batches, adamw(model, 0.01), steps=steps, **choices)


def until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.002)


def test_it_shows_what_happened():
    run, losses = make(), iter([3.0, 2.5, 2.0])
    view = explore.training(
        run, LETTERS, floor=1.0, baselines={"unigram": 2.9}, every=4, prompt="the ",
        sentence="the cat and the dog sat on the mat", max_new_tokens=5,
        validation=lambda: next(losses), notes=lambda: [f"step {run.step}"],
    )  # fmt: skip
    assert view.sizes == [3, 2, 24]  # before the first step too, and cut
    assert view.attention_step == 0
    run.wait()
    assert view.status == "done"
    points = view.points()
    assert points[:, 0].tolist() == list(range(1, 13))
    assert points[:, 1] == pytest.approx([s.loss for s in run.history])
    assert points[:, 2] == pytest.approx([s.lr for s in run.history])
    assert points[:, 3] == pytest.approx([s.grad_norm for s in run.history])
    assert view.validation == [[4, 3.0], [8, 2.5], [12, 2.0]]
    assert [s[0] for s in view.samples] == [4, 8, 12]
    assert all(len(text) == 9 and text.startswith("the ") for _, text in view.samples)
    assert view.attention_step == 12
    assert view.lines == [["floor", 1.0], ["unigram", 2.9]]
    assert view.notes == ["step 12"]
    assert view.progress["step"] == 12
    assert run.model.training


def test_looking_changes_nothing():
    plain = make()
    want = [s.loss for s in plain.wait()]
    run = make()
    explore.training(run, LETTERS, prompt="the", sentence="the cat", every=1)
    assert [s.loss for s in run.wait()] == want


def test_the_buttons_and_the_rate():
    run = make(steps=100_000)
    view = explore.training(run)
    press = lambda wish: view._hear(view, {"do": wish}, [])  # noqa: E731
    press("stop")  # nothing to stop yet
    press("start")
    press("start")  # a second click
    until(lambda: run.step > 2)
    press("pause")
    until(lambda: view.status == "paused")
    held = run.step
    assert view.progress["step"] == held
    view.rate = 0.5  # as the slider does
    assert run.rate == 0.5
    run.rate = 0.25  # as a cell does
    assert view.rate == 0.25
    time.sleep(0.05)
    assert run.step == held
    press("resume")
    until(lambda: run.step > held)
    assert view.status == "running"
    assert run.history[held].lr == pytest.approx(0.25 * 0.01)
    press("stop")
    until(lambda: view.status == "stopped")
    held = run.step
    press("start")  # "Go on"
    until(lambda: run.step > held)
    run.stop()
    assert view.status == "stopped"


def test_a_view_made_later_knows_the_past():
    run = make()
    run.wait()
    view = explore.training(run)
    assert view.status == "done"
    assert len(view.points()) == 12
    assert view.progress["step"] == 12
    view._hear(view, {"do": "start"}, [])
    assert run.status == "done"


def test_it_says_why_a_run_failed():
    def fail(step):
        raise FloatingPointError("the loss is nan at step 0")

    run = make(on_step=fail)
    view = explore.training(run)
    with pytest.raises(FloatingPointError):
        run.wait()
    assert view.status == "failed"
    assert view.watched
    assert view.notes == ["The run ended: the loss is nan at step 0"]


def test_it_knows_when_a_cell_waits():
    run, seen = make(), []
    view = explore.training(run)
    view.observe(lambda change: seen.append(change["new"]), "waiting")
    run.wait()
    assert seen == [True, False]


def test_the_stored_picture_is_renewed_at_the_end(monkeypatch):
    shown = []

    class Handle:
        def update(self, data, **kwargs):
            shown.append(data["text/html"])

    monkeypatch.setattr("IPython.display.display", lambda *_, **__: Handle())
    run = make(on_step=lambda step: step.step == 5)
    view = explore.training(run)
    view._ipython_display_()
    view._ipython_display_()
    run.wait()
    assert len(shown) == 2
    assert "after 6 of 12 steps" in shown[0]
    run.start().wait()
    assert "after 12 of 12 steps" in shown[-1]


def test_what_makes_no_sense_is_refused():
    with pytest.raises(TypeError, match="run must be Run"):
        explore.training(3)
    with pytest.raises(ValueError, match="need the model's tokenizer"):
        explore.training(make(), sentence="the")
    with pytest.raises(ValueError, match="prompt must give 1 to 31 tokens"):
        explore.training(make(), LETTERS, prompt="")
    with pytest.raises(ValueError, match="every must be a whole number"):
        explore.training(make(), every=0)
    bert = BERT(BERTConfig(vocab_size=9, d_model=8, n_heads=2, n_layers=1))
    run = Run(bert, [], adamw(bert, 0.1), steps=3)
    with pytest.raises(TypeError, match="For others, give sample"):
        explore.training(run, LETTERS, prompt="the")
