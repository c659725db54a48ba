"""What a model costs: weights, operations and bytes, counted from its parts.

Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1, counts the
same operations. Home notebook: 05_transformer_block.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from llmkit.checks import check_positive, check_type
from llmkit.models import BERT, DECODERS
from llmkit.nn import MultiHeadAttention

ADAMW_NUMBERS = 4  # for each weight: itself, its gradient, two running averages


@dataclass(frozen=True)
class Part:
    """One line of the bill.

    Attributes:
        name: such as "attention, 5 blocks".
        weights: how many numbers it holds.
        flops: how many multiplications and additions it takes to read the text.
    """

    name: str
    weights: int
    flops: int


def cost_table(model: nn.Module, length: int) -> list[Part]:
    """Count weights and operations of each kind of part.

    Operations are those of the matrix products, two for each multiply-and-add; norms,
    activations and the softmax add a few per cent. A text is read at once, and hidden
    scores are counted too, as most programs compute them.

    Args:
        model: a decoder of the kit or a `BERT`.
        length: T, how many tokens are read.

    Returns:
        The parts; their weights add up to `sum(p.numel() for p in
        model.parameters())`.
    """
    check_type("model", model, (*DECODERS, BERT))
    check_positive("length", length)
    weights: dict[str, int] = {}
    flops: dict[str, int] = {}
    for name, p in model.named_parameters():  # a shared one comes once
        key = _part(name)
        weights[key] = weights.get(key, 0) + p.numel()
    for name, module in model.named_modules():
        key = _part(f"{name}.")
        if isinstance(module, nn.Linear):
            # BERT's last two heads look at the first token alone
            tokens = 1 if key in ("pooler", "nsp_head") else length
            cost = 2 * module.weight.numel() * tokens
        elif isinstance(module, MultiHeadAttention):
            # every query with every key, then every weight with every value
            cost = 2 * 2 * length * length * module.n_heads * module.d_head
            key = "scores and mixing"
        else:
            continue
        flops[key] = flops.get(key, 0) + cost
    names = [*weights, *(key for key in flops if key not in weights)]
    return [Part(key, weights.get(key, 0), flops.get(key, 0)) for key in names]


def count_flops(model: nn.Module, length: int) -> int:
    """Count the operations of all matrix products of one forward pass.

    Args:
        model: a decoder of the kit or a `BERT`.
        length: T, how many tokens are read at once.

    Returns:
        Multiplications and additions. A backward pass takes twice as many more.
    """
    return sum(part.flops for part in cost_table(model, length))


def kv_cache_bytes(model: nn.Module, length: int, bytes_per_number: int = 4) -> int:
    """Compute how much room the kept keys and values take.

    Args:
        model: a decoder of the kit, such as `GPT` or `Llama`.
        length: how many tokens are kept.
        bytes_per_number: 4 in float32, 2 in float16 and bfloat16.

    Returns:
        Bytes for one text.
    """
    check_type("model", model, DECODERS, "Only decoders keep a cache.")
    layers = [block.attention for block in model.blocks]
    per_token = sum(2 * a.n_kv_heads * a.d_head for a in layers)
    return per_token * length * bytes_per_number


def training_bytes(model: nn.Module) -> int:
    """Compute the room for weights, gradients and AdamW's averages in float32.

    The activations that the backward pass needs come on top; they grow with the batch.

    Args:
        model: any module.

    Returns:
        Bytes.
    """
    return ADAMW_NUMBERS * 4 * sum(p.numel() for p in model.parameters())


def _part(name: str) -> str:
    """Name the line of the bill that a weight belongs to."""
    pieces = name.split(".")
    if pieces[0] != "blocks" or len(pieces) < 3:
        return pieces[0]
    kind = pieces[2]
    return "norms" if "norm" in kind else kind
