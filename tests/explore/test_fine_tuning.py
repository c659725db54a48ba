"""The panel on a real, tiny study: a run begins, ends, is measured once."""

import numpy as np
import pytest
import torch

from llmkit.explore.fine_tuning import fine_tuning
from llmkit.models import BERT, BERTConfig
from llmkit.tasks import Classifier, FineTuning, Study
from llmkit.tokenizers import WordPieceTokenizer

WORDS = {0: ["bad", "awful", "sad"], 1: ["good", "nice", "lovely"]}
TEXTS = [f"a {a} and {b} film" for w in WORDS.values() for a in w for b in w]
LABELS = [label for label in WORDS for _ in range(9)]


@pytest.fixture
def panel():
    torch.manual_seed(0)
    known = WordPieceTokenizer.train(" ".join(TEXTS), 60)
    config = BERTConfig(vocab_size=known.vocab_size, d_model=24, n_heads=3, n_layers=2)
    study = Study(
        {"fresh": lambda: Classifier(BERT(config), 2)},
        known,
        (TEXTS, LABELS),
        (TEXTS[::2], LABELS[::2]),
    )
    return fine_tuning(study, FineTuning(lr=3e-3, epochs=9))


def test_a_run_from_a_cell(panel):
    panel.examples = 18
    run = panel.begin()
    history = run.wait()
    run.wait()  # asked again, measured once
    assert panel.status == "done"
    assert len(panel.results) == 1
    assert panel.results[0]["size"] == 18
    assert panel.results[0]["accuracy"] > 0.8
    np.testing.assert_allclose(
        panel.losses()[:, 1], [step.loss for step in history], rtol=1e-5
    )
    for which in ("before", "after"):
        weights = panel.weights(which)
        assert weights.shape[:2] == (2, 3)
        np.testing.assert_allclose(weights.sum(-1), 1, atol=0.05)
    assert np.abs(panel.weights("before") - panel.weights("after")).max() > 0.01
    assert sum(map(sum, panel.confusion)) == 9


def test_buttons(panel):
    panel.epochs, panel.examples = 400, 18
    panel._hear(None, {"do": "start"}, None)
    with pytest.raises(RuntimeError, match="a run is going"):
        panel.begin()
    panel._hear(None, {"do": "start"}, None)  # too much is none
    panel._hear(None, {"do": "stop"}, None)
    panel.begin.__self__.run.stop()
    assert panel.status == "stopped"
    assert len(panel.results) == 1
    panel.epochs = 1
    panel.begin().wait()
    assert len(panel.results) == 2
