"""What does this model cost? Weights, operations and bytes, with real shapes.

Home notebook: 05_transformer_block.
"""

from __future__ import annotations

import torch
from torch import nn

from llmkit.checks import check_type
from llmkit.explore.given import own_model
from llmkit.models import BERT, DECODERS
from llmkit.models.costs import cost_table, kv_cache_bytes, training_bytes
from llmkit.tokenizers import as_tokenizer
from llmkit.viz.cost_card import CostCard

_LENGTHS = (16, 128, 1024, 8192, 131072)


def cost(
    model: nn.Module,
    tokenizer=None,
    text: str = "The quick brown fox jumps over the lazy dog.",
    name: str | None = None,
) -> CostCard:
    """Show what a model is made of and what it costs.

    Args:
        model: a decoder of the kit or a `BERT`, or one of `transformers`.
        tokenizer: the model's; None: 16 tokens stand for the text.
        text: what is read, for the shapes and the operations.
        name: what stands on top; None: the model's class.

    Returns:
        A card: HTML in a notebook, `table()` and `alt` elsewhere.

    Raises:
        ValueError: the text gives no token.
    """
    model = own_model(model)
    check_type("model", model, (*DECODERS, BERT))
    ids = [0] * min(16, model.config.context_length)
    if tokenizer is not None:
        ids = as_tokenizer(tokenizer).encode(text)[: model.config.context_length]
        if not ids:
            raise ValueError(
                f"text must give at least one token; got {text!r}, which gives none"
            )
    parts = [(p.name, p.weights, p.flops) for p in cost_table(model, len(ids))]
    # the cost is a polynomial, c + a T + b T²; b belongs to the pairs of tokens
    first, second = (sum(p.flops for p in cost_table(model, t)) for t in (1, 2))
    pairs = sum(p.flops for p in cost_table(model, 1) if p.name == "scores and mixing")
    linear = second - first - 3 * pairs
    decoder = not isinstance(model, BERT)
    n_bytes = sum(p.numel() * p.element_size() for p in model.parameters())
    return CostCard(
        name or type(model).__name__,
        parts,
        _shapes(model, ids),
        length=len(ids),
        lengths=_LENGTHS,
        cache_bytes=kv_cache_bytes(model, 1) if decoder else None,
        linear=linear,
        constant=first - linear - pairs,
        square=pairs,
        memory=[
            ("the weights, as they are", n_bytes),
            ("the weights in 16 bits", sum(p.numel() for p in model.parameters()) * 2),
            ("training: weights, gradients, AdamW", training_bytes(model)),
        ],
    )


@torch.no_grad()
def _shapes(model: nn.Module, ids: list[int]) -> list[tuple[str, str, str]]:
    """Run the model once and write down the shapes that were really there."""
    device = next(model.parameters()).device
    out = model(
        torch.tensor([ids], device=device),
        output_attentions=True,
        output_hidden_states=True,
    )
    rows = [
        ("ids", "B T", (1, len(ids))),
        ("residual stream", "B T D", out.hidden_states[0].shape),
        ("attention weights of a layer", "B H T T", out.attentions[0].shape),
        ("last hidden state", "B T D", out.last_hidden_state.shape),
    ]
    if out.logits is not None:
        rows.append(("logits", "B T V", out.logits.shape))
    return [(name, axes, " × ".join(map(str, shape))) for name, axes, shape in rows]
