"""What a model returns: one record, in which the parts not asked for are None."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from llmkit.checks import check_shape


@dataclass
class ModelOutput:
    """Everything that a forward pass can hand back, by the field's usual names.

    Tuples run over layers. `hidden_states` has L + 1 entries: what goes into the first
    block, then what comes out of each. The last one is taken before the final norm.
    """

    logits: Tensor | None = None  # (B, T, V)
    last_hidden_state: Tensor | None = None  # (B, T, D), after the final norm
    hidden_states: tuple[Tensor, ...] | None = None  # L + 1 of (B, T, D)
    attentions: tuple[Tensor, ...] | None = None  # L of (B, H, T, S)
    cross_attentions: tuple[Tensor, ...] | None = None  # L of (B, H, T, S')
    encoder_hidden_states: tuple[Tensor, ...] | None = None
    encoder_attentions: tuple[Tensor, ...] | None = None
    encoder_last_hidden_state: Tensor | None = None  # (B, S', D)
    pooled: Tensor | None = None  # (B, D), BERT's view of the whole text
    nsp_logits: Tensor | None = None  # (B, 2): follows, does not follow
    cache: object | None = None  # the `KVCache` that was passed in


class Recorder:
    """Collects what each block hands out, if it was asked for.

    Args:
        hidden: whether to keep the residual stream.
        weights: whether to keep attention weights.
    """

    def __init__(self, hidden: bool, weights: bool):
        self.hidden = [] if hidden else None
        self.weights = [] if weights else None
        self.cross = [] if weights else None

    def stream(self, x: Tensor) -> None:
        """Keep one state of the residual stream, (B, T, D)."""
        if self.hidden is not None:
            self.hidden.append(x)

    def looked(self, weights: Tensor | None, cross: Tensor | None = None) -> None:
        """Keep one layer's weights."""
        if self.weights is not None:
            self.weights.append(weights)
            if cross is not None:
                self.cross.append(cross)

    def states(self) -> tuple[Tensor, ...] | None:
        """Return the kept streams."""
        return None if self.hidden is None else tuple(self.hidden)

    def attentions(self) -> tuple[Tensor, ...] | None:
        """Return the kept self-attention weights."""
        return None if self.weights is None else tuple(self.weights)

    def cross_attentions(self) -> tuple[Tensor, ...] | None:
        """Return the kept cross-attention weights."""
        return tuple(self.cross) if self.cross else None


def check_ids(ids: Tensor, vocab_size: int, name: str = "ids") -> tuple[int, int]:
    """Check token ids before they are looked up.

    Args:
        ids: int64, (B, T).
        vocab_size: V.
        name: the argument's name, for the message.

    Returns:
        B and T.

    Raises:
        TypeError: they are not whole numbers.
        ValueError: the shape is wrong, or an id is not in the vocabulary.
    """
    sizes = check_shape(name, ids, "B T")
    if ids.dtype not in (torch.int64, torch.int32):
        raise TypeError(
            f"{name} must be int64 token ids; got {ids.dtype}. Text goes through a "
            "tokenizer first."
        )
    if ids.numel() and (int(ids.max()) >= vocab_size or int(ids.min()) < 0):
        raise ValueError(
            f"{name} must lie between 0 and vocab_size - 1 = {vocab_size - 1}; got ids "
            f"from {int(ids.min())} to {int(ids.max())}. Were they made by the "
            "tokenizer of another model?"
        )
    return sizes["B"], sizes["T"]


def check_context(length: int, context_length: int) -> None:
    """Refuse a text that is longer than the model's context.

    Args:
        length: how many positions are needed.
        context_length: the most that the model has.

    Raises:
        ValueError: it is too long.
    """
    if length > context_length:
        raise ValueError(
            f"the text needs {length} positions, but context_length={context_length}; "
            "give fewer tokens, such as ids[:, -context_length:]"
        )
