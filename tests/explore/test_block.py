"""Blocks with parts taken out, judged by the block itself and by autograd."""

import math

import pytest
import torch

from llmkit import explore
from llmkit.explore.block import run_block
from llmkit.losses import next_token_loss
from llmkit.models import GPT, GPTConfig
from llmkit.nn import MLP, Block, LayerNorm, MultiHeadAttention, causal_mask
from llmkit.tokenizers import CharTokenizer
from tests.models.kinds import KINDS, a_decoder

WHOLE = {"residual": True, "attention": True, "mlp": True, "norm": "before"}
B, T, D = 2, 5, 12


@pytest.fixture
def block():
    torch.manual_seed(0)
    return Block(MultiHeadAttention(D, 3), MLP(D, 20), LayerNorm(D), LayerNorm(D))


@pytest.mark.parametrize("norm", ["before", "after"])
def test_whole_it_equals_the_block(block, norm):
    x, mask = torch.randn(B, T, D), causal_mask(T)
    block.norm_first = norm == "before"
    got = run_block(block, x, WHOLE | {"norm": norm}, mask)
    torch.testing.assert_close(got, block(x, mask=mask)[0])


def test_each_part_by_hand(block):
    x = torch.randn(B, T, D)
    attend, think = (lambda y: block.attention(y)[0]), block.mlp
    want = {
        "mlp": x + attend(block.norm1(x)),
        "attention": x + think(block.norm2(x)),
        "residual": think(block.norm2(attend(block.norm1(x)))),
    }
    for part, expected in want.items():
        torch.testing.assert_close(run_block(block, x, WHOLE | {part: False}), expected)
    bare = x + attend(x)
    torch.testing.assert_close(
        run_block(block, x, WHOLE | {"norm": "none"}), bare + think(bare)
    )
    nothing = WHOLE | {"attention": False, "mlp": False}
    assert torch.equal(run_block(block, x, nothing), x)


@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_model_whole_is_the_model(kind):
    text = "the quick brown fox"
    tokenizer = CharTokenizer.train([text])
    sizes = {"d_model": 16, "n_layers": 3}
    sizes |= {"window": 3} if kind == "llama" else {}
    model = a_decoder(kind, tokenizer.vocab_size, **sizes)
    view = explore.block(model, tokenizer, text)
    ids = torch.tensor([tokenizer.encode(text)])
    out = model(ids, output_hidden_states=True)
    loss = next_token_loss(out.logits, ids)
    assert view.now["loss"] == pytest.approx(loss.item(), rel=1e-5)
    sizes = [h.square().mean().sqrt().item() for h in out.hidden_states]
    assert view.now["stream"] == pytest.approx(sizes, rel=1e-5)
    for layer, block in enumerate(model.blocks):
        matrices = [p for p in block.parameters() if p.dim() == 2]
        grads = torch.autograd.grad(loss, matrices, retain_graph=True)
        size = math.sqrt(sum(g.double().square().sum().item() for g in grads))
        assert view.now["gradient"][layer] == pytest.approx(size, rel=1e-4)
    view.mlp = False
    assert view.now["loss"] != view.usual["loss"]


def test_what_the_lesson_says():
    """Without the residual tokens become alike; without norms sizes run away."""
    whole = explore.block().now
    assert explore.block(residual=False).now["likeness"][-1] > 0.95
    assert whole["likeness"][-1] < 0.8
    assert explore.block(norm="none").now["stream"][-1] > 50 * whole["stream"][-1]
    vanished = explore.block(norm="none", residual=False, gain=0.5).now["stream"][-1]
    assert vanished < 1e-6
    scaled = explore.block(scaled=True).now["stream"][-1]
    assert scaled < whole["stream"][-1] / 2


def test_runaway_numbers_can_be_drawn():
    view = explore.block(norm="none", gain=8.0, n_layers=24)
    assert all(math.isfinite(v) and v > 0 for v in view.now["stream"])
    assert view.to_html()


def test_messages():
    with pytest.raises(TypeError, match="model must be GPT or Llama or Modern; got"):
        explore.block(torch.nn.Linear(2, 2), CharTokenizer.train(["ab"]), "ab")
    tokenizer = CharTokenizer.train(["ab"])
    model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, d_model=8))
    with pytest.raises(ValueError, match="at least two tokens, one to foresee; got 1"):
        explore.block(model, tokenizer, "a")
    with pytest.raises(ValueError, match="n_layers must be a number above 0"):
        explore.block(n_layers=0)


def test_a_model_that_fails_says_so():
    config = GPTConfig(vocab_size=9, d_model=12, n_heads=3, n_layers=2)
    model, tokenizer = GPT(config), CharTokenizer.train(["abcd"])
    view = explore.block(model, tokenizer, "abcd")

    def full(*args, **kwargs):
        raise RuntimeError("out of memory")

    model.forward = full
    view.attention = False
    assert view.now["note"] == "Not measured: out of memory"
    del model.forward
    view.attention = True
    assert "Not measured" not in view.now["note"]
