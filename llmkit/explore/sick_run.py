"""Choose what goes wrong with a run, watch its loss, and ask the doctor.

Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor, nn

from llmkit.checks import check_choice
from llmkit.data.stories import stories, vocabulary
from llmkit.metrics import NGram
from llmkit.models import GPT, GPTConfig
from llmkit.training import Doctor, adamw, random_windows, train
from llmkit.training.loop import next_token
from llmkit.viz.sick_run import HEALTHY, SickRun

STEPS, LENGTH, BATCH = 80, 24, 16


@dataclass
class Run:
    """Everything that makes a run; a fault changes one thing in it."""

    model: GPT
    batches: Iterator
    lr: float = 3e-3
    weight_decay: float = 0.1
    loss: Callable[[nn.Module, tuple], Tensor] = next_token
    optimizer: torch.optim.Optimizer | None = None
    doctor: dict = field(default_factory=dict)


def sick_run(case: str = "rate_high", **traits) -> SickRun:
    """Show a run with a planted fault beside a healthy one, and the doctor's notes.

    Each run trains a small GPT on stories for 80 steps, when it is chosen.

    Args:
        case: what goes wrong; one of `CASES`.
        **traits: choices to begin with, such as `told=False`.

    Returns:
        The view; `.notes` and `.now["losses"]` hold what is shown.
    """
    check_choice("case", case, CASES)
    labels = [[key, label] for key, (label, _) in CASES.items()]
    return SickRun(measure, labels, levels(), case, **traits)


def measure(case: str, seed: int = 0) -> dict:
    """Train one case with a doctor.

    Args:
        case: one of `CASES`.
        seed: of the weights and the batches.

    Returns:
        `losses`, None where one is no number, and `notes`, a list of name, what was
        seen and what to do.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _model()
        batches = random_windows(_ids(), LENGTH, BATCH, _generator(seed))
        run = Run(model, batches)
        CASES[case][1](run)
        optimizer = run.optimizer or adamw(run.model, run.lr, run.weight_decay)
        doctor = Doctor(run.model, optimizer, **run.doctor)
        losses: list[float | None] = []

        def after(step):
            losses.append(round(step.loss, 4))
            doctor(step)

        try:
            train(
                run.model,
                doctor.watch(run.batches),
                optimizer,
                steps=STEPS,
                loss=run.loss,
                on_step=after,
            )
        except FloatingPointError:
            losses.append(None)
    doctor.leave()
    return {
        "losses": losses,
        "notes": [[note.name, note.what, note.advice] for note in doctor.notes],
    }


@cache
def levels() -> dict[str, float]:
    """Return what the losses are compared with: counting models, and the floor."""
    ids, size = _ids().tolist(), len(vocabulary())
    cut = len(ids) * 9 // 10
    found = {
        name: NGram(order, size).fit(ids[:cut]).loss(ids[cut:])
        for order, name in enumerate(("unigram", "bigram"), start=1)
    }
    bits = [b for story in _stories() for b in story.bits]
    return found | {"floor": sum(bits) / len(bits) * math.log(2)}


@cache
def _stories() -> list:
    return list(stories(600, seed=0))


@cache
def _ids() -> Tensor:
    """All stories in a row, a word for a token."""
    known = {word: i for i, word in enumerate(vocabulary())}
    return torch.tensor([known[w] for story in _stories() for w in story.words])


def _model(**changes) -> GPT:
    sizes = {"vocab_size": len(vocabulary()), "context_length": LENGTH}
    sizes |= {"d_model": 32, "n_heads": 4, "n_layers": 2}
    return GPT(GPTConfig(**sizes | changes))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- what goes wrong: each changes one thing -----------------------------------------


def _rate_high(run: Run) -> None:
    run.lr *= 300


def _rate_low(run: Run) -> None:
    run.lr /= 10_000


def _not_shifted(run: Run) -> None:
    run.batches = ((ids, ids.clone()) for ids, _ in run.batches)


def _future(run: Run) -> None:
    for block in run.model.blocks:
        attend = block.attention.forward

        def look(x, mask=None, attend=attend, **kwargs):
            return attend(x, mask=None, **kwargs)

        block.attention.forward = look


def _large_start(run: Run) -> None:
    nn.init.normal_(run.model.token_embedding.weight, std=1.0)


def _dead(run: Run) -> None:
    run.model = _model(activation="relu")
    for block in run.model.blocks:
        nn.init.constant_(block.mlp.up_proj.bias, -10.0)


def _same_batch(run: Run) -> None:
    one = next(run.batches)
    run.batches = iter(lambda: one, None)


def _sum(run: Run) -> None:
    run.loss = lambda model, batch: next_token(model, batch) * batch[1].numel()


def _decay(run: Run) -> None:
    run.weight_decay = 30.0


def _left_out(run: Run) -> None:
    run.optimizer = torch.optim.AdamW(run.model.blocks[-1].parameters(), run.lr)


def _ignored(run: Run) -> None:
    def batches(given):
        for number, (ids, targets) in enumerate(given):
            yield ids, torch.full_like(targets, -100) if number == 30 else targets

    run.batches = batches(run.batches)


# key -> what it is called, and what it does to a run
CASES: dict[str, tuple[str, Callable[[Run], None]]] = {
    HEALTHY: ("nothing", lambda run: None),
    "rate_high": ("the rate is 300 times too high", _rate_high),
    "rate_low": ("the rate is 10,000 times too low", _rate_low),
    "not_shifted": ("the targets are not shifted", _not_shifted),
    "future": ("the mask is missing", _future),
    "large_start": ("token vectors of size 1", _large_start),
    "dead": ("ReLUs that start switched off", _dead),
    "same_batch": ("the same batch at each step", _same_batch),
    "sum": ("the sum instead of the mean", _sum),
    "decay": ("weight decay 30", _decay),
    "left_out": ("only the last block is in the optimizer", _left_out),
    "ignored": ("in batch 30 every target is ignored", _ignored),
}
