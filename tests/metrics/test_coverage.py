"""95 % intervals hold the truth in 93 to 97 of 100 simulations; tests err in 5."""

import pytest

from tests.metrics.coverage import (
    covered,
    false_alarms,
    false_alarms_of_bleu,
    worlds,
)


@pytest.fixture(scope="module")
def built():
    return worlds()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("accuracy", "mean, normal", "mean, skewed", "mean, token F1"),
        *("macro_f1", "micro_f1", "BLEU", "chrF", "ROUGE-L"),
    ],
)
def test_coverage(built, name):
    assert 0.93 <= covered(*built[name], n=100) <= 0.97


def test_coverage_in_few_simulations(built):
    # the fast version: a planted fault (half the width, say) is seen at once
    assert 0.88 <= covered(*built["macro_f1"], n=100, simulations=100) <= 0.995


@pytest.mark.slow
def test_two_equal_systems_are_told_apart_in_one_of_twenty_cases():
    small, excluded = false_alarms()
    assert 0.03 <= small <= 0.07
    assert 0.03 <= excluded <= 0.07


@pytest.mark.slow
def test_the_same_for_a_score_of_the_whole_corpus():
    assert 0.03 <= false_alarms_of_bleu() <= 0.07
