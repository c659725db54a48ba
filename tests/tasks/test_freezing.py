"""What learns and how fast, judged by names and by a step."""

import pytest
import torch

from llmkit.tasks import classification_loss, freeze, layer_rates, pad_batch
from tests.tasks.tiny import L, classifier, examples


def moved(model, optimizer):
    """The names of the weights that a step changes."""
    before = {name: w.clone() for name, w in model.named_parameters()}
    classification_loss()(model, pad_batch(examples(9))).backward()
    optimizer.step()
    return {
        name for name, w in model.named_parameters() if not torch.equal(w, before[name])
    }


@pytest.mark.parametrize("layers", range(L + 1))
def test_the_lowest_layers_stay(layers):
    model = classifier()
    left = freeze(model, layers)
    assert left == sum(w.numel() for w in model.parameters() if w.requires_grad)
    names = moved(model, layer_rates(model, 0.01))
    blocks = {int(n.split(".")[2]) for n in names if n.startswith("encoder.blocks")}
    assert blocks == set(range(layers, L))
    assert any("embedding" in name for name in names) == (layers == 0)
    assert {"head.weight", "head.bias"} <= names


def test_embeddings_alone():
    model = classifier()
    freeze(model, 0, embeddings=True)
    names = moved(model, layer_rates(model, 0.01))
    assert not any("embedding" in name for name in names)
    assert any("blocks.0." in name for name in names)
    freeze(model, 0)
    assert all(w.requires_grad for w in model.parameters())


def test_everything_below_the_head():
    model = classifier("pooler")
    assert freeze(model, L) == sum(w.numel() for w in model.head.parameters())


def test_rates_fall_towards_the_text():
    model = classifier()
    optimizer = layer_rates(model, 0.5, decay=0.1)
    rates = {id(w): g["lr"] for g in optimizer.param_groups for w in g["params"]}
    assert len(rates) == len(list(model.parameters()))
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert optimizer.param_groups[0]["params"][0] is model.head.weight
    for name, weight in model.named_parameters():
        depth = L
        if "blocks" in name:
            depth = int(name.split(".")[2]) + 1
        elif "embedding" in name:
            depth = 0
        assert rates[id(weight)] == pytest.approx(0.5 * 0.1 ** (L - depth)), name


def test_only_matrices_decay():
    for group in layer_rates(classifier(), 0.1, weight_decay=0.3).param_groups:
        for weight in group["params"]:
            assert group["weight_decay"] == (0.3 if weight.dim() >= 2 else 0.0)


def test_bad_input():
    model = classifier()
    with pytest.raises(ValueError, match=f"between 0 and the {L}"):
        freeze(model, L + 1)
    with pytest.raises(ValueError, match="lr"):
        layer_rates(model, 0.0)
    for weight in model.parameters():
        weight.requires_grad_(False)
    with pytest.raises(ValueError, match="all weights are frozen"):
        layer_rates(model, 0.1)
