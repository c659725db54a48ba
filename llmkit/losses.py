"""What a language model minimises: the surprise at each next token, in nats.

Shannon 1948, "A Mathematical Theory of Communication", section 6; label smoothing:
Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7; masked tokens
and next sentence: Devlin et al. 2019, "BERT", section 3.1; z-loss: Chowdhery et al.
2022, "PaLM", section 5. Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llmkit.checks import check_choice, check_range, check_shape


def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Return minus the log of the probability that the model gave to each target.

    A model that spreads its probability evenly over V tokens scores log(V).

    Args:
        logits: (..., V), the scores before the softmax.
        targets: int64, (...), the right token at each position.
        ignore_index: a target with this value counts for nothing, such as padding.
        label_smoothing: this share of each target is spread evenly over all V
            tokens.
        reduction: `"mean"` over the targets that count, `"sum"`, or `"none"`.

    Returns:
        A number, or (...) for `"none"`, where ignored positions are 0. The mean over
        no target at all is nan, as in PyTorch.

    Raises:
        ValueError: the shapes do not fit, or a target lies outside 0 to V - 1.
    """
    check_choice("reduction", reduction, ("mean", "sum", "none"))
    check_range("label_smoothing", label_smoothing, 0.0, 1.0)
    _check_targets(logits, targets, ignore_index)
    counts = targets != ignore_index  # (...)
    safe_targets = targets.masked_fill(~counts, 0)
    # the greatest logit is taken off first: exp of it would overflow from 89 on
    shifted = logits - logits.detach().amax(dim=-1, keepdim=True)
    log_total = shifted.exp().sum(dim=-1).log()  # (..., V) -> (...)
    right = shifted.gather(-1, safe_targets[..., None]).squeeze(-1)  # (...)
    losses = log_total - right
    if label_smoothing:
        spread = log_total - shifted.mean(dim=-1)
        losses = (1 - label_smoothing) * losses + label_smoothing * spread
    return _reduce(losses, counts, reduction)


def next_token_loss(
    logits: Tensor, ids: Tensor, attention_mask: Tensor | None = None
) -> Tensor:
    """Score each position by how well it foresaw the token after it.

    Args:
        logits: (B, T, V), from a decoder that read `ids`.
        ids: int64, (B, T); the targets are the same ids, one place further.
        attention_mask: bool, (B, T); True marks a real token. Padding is never a
            target.

    Returns:
        The mean over all targets, a number.
    """
    sizes = check_shape("logits", logits, "B T V")
    check_shape("ids", ids, "B T", B=sizes["B"], T=sizes["T"])
    targets = ids[:, 1:]
    if attention_mask is not None:
        check_shape("attention_mask", attention_mask, "B T", T=sizes["T"])
        targets = targets.masked_fill(~attention_mask[:, 1:].bool(), -100)
    # the last position foresees a token that is not there
    return cross_entropy(logits[:, :-1], targets)


def masked_lm_loss(
    logits: Tensor, labels: Tensor, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Score the guesses at the hidden tokens, and at no other.

    Args:
        logits: (B, T, V), from an encoder that read the masked text.
        labels: int64, (B, T): the token that stood there, or `ignore_index` where
            nothing was hidden.
        ignore_index: a label with this value counts for nothing.
        reduction: as in `cross_entropy`.

    Returns:
        A number, or (B, T) for `"none"`. Unlike `next_token_loss` nothing is shifted:
        an encoder names the token at the very place it reads.
    """
    check_shape("logits", logits, "B T V")
    return cross_entropy(logits, labels, ignore_index, reduction=reduction)


def next_sentence_loss(
    logits: Tensor, labels: Tensor, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Score the guess whether the second sentence follows the first.

    Args:
        logits: (B, 2), a score for "follows" and one for "does not follow", in the
            order of BERT.
        labels: int64, (B,): 0 follows, 1 does not.
        ignore_index: a pair with this label counts for nothing.
        reduction: as in `cross_entropy`.

    Returns:
        A number, or (B,) for `"none"`; log(2) = 0.693 for a guess at even odds.
    """
    check_shape("logits", logits, "B 2")
    return cross_entropy(logits, labels, ignore_index, reduction=reduction)


def z_loss(
    logits: Tensor,
    targets: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return the square of log Z, where Z is the sum under the softmax.

    The softmax does not change when the same number is added to all logits, so they
    can drift until they overflow. Added to the loss, times 1e-4, this holds log Z
    near 0.

    Args:
        logits: (..., V).
        targets: int64, (...), used only to know which positions count; None: all.
        ignore_index: a position with this target counts for nothing.
        reduction: as in `cross_entropy`.

    Returns:
        A number, or (...) for `"none"`, where ignored positions are 0.
    """
    check_choice("reduction", reduction, ("mean", "sum", "none"))
    if targets is None:
        targets = logits.new_zeros(logits.shape[:-1], dtype=torch.int64)
    _check_targets(logits, targets, ignore_index)
    greatest = logits.detach().amax(dim=-1, keepdim=True)
    log_z = (logits - greatest).exp().sum(dim=-1).log() + greatest.squeeze(-1)
    return _reduce(log_z.square(), targets != ignore_index, reduction)


def _reduce(losses: Tensor, counts: Tensor, reduction: str) -> Tensor:
    """Average, add up or keep (...) losses, of which only some count."""
    losses = losses.masked_fill(~counts, 0.0)
    if reduction == "none":
        return losses
    total = losses.sum()
    return total if reduction == "sum" else total / counts.sum()


def _check_targets(logits: Tensor, targets: Tensor, ignore_index: int) -> None:
    if logits.dim() < 1 or tuple(targets.shape) != tuple(logits.shape[:-1]):
        raise ValueError(
            "targets must have the shape of logits without its last axis, "
            f"{tuple(logits.shape[:-1])}; got {tuple(targets.shape)}"
        )
    if targets.dtype != torch.int64:
        raise TypeError(f"targets must be int64 token ids; got {targets.dtype}")
    real = targets[targets != ignore_index]
    vocab_size = logits.shape[-1]
    if real.numel() and (int(real.min()) < 0 or int(real.max()) >= vocab_size):
        raise ValueError(
            f"targets must lie between 0 and {vocab_size - 1}, or be "
            f"ignore_index={ignore_index}; got {int(real.min())} to {int(real.max())}"
        )
