"""Look back at a run: what a model said and where it looked, snapshot by snapshot.

Induction is measured on the sentence, where that repeats itself, and on a row of random
tokens that comes twice, as Olsson et al. 2022, "In-context Learning and Induction
Heads", do. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from llmkit.checks import check_type
from llmkit.explore.samples import first_tokens, likely_next, writer
from llmkit.metrics.heads import head_scores, induction_score
from llmkit.models import DECODERS
from llmkit.nn import model_lock
from llmkit.tokenizers import as_tokenizer
from llmkit.trace import capture
from llmkit.trace.running import running
from llmkit.training import Snapshot, load_snapshots
from llmkit.viz.time_machine import Recording, TimeMachine

RANDOM = "induction on random tokens"
_REPEATED = 16  # random tokens that come twice


def time_machine(
    snapshots: Sequence[Snapshot] | Path | str,
    model: nn.Module,
    tokenizer,
    sentence: str,
    *,
    prompt: str | None = None,
    sample: Callable[[nn.Module], str] | None = None,
    curve=None,
    floor: float | None = None,
    baselines: dict[str, float] | None = None,
    max_new_tokens: int = 24,
    **traits,
) -> TimeMachine:
    """Show a run by its snapshots.

    Args:
        snapshots: from `take_snapshot`, or the file that `save_snapshots` wrote. Their
            score "loss" is drawn, their other numbers stand in a table.
        model: of the same configuration; it is copied, never changed.
        tokenizer: its tokenizer.
        sentence: the text whose attention is shown; its first 24 tokens.
        prompt: the model writes on from here, always the likeliest token.
        sample: from the model to a text that is shown instead, as for BERT.
        curve: the loss of each step, such as `[(s.step + 1, s.loss) for s in history]`.
        floor: a loss that no model can pass.
        baselines: losses of simpler models, such as those of n-grams.
        max_new_tokens: how much is written.
        **traits: a state to begin with, such as `index=3`.

    Returns:
        The view. `view.model_at(i)` is the model as it was at snapshot i.

    Raises:
        ValueError: there are fewer than two snapshots, or they are of another
            configuration.
    """
    if isinstance(snapshots, (str, Path)):
        snapshots = load_snapshots(snapshots, model)
    snapshots = list(snapshots)
    recording = record(
        snapshots, model, tokenizer, sentence, prompt, sample, max_new_tokens
    )
    lines = ({} if floor is None else {"floor": floor}) | (baselines or {})
    for name in ("induction", RANDOM):
        if name in recording.head_scores:
            traits.setdefault("score", name)
    return TimeMachine(
        recording,
        curve=curve,
        lines=lines,
        load=lambda i: snapshots[i].put_into(_copy(model)),
        **traits,
    )


def record(
    snapshots: Sequence[Snapshot],
    model: nn.Module,
    tokenizer,
    sentence: str,
    prompt: str | None = None,
    sample: Callable[[nn.Module], str] | None = None,
    max_new_tokens: int = 24,
) -> Recording:
    """Run the model as it was at each snapshot, and keep what it did.

    Args:
        snapshots: of one run.
        model: of the same configuration; it is copied.
        tokenizer: its tokenizer.
        sentence: the text whose attention is kept; its first 24 tokens.
        prompt: the model writes on from here; None: it writes nothing.
        sample: from the model to a text that is kept instead.
        max_new_tokens: how much is written.

    Returns:
        The `Recording`.

    Raises:
        ValueError: there are fewer than two snapshots.
    """
    for each in snapshots:
        check_type("snapshots", each, Snapshot, "take_snapshot(model, step) makes one.")
    if len(snapshots) < 2:
        raise ValueError(f"snapshots must be at least two; got {len(snapshots)}")
    tokenizer, past = as_tokenizer(tokenizer), _copy(model)
    sentence = first_tokens(tokenizer, sentence)
    write = sample
    if prompt is not None and sample is None:
        told = writer(past, tokenizer, prompt, max_new_tokens)
        write = lambda _: told()  # noqa: E731
    weights, per_head, samples, odds = [], [], [], []
    for snapshot in snapshots:
        snapshot.put_into(past)
        trace = capture(past, tokenizer, sentence)
        weights.append(trace.attentions.numpy())
        per_head.append(_scores(past, trace))
        if write is not None:
            samples.append(write(past))
        if prompt is not None:
            odds.append(likely_next(past, tokenizer, prompt))
    names = [n for n in per_head[0] if all(n in scores for scores in per_head)]
    return Recording(
        steps=[s.step for s in snapshots],
        tokens=trace.tokens,
        attentions=np.stack(weights),
        causal=trace.causal,
        head_scores={n: np.stack([scores[n] for scores in per_head]) for n in names},
        scores=_numbers(snapshots) | {"weights moved": _moved(snapshots)},
        samples=samples,
        odds=odds,
    )


def _copy(model: nn.Module) -> nn.Module:
    with model_lock(model):  # a run may be training it
        return copy.deepcopy(model).eval()


def _scores(model: nn.Module, trace) -> dict[str, np.ndarray]:
    """Score the heads on the sentence, and induction on a random row as well."""
    words = [None if s else i for i, s in zip(trace.ids, trace.special, strict=True)]
    scores = head_scores(trace.attentions, words)
    config = getattr(model, "config", None)
    length = min(
        _REPEATED,
        getattr(config, "context_length", 0) // 2,
        getattr(config, "vocab_size", 0),
    )
    if isinstance(model, DECODERS) and length > 1:
        draw = torch.Generator().manual_seed(0)  # the same row at every snapshot
        ids = torch.randperm(config.vocab_size, generator=draw)[:length].repeat(2)
        device = next(model.parameters()).device
        with running(model):
            output = model(ids[None].to(device), output_attentions=True)
        found = torch.stack([layer[0].float().cpu() for layer in output.attentions])
        scores[RANDOM] = induction_score(found, ids.tolist())
    return scores


def _numbers(snapshots: Sequence[Snapshot]) -> dict[str, list]:
    """Return the numbers among the scores, the loss first."""
    names = {k: None for s in snapshots for k, v in s.scores.items() if _is_number(v)}
    names = sorted(names, key=lambda name: name != "loss")
    kept = {name: [s.scores.get(name) for s in snapshots] for name in names}
    return {
        name: [v if _is_number(v) else None for v in values]
        for name, values in kept.items()
    }


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _moved(snapshots: Sequence[Snapshot]) -> list[float | None]:
    """Return how far all weights went since the snapshot before, as a share."""
    moved: list[float | None] = [None]
    for before, after in pairwise(snapshots):
        pairs = [(before.weights[k].double(), v) for k, v in after.weights.items()]
        pairs = [(a, b.double()) for a, b in pairs if b.is_floating_point()]
        way = sum(float((b - a).square().sum()) for a, b in pairs)
        size = sum(float(a.square().sum()) for a, _ in pairs)
        moved.append((way / size) ** 0.5 if size else None)
    return moved
