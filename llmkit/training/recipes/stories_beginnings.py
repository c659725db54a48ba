"""What each choice about the beginning of the stories' model is worth.

The same short run again and again, each time with one choice taken back. Home notebook:
07_pretraining_gpt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from llmkit.data.stories import Story
from llmkit.models import Llama
from llmkit.runtime import seed_all
from llmkit.tokenizers import WordPieceTokenizer
from llmkit.training.recipes.stories_gap import gap_by_kind


@torch.no_grad()
def _look_anywhere(model: Llama) -> None:
    attention = model.blocks[0].attention
    for part in (attention.q_proj, attention.k_proj):
        nn.init.zeros_(part.bias)
    for part in (attention.v_proj, attention.o_proj):
        nn.init.normal_(part.weight, std=0.02)


def _short_inputs(model: Llama) -> None:
    nn.init.normal_(model.token_embedding.weight, std=0.02)


def _short_outputs(model: Llama) -> None:
    nn.init.normal_(model.lm_head.weight, std=0.02)


# what is done to the first weights, and by how much the rate is greater
TAKEN_BACK: dict[str, tuple[Callable[[Llama], None], float]] = {
    "as shipped": (lambda model: None, 1.0),
    "no head that looks back": (_look_anywhere, 1.0),
    "short word vectors": (_short_inputs, 1.0),
    "short output vectors": (_short_outputs, 1.0),
    "four times the rate": (lambda model: None, 4.0),
}


def compare_beginnings(
    make: Callable[[], Llama],
    train: Callable[[Llama, int, float], object],
    tokenizer: WordPieceTokenizer,
    told: Sequence[Story],
    seeds: Sequence[int] = (0, 1),
) -> dict[str, list[dict]]:
    """Train the model with each choice taken back, and measure.

    Args:
        make: returns the model with its first weights.
        train: trains a model in place, with a seed for its stories and a factor for
            the rate.
        tokenizer: the stories' own.
        told: stories to measure on.
        seeds: of weights and stories; the same for all.

    Returns:
        For each of `TAKEN_BACK` and each seed: `above_floor`, a share, and the nats by
        which it lies above the teller at `colour` and `thing` words.
    """
    found = {}
    for name, (take_back, faster) in TAKEN_BACK.items():
        found[name] = []
        for seed in seeds:
            seed_all(seed)
            model = make()
            take_back(model)
            train(model, seed, faster)
            gap = gap_by_kind(model, tokenizer, told)
            scores = {
                "above_floor": sum(sums["share"] for sums in gap.values()),
                "colour": gap["which colour"]["nats"],
                "thing": gap["which thing had that colour"]["nats"],
            }
            found[name].append({k: round(v, 4) for k, v in scores.items()})
            print({"beginning": name, "seed": seed, **found[name][-1]}, flush=True)
    return found
