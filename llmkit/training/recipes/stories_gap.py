"""Where a model of the stories lies above the floor: word by word, kind by kind.

Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from llmkit.data.stories import Story
from llmkit.data.stories.world import COLOURS, PLACES, THINGS
from llmkit.losses import cross_entropy
from llmkit.nn import evaluating
from llmkit.tokenizers import Tokenizer
from llmkit.training.rows import pad_rows, story_ids

KINDS = (
    "the opening",
    "who, or the end",
    "what happens",
    "which place",
    "which colour",
    "which thing had that colour",
    "whom, and the rest",
)


def gap_by_kind(
    model: nn.Module, tokenizer: Tokenizer, told: Sequence[Story], batch_size: int = 50
) -> dict[str, dict[str, float]]:
    """Take the distance to the floor apart.

    Args:
        model: a decoder.
        tokenizer: the stories' own.
        told: stories to measure it on.
        batch_size: how many are read at once.

    Returns:
        For each of `KINDS`: `words`, how many there are; `nats`, how far the model lies
        above the teller's own surprise at each of them; `share`, of the whole floor.
    """
    found = {kind: {"words": 0, "nats": 0.0} for kind in KINDS}
    for begin in range(0, len(told), batch_size):
        part = told[begin : begin + batch_size]
        ids, targets = pad_rows([story_ids(tokenizer, story) for story in part])
        with torch.no_grad(), evaluating(model):
            nats = cross_entropy(model(ids).logits, targets, reduction="none")
        for story, row in zip(part, nats.tolist(), strict=True):
            # "Anna was in the park ." and "There was a red ball in the park ."
            opening = 6 * len(story.start.people) + 9 * len(story.start.things)
            words = [*story.words, ""]  # the separator behind it carries no bits
            for i, bits in enumerate([*story.bits, 0.0]):
                kind = _kind(words, i, opening)
                found[kind]["words"] += 1
                found[kind]["nats"] += row[i] - bits * math.log(2)
    floor = sum(story.surprisal for story in told) * math.log(2)
    return {
        kind: {
            "words": int(sums["words"]),
            "nats": sums["nats"] / max(sums["words"], 1),
            "share": sums["nats"] / floor,
        }
        for kind, sums in found.items()
    }


def _kind(words: Sequence[str], i: int, opening: int) -> str:
    """Name what the teller decided at a word, if anything."""
    one, two = (words[i - 1] if i > 0 else ""), (words[i - 2] if i > 1 else "")
    if i < opening:
        return "the opening"
    if one == ".":
        return "who, or the end"
    if two == ".":
        return "what happens"
    if words[i] in PLACES:
        return "which place"
    if words[i] in COLOURS:
        return "which colour"
    if words[i] in THINGS and one in COLOURS:
        return "which thing had that colour"
    return "whom, and the rest"
