"""What BERT's pretraining minimises, and how well a model does at both its tasks.

Devlin et al. 2019, "BERT", section 3.1. Home notebook: 08_pretraining_bert.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from llmkit.losses import masked_lm_loss, next_sentence_loss
from llmkit.metrics import Interval, bootstrap_interval, wilson_interval
from llmkit.nn import evaluating
from llmkit.training.masking import IGNORED, MaskedBatch


def pretraining_loss(model: nn.Module, batch: MaskedBatch) -> Tensor:
    """Add up the loss of the hidden words and that of the next sentence.

    Args:
        model: a `BERT` with both heads.
        batch: what `masked_batches` yields.

    Returns:
        A number: mean over the hidden tokens plus mean over the pairs.
    """
    ids, attention_mask, segment_ids, labels, follows = batch
    output = model(ids, attention_mask, segment_ids)
    words = masked_lm_loss(output.logits, labels)
    return words + next_sentence_loss(output.nsp_logits, follows)


def masked_words_loss(model: nn.Module, batch: MaskedBatch) -> Tensor:
    """Score the hidden words alone, as RoBERTa does.

    Args:
        model: a `BERT` with the masked-word head.
        batch: what `masked_batches` yields.

    Returns:
        A number.
    """
    ids, attention_mask, segment_ids, labels, _ = batch
    return masked_lm_loss(model(ids, attention_mask, segment_ids).logits, labels)


@dataclass(frozen=True)
class PretrainingScores:
    """How well a model does at both tasks.

    Attributes:
        words: the share of hidden tokens that it names; the interval is by bootstrap
            over pairs, since the tokens of one pair are not independent. None where
            nothing was hidden.
        follows: the share of pairs that it judges rightly, with Wilson's interval.
        words_loss: mean loss over the hidden tokens, in nats; NaN where nothing was.
        follows_loss: mean loss over the pairs, in nats.
    """

    words: Interval | None
    follows: Interval
    words_loss: float
    follows_loss: float


@torch.no_grad()
def score_pretraining(
    model: nn.Module, batches: Iterable[MaskedBatch]
) -> PretrainingScores:
    """Measure both tasks, with dropout off.

    Args:
        model: a `BERT` with both heads.
        batches: what `ordered_batches` yields.

    Returns:
        Accuracies with 95% intervals, and losses.

    Raises:
        ValueError: there is no batch.
    """
    device = next(model.parameters()).device
    rows, right = [], []
    lost_words = lost_pairs = 0.0
    with evaluating(model):
        for batch in batches:
            parts = tuple(part.to(device) for part in batch)
            ids, attention_mask, segment_ids, labels, follows = parts
            output = model(ids, attention_mask, segment_ids)
            asked = labels != IGNORED
            hits = (output.logits.argmax(-1) == labels) & asked
            rows.append(torch.stack([hits.sum(1), asked.sum(1)], dim=1).cpu())
            right.append((output.nsp_logits.argmax(-1) == follows).cpu())
            lost_words += masked_lm_loss(output.logits, labels, reduction="sum").item()
            lost_pairs += next_sentence_loss(
                output.nsp_logits, follows, reduction="sum"
            ).item()
    if not rows:
        raise ValueError("batches must hold at least one batch; got none")
    counts, right = torch.cat(rows), torch.cat(right)
    n_hidden = int(counts[:, 1].sum())
    return PretrainingScores(
        words=bootstrap_interval(counts.numpy(), _share, sums=True)
        if n_hidden
        else None,
        follows=wilson_interval(int(right.sum()), len(right)),
        words_loss=lost_words / n_hidden if n_hidden else math.nan,
        follows_loss=lost_pairs / len(right),
    )


def _share(sums):
    return sums[:, 0] / sums[:, 1]
