"""Teach a pretrained model a task: the plain loop with a classification loss.

Devlin et al. 2019, "BERT", section 4; why small sets need more steps and a warm-up:
Mosbach et al. 2021, "On the Stability of Fine-tuning BERT". Home notebook:
10_fine_tuning_bert.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn

from llmkit.checks import check_count, check_positive, check_range
from llmkit.nn import evaluating
from llmkit.tasks.classifier import Classifier
from llmkit.tasks.examples import Example, pad_batch, shuffled_batches
from llmkit.tasks.freezing import layer_rates
from llmkit.tasks.objective import classification_loss
from llmkit.training import Step, train, warmup_cosine


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """What can be chosen about a run of fine-tuning."""

    epochs: int = 3  # how often each example is seen
    batch_size: int = 16  # B
    lr: float = 1e-4  # the head's; see layer_decay for the layers below
    layer_decay: float = 1.0  # each block learns at this share of the one above
    weight_decay: float = 0.01
    warmup: float = 0.1  # the share of the steps in which the rate climbs
    bf16: bool = False  # products in bfloat16
    seed: int = 0  # of the order of the examples

    def __post_init__(self):
        check_count("epochs", self.epochs)
        check_count("batch_size", self.batch_size)
        check_positive("lr", self.lr)
        check_range("warmup", self.warmup, 0.0, 0.9)

    def steps(self, n_examples: int) -> int:
        """Return how many steps the run takes.

        Args:
            n_examples: how many examples are trained on.
        """
        return self.epochs * ceil(n_examples / self.batch_size)

    def schedule(self, n_examples: int) -> Callable[[int], float]:
        """Return the way the rate goes: up, then down along half a cosine.

        Args:
            n_examples: how many examples are trained on.
        """
        steps = self.steps(n_examples)
        return warmup_cosine(steps, warmup=min(steps - 1, round(self.warmup * steps)))


def fine_tune(
    model: Classifier,
    examples: Sequence[Example],
    settings: FineTuning | None = None,
    *,
    loss: Callable[[nn.Module, tuple], Tensor] | None = None,
    on_step: Callable[[Step], bool | None] | None = None,
) -> list[Step]:
    """Train a classifier on a few examples; what is frozen stays as it is.

    Args:
        model: the classifier, changed in place.
        examples: N of them.
        settings: rate, epochs and so on; None: the defaults.
        loss: from model and batch to a number; None: `classification_loss()`.
        on_step: called after each step; returning True ends the run, as in
            `every(20, stop_early(lambda: evaluate(...)))`.

    Returns:
        One `Step` for each step taken.
    """
    settings = settings or FineTuning()
    generator = torch.Generator().manual_seed(settings.seed)
    return train(
        model,
        shuffled_batches(examples, settings.batch_size, generator),
        layer_rates(model, settings.lr, settings.layer_decay, settings.weight_decay),
        steps=settings.steps(len(examples)),
        schedule=settings.schedule(len(examples)),
        loss=loss or classification_loss(),
        bf16=settings.bf16,
        on_step=on_step,
    )


@torch.no_grad()
def predict(
    model: Classifier, examples: Sequence[Example], batch_size: int = 64
) -> Tensor:
    """Return how sure a classifier is of each class, with dropout off.

    Args:
        model: the classifier; each part is left in its own mode.
        examples: N of them; their labels are not looked at.
        batch_size: how many are read together.

    Returns:
        Probabilities, (N, C), in the order of the examples.
    """
    return _collect(
        model, examples, batch_size, lambda out: out.logits.float().softmax(-1)
    )


@torch.no_grad()
def text_vectors(
    model: Classifier, examples: Sequence[Example], batch_size: int = 64
) -> Tensor:
    """Return what the head reads of each text: features, where the encoder is frozen.

    Args:
        model: the classifier; each part is left in its own mode.
        examples: N of them.
        batch_size: how many are read together.

    Returns:
        (N, D), in the order of the examples.
    """
    return _collect(model, examples, batch_size, lambda out: out.pooled)


def _collect(model, examples, batch_size: int, read: Callable) -> Tensor:
    check_count("batch_size", batch_size)
    if not examples:
        raise ValueError("examples must hold at least one; got none")
    device = next(model.parameters()).device
    # short texts together: less padding to compute
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].ids))
    rows = []
    with evaluating(model):
        for start in range(0, len(order), batch_size):
            some = [examples[i] for i in order[start : start + batch_size]]
            ids, mask, _ = pad_batch(some)
            rows.append(read(model(ids.to(device), attention_mask=mask.to(device))))
    found = torch.cat(rows)
    back = torch.empty(len(order), dtype=torch.int64)
    back[torch.tensor(order)] = torch.arange(len(order))
    return found[back.to(found.device)]
