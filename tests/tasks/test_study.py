"""Fine-tuning again and again: fresh each time, measured on what was held out."""

import pytest
import torch

from llmkit.models import BERT, BERTConfig
from llmkit.tasks import Classifier, FineTuning, Study, predict
from llmkit.tokenizers import WordPieceTokenizer

GOOD, BAD = "good nice lovely".split(), "bad awful sad poor".split()
TEXTS = [f"a {a} and {b} film" for w in (BAD, GOOD) for a in w for b in w]
LABELS = [0] * 16 + [1] * 9


@pytest.fixture
def study():
    known = WordPieceTokenizer.train(" ".join(TEXTS), 80)
    config = BERTConfig(vocab_size=known.vocab_size, d_model=24, n_heads=3, n_layers=2)
    made = {name: lambda: Classifier(BERT(config), 2) for name in ("known", "random")}
    return Study(made, known, (TEXTS, LABELS), (TEXTS[::2], LABELS[::2]))


def test_a_run_learns_and_is_measured(study):
    study.begin("random", 24, 0, FineTuning(epochs=15, lr=3e-3)).wait()
    found = study.measure()
    assert found.accuracy.value > 0.9
    assert found.accuracy.n == 13
    assert sum(map(sum, found.confusion)) == 13
    assert [sum(row) for row in found.confusion] == [8, 5]
    right = found.confusion[0][0] + found.confusion[1][1]
    assert right / 13 == found.accuracy.value
    assert len(found.wrong) == 13 - right


def test_mistakes_are_the_models_own(study):
    found = study.measure()
    probs = predict(study.model, study.held_out)
    want = {
        (text, example.label, 1 - example.label)
        for text, example, p in zip(study.texts, study.held_out, probs, strict=True)
        if p.argmax() != example.label
    }
    assert {row[:3] for row in found.wrong} == want
    sure = [row[3] for row in found.wrong]
    assert sure == sorted(sure, reverse=True)


def test_each_run_begins_afresh_from_its_seed(study):
    curves = []
    for seed in (0, 0, 1):
        torch.rand(3)  # whatever was drawn before
        study.begin("known", 10, 0, FineTuning(epochs=1, seed=seed))
        curves.append(study.model.head.weight.clone())
    assert torch.equal(curves[0], curves[1])
    assert not torch.equal(curves[0], curves[2])


def test_tables_learn_only_after_a_random_start(study):
    for start, learns in (("known", False), ("random", True)):
        study.begin(start, 4)
        assert study.model.encoder.token_embedding.weight.requires_grad == learns
    study.begin("known", 4, layers=2)
    names = {n for n, w in study.model.named_parameters() if w.requires_grad}
    assert names == {"head.weight", "head.bias"}


def test_bad_input(study):
    with pytest.raises(ValueError, match="start"):
        study.begin("warm", 4)
    with pytest.raises(ValueError, match="size"):
        study.begin("known", 26)
    with pytest.raises(ValueError, match="between 0 and the 2"):
        study.begin("known", 4, layers=3)
    with pytest.raises(ValueError, match="at least one way"):
        Study({}, study.tokenizer, (TEXTS, LABELS), (TEXTS, LABELS))
