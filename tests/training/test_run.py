"""A run obeys while it goes, and ends where one that was never touched ends."""

import _thread
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

from llmkit.models import GPT, GPTConfig
from llmkit.nn import model_lock
from llmkit.training import Run, adamw, muon, random_windows, train, warmup_cosine

SIZES = {"vocab_size": 11, "context_length": 6, "d_model": 8, "n_heads": 2}
STEPS = 9


def parts(seed=0, kind=adamw, **sizes):
    torch.manual_seed(seed)
    model = GPT(GPTConfig(**{**SIZES, "n_layers": 1, "dropout": 0.1, **sizes}))
    rates = (0.02, 0.01) if kind is muon else (0.01,)
    generator = torch.Generator().manual_seed(1)
    batches = random_windows(torch.arange(200) % 11, 6, 3, generator)
    return model, batches, kind(model, *rates), generator


def make(steps=STEPS, seed=0, kind=adamw, sizes=None, **choices):
    model, batches, optimizer, generator = parts(seed, kind, **(sizes or {}))
    share = warmup_cosine(steps, warmup=2)
    return Run(
        model, batches, optimizer, steps=steps, schedule=share, generator=generator,
        **choices,
    )  # fmt: skip


def untouched(steps=STEPS, kind=adamw):
    """The losses and weights of a plain call of `train`."""
    model, batches, optimizer, _ = parts(0, kind)
    share = warmup_cosine(steps, warmup=2)
    history = train(model, batches, optimizer, steps=steps, schedule=share)
    return [s.loss for s in history], [p.detach().clone() for p in model.parameters()]


def until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.002)


def same(run, want):
    losses, weights = want
    assert [s.loss for s in run.history] == losses[-len(run.history) :]
    for mine, other in zip(run.model.parameters(), weights, strict=True):
        assert torch.equal(mine, other)


class Gate:
    """Lets the steps through one by one, so that a test knows where the run is."""

    def __init__(self):
        self.open, self.at = threading.Semaphore(0), 0

    def __call__(self, step):
        self.at = step.step + 1
        self.open.acquire(timeout=20)


def test_it_is_the_same_run_as_without_a_thread():
    want = untouched()
    run = make()
    assert run.status == "ready"
    history = run.start().wait()
    assert (run.status, run.step, len(history)) == ("done", STEPS, STEPS)
    same(run, want)


def test_pause_really_holds_and_changes_nothing():
    want = untouched()
    gate = Gate()
    run = make(on_step=gate).start()
    gate.open.release(3)
    until(lambda: gate.at == 4)
    assert run.status == "running"
    threading.Timer(0.05, gate.open.release, [9]).start()
    run.pause()  # returns once it holds
    assert run.status == "paused"
    held = run.step
    weights = [p.detach().clone() for p in run.model.parameters()]
    torch.rand(100)  # somebody draws meanwhile, also from the run's own generator
    torch.rand(3, generator=run.generator)
    with model_lock(run.model):  # and may look at the model
        time.sleep(0.2)
    assert run.step == held < STEPS
    assert all(
        torch.equal(a, b) for a, b in zip(weights, run.model.parameters(), strict=True)
    )
    run.resume()
    run.wait()
    same(run, want)
    # the pause is not counted as time of the run
    assert run.history[held].seconds - run.history[held - 1].seconds < 0.15


def test_stop_then_start_goes_on_where_it_was():
    want = untouched()
    run = make(on_step=lambda step: step.step == 3)
    assert len(run.start().wait()) == 4
    assert (run.status, run.step) == ("stopped", 4)
    torch.rand(7)
    run.start().wait()
    assert run.status == "done"
    same(run, want)


@pytest.mark.parametrize("kind", [adamw, muon])
def test_what_was_kept_on_stop_goes_on_bit_for_bit(tmp_path, kind):
    want = untouched(kind=kind)
    path = tmp_path / "run.safetensors"
    gate = Gate()
    run = make(kind=kind, path=path, on_step=gate).start()
    gate.open.release(3)
    until(lambda: gate.at == 4)
    threading.Timer(0.05, gate.open.release, [9]).start()
    run.stop()
    assert run.status == "stopped"
    again = make(kind=kind, seed=77, path=path)
    assert again.restore() == run.step < STEPS
    again.wait()
    same(again, want)
    assert make(kind=kind, path=path).restore() == STEPS  # the end is kept too


def test_nothing_was_kept_yet(tmp_path):
    run = make(path=tmp_path / "run.safetensors")
    assert run.restore() == 0
    assert run.status == "ready"
    with pytest.raises(ValueError, match="needs the path of a state"):
        make().restore()
    with pytest.raises(ValueError, match="save_every needs a path"):
        make(save_every=3)


def test_it_keeps_its_state_on_the_way(tmp_path):
    path, there = tmp_path / "run.safetensors", []
    run = make(path=path, save_every=4, on_step=lambda s: there.append(path.exists()))
    run.wait()
    assert there == [False] * 4 + [True] * 5


def test_another_configuration_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    make(path=path, on_step=lambda step: True).wait()
    with pytest.raises(ValueError, match="n_layers=1 there and 2 here"):
        make(path=path, sizes={"n_layers": 2}).restore()


def test_other_settings_are_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    make(path=path, settings={"batch_size": 3}, on_step=lambda step: True).wait()
    assert make(path=path, settings={"batch_size": 3}).restore() == 1
    with pytest.raises(ValueError, match=r"other settings: .*batch_size"):
        make(path=path, settings={"batch_size": 4}).restore()


def test_the_rate_changes_on_the_way_and_is_kept(tmp_path):
    path, gate = tmp_path / "run.safetensors", Gate()
    run = make(path=path, on_step=gate).start()
    gate.open.release(4)
    until(lambda: gate.at == 5)
    run.rate = 0.25
    gate.open.release(9)
    run.wait()
    share = warmup_cosine(STEPS, warmup=2)
    want = [0.01 * share(i) * (0.25 if i > 4 else 1) for i in range(STEPS)]
    assert [s.lr for s in run.history] == pytest.approx(want)
    again = make(path=path)
    again.restore()
    assert again.rate == 0.25
    with pytest.raises(ValueError, match="rate must be a number above 0; got 0"):
        run.rate = 0


def test_an_error_of_the_thread_arrives_in_the_cell():
    def trip(step):
        if step.step == 2:
            raise OSError("the disk is full")

    run = make(on_step=trip).start()
    with pytest.raises(OSError, match="the disk is full"):
        run.wait()
    assert run.status == "failed"
    assert run.step == 3
    short = Run(
        *[*parts()][:1], [next(parts()[1])], parts()[2], steps=5
    )  # one batch only
    with pytest.raises(ValueError, match="ran out"):
        short.wait()


@pytest.fixture
def interruptible():
    """Ctrl-C as usual, also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_interrupting_the_cell_keeps_what_was_learned(capsys):
    run = make(steps=100_000)
    run.start()
    until(lambda: run.step > 2)
    threading.Timer(0.1, _thread.interrupt_main).start()
    history = run.wait()
    assert run.status == "stopped"
    assert len(history) == run.step
    assert f"Stopped after {run.step} steps" in capsys.readouterr().out
    assert not run.going


def test_buttons_do_not_wait():
    gate = Gate()
    run = make(on_step=gate).start()
    until(lambda: gate.at == 1)
    run.pause(wait=False)
    assert run.status == "pausing"
    run.resume()
    assert run.status == "running"
    run.stop(wait=False)
    assert run.status == "stopping"
    gate.open.release(9)
    run.wait()
    assert (run.status, run.step) == ("stopped", 1)
    run.stop()  # asked twice: nothing happens
    run.pause()
    assert run.status == "stopped"


def test_stop_ends_a_pause_too():
    run = make(steps=100_000).start()
    until(lambda: run.step > 0)
    run.pause()
    run.stop()
    assert run.status == "stopped"


def test_pause_again_while_it_still_holds():
    run = make(steps=100_000).start()
    until(lambda: run.step > 0)
    for _ in range(20):
        run.pause()
        assert run.status == "paused"
        run.resume()
    run.stop()


def test_the_run_may_be_stopped_from_a_step():
    run = make()
    run.listen(lambda step: run.stop() if step.step == 1 else None)
    run.listen(lambda step: run.pause(wait=False) if step.step == 1 else None)
    run.wait()
    assert (run.status, run.step) == ("stopped", 2)


def test_it_tells_what_changes():
    run, seen = make(), []
    run.on_change(lambda: seen.append((run.status, run.rate, run.waiting)))
    run.wait()
    run.rate = 0.5
    assert seen[0] == ("running", 1.0, False)
    assert ("done", 1.0, True) in seen
    assert seen[-2:] == [("done", 1.0, False), ("done", 0.5, False)]


def test_what_makes_no_sense_is_refused():
    run = make(on_step=Gate()).start()
    with pytest.raises(RuntimeError, match="the run is running already"):
        run.start()
    other = Run(run.model, run._batches, run.optimizer, steps=3)
    with pytest.raises(RuntimeError, match="another run trains this model"):
        other.start()
    with pytest.raises(RuntimeError, match="stop the run before"):
        run.restore()
    run._after_step[0].open.release(99)
    run.wait()
    with pytest.raises(RuntimeError, match="all 9 steps were taken"):
        run.start()
    with pytest.raises(TypeError, match="train takes no argument clipp"):
        make(clipp=3)
    with pytest.raises(TypeError, match="model must be Module"):
        Run(3, [], None, steps=1)


def test_time_left():
    gate = Gate()
    run = make(on_step=gate)
    assert run.seconds_left is None
    run.start()
    for _ in range(4):
        time.sleep(0.02)
        gate.open.release()
    until(lambda: gate.at == 5)
    assert 0.02 < run.seconds_left < 5
    gate.open.release(9)
    run.wait()
    assert run.seconds_left == 0


def test_the_model_can_be_looked_at_meanwhile():
    from llmkit.trace.running import running

    run = make(steps=100_000).start()
    until(lambda: run.step > 0)
    ids = torch.tensor([[1, 2, 3]])
    for _ in range(20):
        with running(run.model):
            before = run.step
            one, two = run.model(ids).logits, run.model(ids).logits
            assert torch.equal(one, two)  # nothing moved, and dropout was off
            assert not one.requires_grad
            assert run.step == before
    run.stop()
    assert run.model.training


SCRIPT = """
import sys, time, torch
sys.path.insert(0, {root!r})
from tests.training.test_run import make
run = make(steps=100_000, path={path!r}, on_step=lambda s: time.sleep(0.01))
run.on_change(lambda: print(run.status, run.rate, run.step, flush=True))
print("from", run.restore(), flush=True)
history = run.here()
print("kept", len(history), flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signals here")
def test_signals_speak_to_a_script(tmp_path):
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    code = SCRIPT.format(root=root, path=str(tmp_path / "run.safetensors"))

    def start():
        return subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def line_with(script, word):
        for line in script.stdout:
            if line.startswith(word):
                return line.split()
        raise AssertionError(f"{word}: {script.stderr.read()}")

    script = start()
    try:
        assert line_with(script, "from") == ["from", "0"]
        line_with(script, "running")
        assert f"kill -USR1 {script.pid} pauses" in script.stderr.readline()
        script.send_signal(signal.SIGUSR1)
        held = int(line_with(script, "paused")[2])
        script.send_signal(signal.SIGUSR2)
        assert line_with(script, "paused")[1:] == ["0.5", str(held)]
        script.send_signal(signal.SIGUSR1)
        line_with(script, "running")
        script.send_signal(signal.SIGINT)
        assert line_with(script, "stopped")[1] == "0.5"
        kept = line_with(script, "kept")[1]
        assert script.wait(30) == 0
    finally:
        script.kill()
    script = start()
    try:
        assert line_with(script, "from") == ["from", kept]
        line_with(script, "running")
        script.stderr.readline()
        script.send_signal(signal.SIGTERM)
        assert line_with(script, "stopped")[1] == "0.5"  # the rate was kept as well
    finally:
        script.kill()


def test_signals_mean_what_they_meant_before():
    before = signal.getsignal(signal.SIGINT)
    run = make()
    run.here()
    assert run.status == "done"
    assert signal.getsignal(signal.SIGINT) is before


def test_a_system_without_such_signals(monkeypatch):
    from llmkit.training import signals

    monkeypatch.delattr(signal, "SIGUSR1", raising=False)
    monkeypatch.delattr(signal, "SIGUSR2", raising=False)
    with signals.obeying_signals(make()) as words:
        assert "Ctrl-C stops" in words
        assert "no signals to pause or slow it" in words


def test_in_front_but_not_in_the_main_thread(capsys):
    run = make()
    thread = threading.Thread(target=run.here)
    thread.start()
    thread.join(30)
    assert run.status == "done"
    assert "main thread only" in capsys.readouterr().err


def test_a_stopped_run_finds_its_place_in_the_stream(tmp_path):
    from llmkit.data import Packing, Stream
    from llmkit.training import packed_batches

    def start(seed):
        torch.manual_seed(seed)
        model = GPT(GPTConfig(vocab_size=9, d_model=8, n_heads=2, n_layers=1))
        rows = [[1 + (i * j) % 8 for j in range(1 + i % 5)] for i in range(13)]
        stream = Packing(Stream(lambda _: rows, held_back=3), 6, 0)
        batches = ((ids, targets) for ids, targets, _ in packed_batches(stream, 2))
        return Run(
            model,
            batches,
            adamw(model, 0.01),
            steps=11,
            path=tmp_path / "run.safetensors",
            stream=stream,
        )

    whole = start(0)
    want = [step.loss for step in whole.start().wait()]
    first = start(0)
    first.listen(lambda step: step.step == 4)
    first.start().wait()
    second = start(3)
    assert second.restore() == 5
    assert [step.loss for step in second.start().wait()] == want[5:]
