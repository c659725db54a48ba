"""Two processes on one machine learn as one with the whole batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from llmkit.training import my_rows, processes

ROOT = Path(__file__).parents[2]
ALONE = [sys.executable, "-m"]
TWO = [*ALONE, "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]


def run(how, out):
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    env = {k: v for k, v in os.environ.items() if k not in names}
    subprocess.run(
        [*how, "tests.training.two_processes", str(out)],
        cwd=ROOT,
        env={**env, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=240,
        capture_output=True,
    )
    return json.loads(out.read_text("utf-8"))


def test_same_losses_as_one_process_with_twice_the_batch(tmp_path):
    one, two = run(ALONE, tmp_path / "one"), run(TWO, tmp_path / "two")
    assert (one["processes"], two["processes"]) == (1, 2)
    # one process said stop after 12 of 17 steps, and both did
    assert len(one["losses"]) == len(two["losses"]) == 12
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-10)
    assert two["norms"] == pytest.approx(one["norms"], rel=1e-10)
    assert two["weights"] == pytest.approx(one["weights"], rel=1e-7, abs=1e-10)


def test_alone_nothing_changes():
    batch = (torch.arange(6).view(3, 2), torch.ones(3))
    (mine,) = my_rows([batch])
    assert torch.equal(mine[0], batch[0])
    value = torch.tensor(2.5)
    assert processes.mean_over_processes(value) is value
    assert processes.any_process(True, torch.device("cpu"))
    assert not processes.any_process(False, torch.device("cpu"))


@pytest.fixture
def two_of_three(monkeypatch):
    monkeypatch.setattr(processes, "process_and_count", lambda: (2, 3))


def test_rows_are_shared_out(two_of_three):
    batch = (torch.arange(6), torch.arange(12).view(6, 2))
    (mine,) = my_rows([batch])
    assert mine[0].tolist() == [2, 5]
    assert mine[1].tolist() == [[4, 5], [10, 11]]


def test_rows_that_do_not_go_round(two_of_three):
    with pytest.raises(ValueError, match=r"multiple of 3.*got 4 rows"):
        next(my_rows([(torch.zeros(4),)]))
