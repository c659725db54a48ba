"""A small decoder that learns to tell the stories, close to the floor of its loss.

What the model can reach at best is known exactly, for the teller writes down how
surprising each word was. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from torch import Tensor

from llmkit.data.stories import (
    Story,
    entropy_rate,
    stories,
    vocabulary,
)
from llmkit.hub import load_decoder, save_pretrained
from llmkit.models import Llama
from llmkit.runtime import seed_all
from llmkit.tokenizers import WordPieceTokenizer
from llmkit.training import muon, train, trapezoid
from llmkit.training.recipes.moments import keep_moments
from llmkit.training.recipes.parts import (
    facts,
    loss_in_the_open,
    train_by_parts,
    write_log,
)
from llmkit.training.recipes.stories_beginnings import compare_beginnings
from llmkit.training.recipes.stories_gap import gap_by_kind
from llmkit.training.recipes.stories_model import story_model
from llmkit.training.recipes.stories_scores import judged, scores, tell_on
from llmkit.training.recipes.stories_sheet import datasheet
from llmkit.training.rows import row_losses, story_batches, story_ids

VALIDATION_SEED = 10**9  # training counts its seeds up from that of the recipe
BEGINNINGS_SEED = 3 * 10**9
JUDGED = 300  # so many stories of the model's own are read by the judge


@dataclass(frozen=True, kw_only=True)
class StoriesRecipe:
    """Everything that can be chosen about the run."""

    d_model: int = 96  # D
    n_heads: int = 4  # H
    n_layers: int = 6  # L: who, where they are, what lies there … is found step by step
    d_ff: int = 192  # F
    context_length: int = 208  # no story has more tokens
    batch_size: int = 24  # B, in stories
    steps: int = 14_000
    cooling: float = 0.55  # this share of the steps cools the rate to zero
    go_on: float = 0.95  # before the cooling: stories in which more happens
    warmup: int = 50
    lr: float = 0.006  # Muon's
    adamw_lr: float = 0.002  # of embeddings, output and norms
    weight_decay: float = 0.1
    bf16: bool = True
    seed: int = 0
    n_validation: int = 2000  # fresh stories
    n_counted: int = 20_000  # stories that the counting models read

    @property
    def steady(self) -> int:
        """How many steps come before the cooling."""
        return self.steps - round(self.cooling * self.steps)

    def schedule(self) -> Callable[[int], float]:
        """Return the share of the rates at each step."""
        warmup = min(self.warmup, self.steps // 10)
        return trapezoid(self.steps, warmup, self.steps - self.steady)

    def model(self, vocab_size: int) -> Llama:
        """Make the model, with its first weights."""
        return story_model(
            vocab_size,
            self.context_length,
            self.d_model,
            self.n_heads,
            self.n_layers,
            self.d_ff,
        )


# the run that the snapshots are of: twenty moments of it fit into a megabyte
SMALL = {
    "d_model": 32,
    "n_heads": 4,
    "n_layers": 2,
    "d_ff": 72,
    "batch_size": 16,
    "steps": 1500,
    "lr": 0.02,
    "bf16": False,
}


def stories_tokenizer() -> WordPieceTokenizer:
    """Return the tokenizer of the stories: a word is a token, a separator begins."""
    return WordPieceTokenizer.of_words(
        vocabulary(), lowercase=False, template=("[SEP]", "$A")
    )


def make(
    folder: Path,
    steps: int | None = None,
    minutes: float | None = None,
    recipe: StoriesRecipe | None = None,
) -> dict | None:
    """Train a small decoder on fresh stories and write it.

    Args:
        folder: where the checkpoint goes.
        steps: a shorter or longer run than the recipe's.
        minutes: stop after these; the same call goes on.
        recipe: the choices; None: those of the shipped checkpoint.

    Returns:
        What `log.json` holds; None if the run is not at its end.
    """
    recipe = recipe or StoriesRecipe()
    recipe = replace(recipe, steps=steps or recipe.steps)
    seed_all(recipe.seed)
    tokenizer = stories_tokenizer()
    told = list(stories(recipe.n_validation, seed=VALIDATION_SEED))
    model = recipe.model(tokenizer.vocab_size)
    curve = _train(model, tokenizer, told[:400], recipe, folder, minutes)
    if curve is None:
        return None
    # float16 halves the file; what is measured is what is stored
    save_pretrained(model.half(), tokenizer, folder)
    model, tokenizer = load_decoder(folder)
    samples = tell_on(model, tokenizer, JUDGED, seed=recipe.seed)
    small = replace(recipe, **SMALL | {"steps": min(SMALL["steps"], recipe.steps)})
    log = {
        **facts(recipe, model, curve),
        "vocabulary": len(vocabulary()),
        "training": {
            "stories": recipe.steps * recipe.batch_size,
            "steady": recipe.steady,
        },
        "validation": {
            "stories": len(told),
            "tokens": sum(len(story.words) + 1 for story in told),
        },
        "scores": scores(model, tokenizer, told, recipe.n_counted),
        "gap": {
            kind: {name: round(x, 4) for name, x in sums.items()}
            for kind, sums in gap_by_kind(model, tokenizer, told).items()
        },
        "beginnings": beginnings(replace(recipe, steps=min(500, recipe.steps)), told),
        "judged": judged(samples),
        "samples": [{"text": text} for text in samples[:3]],
        "snapshots": small_run(folder, small, tokenizer, told[:200]),
        "curve": curve,
    }
    write_log(folder, log, datasheet(log))
    return log


def beginnings(recipe: StoriesRecipe, told: list[Story]) -> dict:
    """Compare first weights in short runs; see `compare_beginnings`.

    Args:
        recipe: of the short runs.
        told: stories to measure on.

    Returns:
        What the log says of it.
    """
    tokenizer = stories_tokenizer()

    def short_run(model: Llama, seed: int, faster: float) -> None:
        # stories that the shipped model has not read
        fresh = replace(recipe, seed=BEGINNINGS_SEED + 10**6 * seed)
        train(
            model,
            training_batches(tokenizer, fresh),
            muon(
                model,
                faster * recipe.lr,
                faster * recipe.adamw_lr,
                recipe.weight_decay,
                recipe.bf16,
            ),
            steps=recipe.steps,
            schedule=recipe.schedule(),
            loss=loss_in_the_open,
            bf16=recipe.bf16,
        )

    found = compare_beginnings(
        lambda: recipe.model(tokenizer.vocab_size), short_run, tokenizer, told[:400]
    )
    return {"steps": recipe.steps, "runs": found}


def small_run(
    folder: Path,
    recipe: StoriesRecipe,
    tokenizer: WordPieceTokenizer,
    told: list[Story],
) -> dict:
    """Train a small model and keep some twenty moments of it.

    Args:
        folder: where they go.
        recipe: of the small run.
        tokenizer: the stories' own.
        told: stories to measure the loss on.

    Returns:
        What the log says of it.
    """
    seed_all(recipe.seed)
    model = recipe.model(tokenizer.vocab_size)
    rows = [story_ids(tokenizer, story) for story in told]
    n_tokens = sum(len(row) - 1 for row in rows)
    found = keep_moments(
        folder,
        model,
        muon(model, recipe.lr, recipe.adamw_lr, recipe.weight_decay),
        training_batches(tokenizer, recipe),
        lambda: float(row_losses(model, rows).sum()) / n_tokens,
        steps=recipe.steps,
        schedule=recipe.schedule(),
    )
    floor, *_ = entropy_rate(told, n_tokens)
    sizes = {name: getattr(recipe, name) for name in SMALL}
    return {"recipe": sizes, "floor": round(floor, 4), **found}


def training_batches(
    tokenizer: WordPieceTokenizer, recipe: StoriesRecipe, first_step: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of a recipe: long stories first, then the usual ones.

    A third of a usual story is its opening, which can only be guessed. In a long one
    more depends on what came before.

    Args:
        tokenizer: the stories' own.
        recipe: how many steps are steady, and the size of a batch.
        first_step: where to go on.

    Yields:
        Inputs and targets, int64, (B, T) each.
    """
    sizes = (tokenizer, recipe.batch_size, recipe.seed)
    if first_step < recipe.steady:
        long = story_batches(*sizes, first_step, go_on=recipe.go_on)
        yield from islice(long, recipe.steady - first_step)
    yield from story_batches(*sizes, max(first_step, recipe.steady))


def _train(
    model: Llama,
    tokenizer: WordPieceTokenizer,
    told: list[Story],
    recipe: StoriesRecipe,
    folder: Path,
    minutes: float | None,
) -> list[dict] | None:
    """Train, and note the losses every 100 steps beside the floor."""
    rows = [story_ids(tokenizer, story) for story in told]
    n_tokens = sum(len(row) - 1 for row in rows)
    floor, *_ = entropy_rate(told, n_tokens)
    recent: list[float] = []

    def note(step):
        recent.append(step.loss)
        if (step.step + 1) % 100 and step.step + 1 != recipe.steps:
            return None
        training = sum(recent) / len(recent)
        recent.clear()
        loss = float(row_losses(model, rows).sum()) / n_tokens
        return {
            "training": round(training, 4),
            "validation": round(loss, 4),
            "floor": round(floor, 4),
        }

    return train_by_parts(
        folder,
        model,
        muon(model, recipe.lr, recipe.adamw_lr, recipe.weight_decay, bf16=recipe.bf16),
        lambda first: training_batches(tokenizer, recipe, first),
        steps=recipe.steps,
        minutes=minutes,
        note=note,
        schedule=recipe.schedule(),
        loss=loss_in_the_open,
        bf16=recipe.bf16,
    )
