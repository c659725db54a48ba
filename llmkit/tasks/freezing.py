"""Which layers learn, and how fast each of them.

Discriminative rates: Howard and Ruder 2018, "Universal Language Model Fine-tuning for
Text Classification", section 3.2. Home notebook: 10_fine_tuning_bert.
"""

from __future__ import annotations

import torch
from torch import nn

from llmkit.checks import check_positive, check_range
from llmkit.tasks.classifier import Classifier


def freeze(model: Classifier, layers: int, embeddings: bool | None = None) -> int:
    """Freeze the lowest layers, and thaw all others.

    Args:
        model: the classifier.
        layers: how many blocks, counted from the text; as many as the encoder has
            freezes all of it, and only the head learns.
        embeddings: whether to freeze the tables below the blocks too; None: only if
            at least one block is frozen.

    Returns:
        How many numbers are left to learn.

    Raises:
        ValueError: the encoder has not so many layers.
    """
    blocks = model.encoder.blocks
    if not 0 <= layers <= len(blocks):
        raise ValueError(
            f"layers must lie between 0 and the {len(blocks)} of this encoder; "
            f"got {layers}"
        )
    embeddings = layers > 0 if embeddings is None else embeddings
    for depth, weight in _by_depth(model):
        frozen = embeddings if depth == 0 else depth <= layers
        # a pooler or a word head above the blocks belongs to the encoder
        if depth > len(blocks) and not _in_head(model, weight):
            frozen = layers == len(blocks)
        weight.requires_grad_(not frozen)
    return sum(w.numel() for w in model.parameters() if w.requires_grad)


def layer_rates(
    model: Classifier, lr: float, decay: float = 1.0, weight_decay: float = 0.01
) -> torch.optim.AdamW:
    """Make AdamW whose rate shrinks from the head down to the embeddings.

    Lower layers know what is common to all tasks, so they should change least.

    Args:
        model: the classifier; frozen weights are left out.
        lr: the greatest rate of the head and of the last block.
        decay: each block learns at this share of the rate of the block above it; 1
            gives all layers one rate.
        weight_decay: how fast unused matrices shrink; biases and norms do not.

    Returns:
        PyTorch's optimiser. Its first group is the head's matrix.

    Raises:
        ValueError: nothing is left to learn.
    """
    check_positive("lr", lr)
    check_range("decay", decay, 0.0, 1.0)
    top = len(model.encoder.blocks)
    groups: dict[tuple, list[nn.Parameter]] = {}
    for depth, weight in _by_depth(model):
        if weight.requires_grad:
            groups.setdefault((min(depth, top), weight.dim() >= 2), []).append(weight)
    if not groups:
        raise ValueError(
            "layer_rates needs something that learns; all weights are frozen. Thaw "
            "some with freeze(model, layers=0)"
        )
    # the head first: its rate is the one that a `Step` reports
    ordered = sorted(groups.items(), key=lambda item: (-item[0][0], not item[0][1]))
    return torch.optim.AdamW(
        [
            {
                "params": weights,
                "lr": lr * decay ** (top - depth),
                "weight_decay": weight_decay if matrix else 0.0,
            }
            for (depth, matrix), weights in ordered
        ],
        betas=(0.9, 0.999),
        fused=all(
            w.device.type in ("cpu", "cuda") for ws in groups.values() for w in ws
        ),
    )


def _by_depth(model: Classifier) -> list[tuple[int, nn.Parameter]]:
    """Pair each weight with its depth: 0 embeddings, 1 to L blocks, L + 1 above."""
    depths = {}
    blocks = model.encoder.blocks
    above = ("pooler", "mlm_head", "nsp_head", "norm", "final_norm", "lm_head")
    for name, weight in model.encoder.named_parameters():
        part, _, rest = name.partition(".")
        if part == "blocks":
            depths[weight] = int(rest.split(".")[0]) + 1
        else:
            depths[weight] = len(blocks) + 1 if part in above else 0
    depths |= {weight: len(blocks) + 1 for weight in model.head.parameters()}
    # the head's own weights first within their depth
    return sorted(
        ((d, w) for w, d in depths.items()),
        key=lambda pair: not _in_head(model, pair[1]),
    )


def _in_head(model: Classifier, weight: nn.Parameter) -> bool:
    return any(weight is other for other in model.head.parameters())
