"""What the metric meter is told, judged by the metrics and by counting runs anew."""

import pytest

from llmkit import explore
from llmkit.explore.metrics import SAMPLES, measure, states
from llmkit.metrics import rouge, sentence_bleu, sentence_chrf, token_f1
from llmkit.metrics.ngrams import ngrams
from llmkit.metrics.splitting import split_words
from tests.metrics.texts import pairs


@pytest.mark.parametrize("splitter", ["13a", "zh"])
def test_scores_are_those_of_the_metrics(splitter):
    for candidate, references in pairs(seed=3, count=60):
        scores = {
            n: v for n, v, _ in measure(candidate, references, splitter)["scores"]
        }
        assert scores["BLEU"] == pytest.approx(
            sentence_bleu(candidate, references, tokenize=splitter)
        )
        assert scores["chrF"] == sentence_chrf(candidate, references)
        assert scores["ROUGE-L"] == rouge(candidate, references)["rougeL"].f1
        assert scores["token F1"] == token_f1(candidate, references)


def test_marked_words_are_those_of_the_matches_that_count():
    for candidate, references in pairs(seed=4, count=100):
        now = measure(candidate, references)
        words = split_words(candidate)
        assert now["words"] == words
        # of single words, as many are marked as BLEU counts
        (n, hits, total), *_ = now["runs"]
        assert (n, total) == (1, len(words))
        assert now["states"][0].count("hit") == hits
        for n, row in enumerate(now["states"], start=1):
            there = set().union(*(ngrams(split_words(r), n) for r in references))
            for place, state in enumerate(row):
                around = range(max(0, place - n + 1), min(place, len(words) - n) + 1)
                seen = any(tuple(words[i : i + n]) in there for i in around)
                assert (state in ("hit", "clip")) == seen


def test_clipping_by_hand():
    allowed = ngrams(["the", "cat", "the"], 1)
    assert states(["the", "the", "the", "dog"], allowed, 1) == [
        "hit",
        "hit",
        "clip",
        "miss",
    ]
    assert states(["the"], allowed, 2) == ["none"]


def test_the_examples_teach_what_they_say():
    found = {
        name: {n: v for n, v, _ in measure(c, r)["scores"]} for name, c, r, _ in SAMPLES
    }
    assert 55 < found["a good translation"]["BLEU"] < 66
    assert found["same meaning, other words"]["BLEU"] < 10
    assert found["one word, opposite meaning"]["BLEU"] > 70
    assert found["a wrong number"]["BLEU"] > 70
    assert found["words out of order"]["ROUGE-1"] == 1
    assert found["words out of order"]["token F1"] == 1
    assert found["words out of order"]["ROUGE-2"] == 0
    assert found["one word again and again"]["BLEU"] < 6
    assert found["too short"]["BLEU"] < 20
    assert found["an answer to a question"]["exact match"] == 1
    assert found["Chinese"]["ROUGE-1"] == 0
    assert found["Chinese"]["chrF"] > 15
    zh = {n: v for n, v, _ in measure(*SAMPLES[-1][1:3], "zh")["scores"]}
    assert zh["BLEU"] > found["Chinese"]["BLEU"]


def test_the_view_is_edited_and_read_back():
    view = explore.metrics("the cat", "the cat sat", order=2)
    assert view.scores()["token F1"] == pytest.approx(2 / 3)
    view.candidate = "the cat sat"
    assert view.scores()["BLEU"] == pytest.approx(100)
    view.references = ""
    assert view.scores()["BLEU"] == 0


def test_messages():
    with pytest.raises(TypeError, match="candidate must be"):
        explore.metrics(["a"])
    with pytest.raises(ValueError, match="splitter must"):
        explore.metrics("a", "b", splitter="french")
