"""Take parts out of a stack of blocks and watch what reaches the end and comes back.

Home notebook: 05_transformer_block.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmkit.checks import check_positive, check_type
from llmkit.explore.given import own_model
from llmkit.losses import cross_entropy
from llmkit.models import DECODERS
from llmkit.models.decoder import looking
from llmkit.nn import (
    MLP,
    Block,
    LayerNorm,
    MultiHeadAttention,
    causal_mask,
)
from llmkit.tokenizers import as_tokenizer
from llmkit.viz.block_stack import BlockStack

MOST_LAYERS = 24
_TOKENS = 32  # in the random text of a fresh stack


def block(
    model: nn.Module | None = None,
    tokenizer=None,
    text: str = "The with statement is used to wrap the execution of a block",
    n_layers: int = 12,
    d_model: int = 64,
    seed: int = 0,
    **traits,
) -> BlockStack:
    """Show signal and gradient through a stack of blocks, with parts to take out.

    Without a model the stack is fresh: real `Block`s with random weights, whose size
    and depth can be chosen, reading random tokens. With a trained one, its own blocks
    read the text, and the loss says what each part was worth.

    Args:
        model: a decoder of the kit, or one of `transformers`; None: a fresh stack.
        tokenizer: the model's.
        text: what the model reads.
        n_layers: how many blocks the fresh stack begins with, at most 24.
        d_model: D of the fresh stack.
        seed: of its weights and tokens.
        **traits: choices to begin with, such as `residual=False`; the dashed curves
            always show the whole stack.

    Returns:
        The view; `view.now` holds the numbers.

    Raises:
        ValueError: the text has fewer than two tokens.
    """
    whole = {"residual": True, "attention": True, "mlp": True, "norm": "before"}
    if model is None:
        check_positive("n_layers", n_layers)
        stack = _Fresh(d_model, seed)
        traits = {"layers": n_layers, "residual": True} | traits
        return BlockStack(stack.measure, True, whole | {"scaled": False}, **traits)
    stack = _Trained(own_model(model), as_tokenizer(tokenizer), text)
    traits = {"layers": len(stack.model.blocks)} | traits
    return BlockStack(stack.measure, False, whole, **traits)


def run_block(
    block: Block, x: Tensor, choice: dict[str, Any], mask=None, rotary=None
) -> Tensor:
    """Run a block with some of its parts taken out.

    Args:
        block: a real one.
        x: the residual stream, (B, T, D).
        choice: `residual`, `attention`, `mlp`: whether the part is there; `norm`:
            "before", "after" or "none".
        mask: bool, (T, T); True means "may look".
        rotary: cosines and sines.

    Returns:
        (B, T, D). With everything there it equals `block(x, mask=mask)`.
    """

    def look(y):
        return block.attention(y, mask=mask, rotary=rotary)[0]

    parts = [
        (look, block.norm1, choice["attention"]),
        (block.mlp, block.norm2, choice["mlp"]),
    ]
    for part, norm, there in parts:
        if not there:
            continue
        written = part(norm(x) if choice["norm"] == "before" else x)
        x = x + written if choice["residual"] else written
        if choice["norm"] == "after":
            x = norm(x)
    return x


class _Fresh:
    """Blocks with random weights, as they are before the first step of training."""

    def __init__(self, d_model: int, seed: int):
        generator = torch.Generator().manual_seed(seed)
        self.lock = threading.Lock()  # the reader may move two controls at once
        self.blocks = [_fresh_block(d_model) for _ in range(MOST_LAYERS)]
        self.weights = [
            {
                name: torch.randn(p.shape, generator=generator) / math.sqrt(p.shape[1])
                for name, p in block.named_parameters()
                if p.dim() == 2
            }
            for block in self.blocks
        ]
        self.table = torch.randn(_TOKENS, d_model, generator=generator)
        ids = torch.randint(_TOKENS, (1, _TOKENS + 1), generator=generator)
        self.ids, self.targets = ids[:, :-1], ids[:, 1:]
        self.final_norm = LayerNorm(d_model)

    def measure(self, choice: dict[str, Any]) -> dict:
        """Run forward and backward once with these choices."""
        with self.lock, torch.enable_grad():
            blocks = self.blocks[: choice["layers"]]
            self._set_weights(choice)

            def score(x):
                x = self.final_norm(x) if choice["norm"] == "before" else x
                logits = x @ self.table.T / math.sqrt(x.shape[-1])
                return cross_entropy(logits, self.targets)

            mask = causal_mask(_TOKENS)
            return _measure(blocks, self.table[self.ids], choice, score, mask)

    @torch.no_grad()
    def _set_weights(self, choice: dict[str, Any]) -> None:
        layers = choice["layers"]
        outward = 1 / math.sqrt(2 * layers) if choice["scaled"] else 1.0
        for block, weights in zip(
            self.blocks[:layers], self.weights[:layers], strict=True
        ):
            for name, p in block.named_parameters():
                if name in weights:
                    out = name.startswith(("attention.o_proj", "mlp.down_proj"))
                    p.copy_(weights[name] * choice["gain"] * (outward if out else 1.0))


class _Trained:
    """The blocks of a trained decoder, reading a text."""

    def __init__(self, model: nn.Module, tokenizer, text: str):
        check_type("model", model, DECODERS, "It needs a decoder of the kit.")
        self.model, self.lock = model, threading.Lock()
        device = next(model.parameters()).device
        ids = tokenizer.encode(text)[: model.config.context_length]
        if len(ids) < 2:
            raise ValueError(
                f"text must hold at least two tokens, one to foresee; got {len(ids)}"
            )
        self.ids = torch.tensor([ids], device=device)
        self.look = looking(model, self.ids)

    def measure(self, choice: dict[str, Any]) -> dict:
        """Run forward and backward once with these parts."""
        model = self.model
        with self.lock, torch.enable_grad():
            with torch.no_grad():
                x = model(self.ids, output_hidden_states=True).hidden_states[0]

            def score(x):
                logits = model.lm_head(model.final_norm(x))
                return cross_entropy(logits[:, :-1], self.ids[:, 1:])

            return _measure(model.blocks, x, choice, score, *self.look, trained=True)


def _fresh_block(d_model: int) -> Block:
    block = Block(
        MultiHeadAttention(d_model, n_heads=4),
        MLP(d_model, 4 * d_model),
        LayerNorm(d_model),
        LayerNorm(d_model),
    )
    for name, p in block.named_parameters():
        if name.endswith("_proj.bias"):
            nn.init.zeros_(p)
    return block


def _measure(
    blocks, x: Tensor, choice, score, mask, rotary=None, trained=False
) -> dict:
    """Return the curves of one forward and backward pass."""
    states = [x]
    for block in blocks:
        x = run_block(block, x, choice, mask, rotary)
        states.append(x)
    loss = score(x)
    groups = [[p for p in block.parameters() if p.dim() == 2] for block in blocks]
    flat = [p for group in groups for p in group]
    grads = [None] * len(flat)
    if loss.requires_grad:
        grads = torch.autograd.grad(loss, flat, allow_unused=True)
    sizes = iter(0.0 if g is None else g.double().square().sum().item() for g in grads)
    gradient = [math.sqrt(sum(next(sizes) for _ in group)) for group in groups]
    found = {
        "stream": [_plain(s.double().square().mean().sqrt().item()) for s in states],
        "gradient": [_plain(g) for g in gradient],
        "likeness": [_likeness(s[0]) for s in states],
        "loss": _plain(loss.item()),
    }
    return found | {"note": _note(found, trained)}


def _likeness(x: Tensor) -> float:
    """Return the mean cosine between the vectors of different tokens, (T, D)."""
    unit = F.normalize(x.detach().double(), dim=-1)
    count = len(unit)
    alike = (unit @ unit.T).sum().item() - count
    return alike / (count * (count - 1)) if math.isfinite(alike) else 0.0


def _plain(x: float) -> float:
    """Keep a number within what can be drawn and sent."""
    return min(max(x, 1e-30), 1e30) if math.isfinite(x) else 1e30


def _note(found: dict, trained: bool) -> str:
    stream, gradient = found["stream"], found["gradient"]
    note = (
        f"The stream goes from {stream[0]:.3g} to {stream[-1]:.3g}, the tokens end up "
        f"alike by {found['likeness'][-1]:.2f}, and the first layer's gradient is "
        f"{gradient[0] / gradient[-1]:.3g} times the last one's."
    )
    # a fresh stack reads random tokens: its loss says nothing
    return note + f" The loss is {found['loss']:.2f}." if trained else note
