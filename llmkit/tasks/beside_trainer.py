"""The same run with Hugging Face's `Trainer`: the same curve, from the same seed.

Home notebook: 10_fine_tuning_bert.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor, nn

from llmkit.checks import check_count
from llmkit.tasks.objective import classification_loss


def train_with_trainer(
    model: nn.Module,
    batches: Iterable,
    optimizer: torch.optim.Optimizer,
    *,
    steps: int,
    schedule: Callable[[int], float] | None = None,
    loss: Callable[[nn.Module, tuple], Tensor] | None = None,
    clip: float = 1.0,
    bf16: bool = False,
) -> list[float]:
    """Train as `llmkit.training.train` does, but let `transformers.Trainer` drive.

    Args:
        model: ours, or one from `transformers`; `loss` must be able to call it.
        batches: tuples (ids, attention_mask, labels), at least `steps` of them.
        optimizer: as for `train`.
        steps: how many to take.
        schedule: from the step to a share of the rate; None: always 1.
        loss: from model and batch to a number; None: `classification_loss()`.
        clip: the greatest length of the gradient.
        bf16: whether products are computed in bfloat16.

    Returns:
        The loss of each step, before the step.
    """
    from transformers import PrinterCallback, Trainer, TrainingArguments

    check_count("steps", steps)
    loss = loss or classification_loss()
    losses: list[float] = []

    class OurTrainer(Trainer):
        def get_train_dataloader(self):
            return _Counted(batches, steps)

        def compute_loss(self, model, inputs, **kwargs):
            value = loss(model, inputs["batch"])
            losses.append(value.item())
            return value

    shares = schedule or (lambda step: 1.0)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            max_grad_norm=clip,
            bf16=bf16,
            use_cpu=next(model.parameters()).device.type == "cpu",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        # the seed was set outside: Trainer would set its own
        state = torch.get_rng_state()
        trainer = OurTrainer(
            model=model,
            args=arguments,
            train_dataset=[0] * steps,
            optimizers=(
                optimizer,
                torch.optim.lr_scheduler.LambdaLR(optimizer, shares),
            ),
        )
        trainer.remove_callback(PrinterCallback)
        torch.set_rng_state(state)
        trainer.train()
    return losses


class _Counted:
    """So many batches, as `Trainer` expects them: with a length, as dictionaries."""

    def __init__(self, batches: Iterable, steps: int):
        self.batches, self.steps = batches, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[dict]:
        for batch in islice(self.batches, self.steps):
            yield {"batch": tuple(batch)}
