"""A part of the matrix that is quick; `python -m tests.doctor` prints the whole.

Which faults and runs are drawn changes with nothing: every third of each list, so that
all kinds are there.
"""

from dataclasses import replace

import pytest

from tests.doctor.faults import FAULTS
from tests.doctor.healthy import HEALTHY, SETTINGS

FIRST = replace(SETTINGS["first"], steps=40)
LONG = {
    "AdamW, rate 300 times too high",
    "no warm-up, high rate",
    "a trained model, another tokenizer",
    "too little text for too long",
    "a long run",
    "a wide one",
    "a deep one",
    "Muon",
    "several batches for one step",
    "large batches",
    "going on with a trained model",
}
SHORT_FAULTS = [f for f in FAULTS.values() if f.name not in LONG]
SHORT_RUNS = [name for name in HEALTHY if name not in LONG]


@pytest.mark.parametrize("fault", SHORT_FAULTS[::2], ids=lambda f: f.name)
def test_a_planted_fault_is_named(fault):
    notes = fault.plant(FIRST).notes
    assert notes, "no alarm"
    assert notes[0].name in fault.right


@pytest.mark.parametrize("name", SHORT_RUNS[::3])
def test_a_healthy_run_raises_no_alarm(name):
    assert [str(note) for note in HEALTHY[name](FIRST).notes] == []


def test_the_matrix_is_as_large_as_promised():
    assert len(FAULTS) >= 30
    assert len(HEALTHY) >= 30
    assert len(SETTINGS) >= 2
