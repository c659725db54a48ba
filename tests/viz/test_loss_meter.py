"""The loss of one guess, judged by PyTorch."""

import math

import pytest
import torch
from torch.nn import functional as F

from llmkit.viz.loss_meter import LossMeter

LOGITS = [1.5, -0.5, 0.0, 3.0, -7.0]
TOKENS = ["a", "b", " ", "d\n", "e"]


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("target", [0, 3, 4])
def test_numbers(target, smoothing):
    view = LossMeter(TOKENS, LOGITS, target, smoothing)
    x = torch.tensor([LOGITS], dtype=torch.float64, requires_grad=True)
    loss = F.cross_entropy(x, torch.tensor([target]), label_smoothing=smoothing)
    loss.backward()
    assert view.loss == pytest.approx(loss.item())
    assert view.gradient == pytest.approx(x.grad[0].tolist())
    assert view.shares == pytest.approx(x.softmax(1)[0].tolist())
    assert sum(view.wanted) == pytest.approx(1)


def test_outputs():
    view = LossMeter(TOKENS, LOGITS, 3, prompt="The  cat")
    assert repr(view) == "LossMeter('d⏎' is right, loss 0.265)"
    assert view.prompt == "The cat"
    assert f"even guess has {math.log(5):.3f}" in view.alt
    among_all = LossMeter(TOKENS, LOGITS, 3, among=3072)
    assert among_all.even_guess == pytest.approx(math.log(3072))
    assert f"even guess has {math.log(3072):.3f}" in among_all.alt
    assert list(view.table().index) == ["a", "b", "·", "d⏎", "e"]
    assert view.to_png()[:4] == b"\x89PNG"
    assert len(view.to_html()) < 80_000
    assert len(view._esm) < 25_000


def test_values_are_brought_back():
    view = LossMeter(TOKENS, LOGITS)
    view.logits = [99.0, -99.0, float("nan")]
    assert view.logits == [8.0, -8.0, 0.0, 0.0, 0.0]
    view.target, view.smoothing = 77, 3.0
    assert (view.target, view.smoothing) == (4, 0.9)
    with pytest.raises(ValueError, match="2 to 12 candidates"):
        LossMeter(["one"], [1.0])
    with pytest.raises(ValueError, match="got 2 tokens and 3 logits"):
        LossMeter(["one", "two"], [1.0, 2.0, 3.0])
