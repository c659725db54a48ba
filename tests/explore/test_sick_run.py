"""Each case of the sick runs: planted as it says, and named by the doctor."""

import pytest
import torch

from llmkit import explore
from llmkit.explore.sick_run import CASES, STEPS, levels, measure

RIGHT = {
    "healthy": None,
    "rate_high": "rate too high",
    "rate_low": "rate too low",
    "not_shifted": "targets not shifted",
    "future": "future visible",
    "large_start": "initialised too large",
    "dead": "dead units",
    "same_batch": "same batch again and again",
    "sum": "wrong reduction",
    "decay": "weight decay too high",
    "left_out": "not in the optimizer",
    "ignored": "no target counts",
}


def test_every_case_has_a_name():
    assert set(RIGHT) == set(CASES)


@pytest.mark.parametrize("case", RIGHT)
def test_the_doctor_names_it(case):
    found = measure(case)
    names = [name for name, _, _ in found["notes"]]
    assert names[:1] == ([RIGHT[case]] if RIGHT[case] else [])
    assert len(found["losses"]) == (31 if case == "ignored" else STEPS)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_healthy_run_beats_counting_and_not_the_floor(seed):
    found = measure("healthy", seed)
    assert found["notes"] == []
    last = sum(found["losses"][-10:]) / 10
    lines = levels()
    assert lines["floor"] < lines["bigram"] < lines["unigram"]
    assert lines["floor"] < last < lines["unigram"] - 1


def test_the_view():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    view = explore.sick_run("same_batch", told=False)
    assert torch.equal(before, torch.get_rng_state())
    assert view.notes[0][0] == "same batch again and again"
    assert set(view.lines) == {"unigram", "bigram", "floor"}
    with pytest.raises(ValueError, match="case must be one of 'healthy'"):
        explore.sick_run("flu")
