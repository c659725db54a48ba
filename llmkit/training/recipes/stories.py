"""A small decoder that learns to tell the stories, close to the floor of its loss.

What the model can reach at best is known exactly, for the teller writes down how
surprising each word was. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from llmkit.data.stories import (
    Story,
    Verdict,
    entropy_rate,
    judge,
    stories,
    vocabulary,
)
from llmkit.decoding import generate
from llmkit.hub import load_decoder, save_pretrained
from llmkit.metrics import NGram, bootstrap_interval, wilson_interval
from llmkit.models import Llama, LlamaConfig
from llmkit.runtime import seed_all
from llmkit.tokenizers import WordPieceTokenizer
from llmkit.training import muon, warmup_cosine
from llmkit.training.recipes.moments import keep_moments
from llmkit.training.recipes.parts import (
    facts,
    loss_in_the_open,
    train_by_parts,
    write_log,
)
from llmkit.training.recipes.stories_sheet import datasheet
from llmkit.training.rows import row_losses, story_batches, story_ids

VALIDATION_SEED = 10**9  # training counts its seeds up from that of the recipe
NGRAM_SEED = 2 * 10**9
JUDGED = 300  # so many stories of the model's own are read by the judge


@dataclass(frozen=True, kw_only=True)
class StoriesRecipe:
    """Everything that can be chosen about the run."""

    d_model: int = 96  # D
    n_heads: int = 4  # H
    n_layers: int = 6  # L: who, where they are, what lies there … is found step by step
    d_ff: int = 144  # F
    context_length: int = 208  # no story has more tokens
    batch_size: int = 24  # B, in stories
    steps: int = 4000
    small_worlds: int = 250  # so many steps begin with one person and one thing
    warmup: int = 50
    lr: float = 0.015  # Muon's
    adamw_lr: float = 0.008  # of embeddings and norms
    weight_decay: float = 0.1
    bf16: bool = True
    seed: int = 0
    n_validation: int = 2000  # fresh stories
    n_counted: int = 20_000  # stories that the counting models read


# the run that the snapshots are of: twenty moments of it fit into a megabyte
SMALL = {
    "d_model": 32,
    "n_heads": 4,
    "n_layers": 2,
    "d_ff": 80,
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
    model = story_model(recipe, tokenizer.vocab_size)
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
        "training": {"stories": recipe.steps * recipe.batch_size},
        "validation": {
            "stories": len(told),
            "tokens": sum(len(story.words) + 1 for story in told),
        },
        "scores": _scores(model, tokenizer, told, recipe),
        "judged": judged(samples),
        "samples": [{"text": text} for text in samples[:3]],
        "snapshots": small_run(folder, small, tokenizer, told[:200]),
        "curve": curve,
    }
    write_log(folder, log, datasheet(log))
    return log


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
    model = story_model(recipe, tokenizer.vocab_size)
    rows = [story_ids(tokenizer, story) for story in told]
    n_tokens = sum(len(row) - 1 for row in rows)
    found = keep_moments(
        folder,
        model,
        muon(model, recipe.lr, recipe.adamw_lr, recipe.weight_decay),
        training_batches(tokenizer, recipe),
        lambda: float(row_losses(model, rows).sum()) / n_tokens,
        steps=recipe.steps,
        schedule=warmup_cosine(recipe.steps, min(recipe.warmup, recipe.steps // 10)),
    )
    floor, *_ = entropy_rate(told, n_tokens)
    sizes = {name: getattr(recipe, name) for name in SMALL}
    return {"recipe": sizes, "floor": round(floor, 4), **found}


def story_model(recipe: StoriesRecipe, vocab_size: int) -> Llama:
    """Make the model of a recipe, with its first weights.

    Words of one kind, such as the colours, get the same gradient as long as the model
    only knows the kind. Beginning with short vectors, they would soon be nearly alike,
    and then *which* colour a story has is hard to copy. So they begin long, and the
    output has a table of its own.
    """
    model = Llama(
        LlamaConfig(
            vocab_size=vocab_size,
            context_length=recipe.context_length,
            d_model=recipe.d_model,
            n_heads=recipe.n_heads,
            n_layers=recipe.n_layers,
            d_ff=recipe.d_ff,
            head_norm=True,
        )
    )
    torch.nn.init.normal_(model.token_embedding.weight, std=1.0)
    return model


def training_batches(
    tokenizer: WordPieceTokenizer, recipe: StoriesRecipe, first_step: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of a recipe: small worlds first, then the usual ones.

    To look back and copy the one colour of a small world is learned within a hundred
    steps; with two people and two things at once it takes thousands.

    Args:
        tokenizer: the stories' own.
        recipe: how many steps are small, and the size of a batch.
        first_step: where to go on.

    Yields:
        Inputs and targets, int64, (B, T) each.
    """
    sizes = (tokenizer, recipe.batch_size, recipe.seed)
    if first_step < recipe.small_worlds:
        small = story_batches(*sizes, first_step, n_people=1, n_things=1)
        yield from islice(small, recipe.small_worlds - first_step)
    yield from story_batches(*sizes, max(first_step, recipe.small_worlds))


def tell_on(
    model: Llama, tokenizer: WordPieceTokenizer, n: int, seed: int = 0
) -> list[str]:
    """Let a model tell stories, at temperature 1: as it believes they are told.

    Args:
        model: a decoder.
        tokenizer: with a separator, where each story begins.
        n: how many.
        seed: of the draws.

    Returns:
        The stories, without separators; one may be broken off at the context's end.
    """
    begin = torch.full((n, 1), tokenizer.sep_id)
    written = generate(
        model,
        begin,
        model.config.context_length - 1,
        temperature=1.0,
        stop_ids=[tokenizer.sep_id],
        generator=torch.Generator().manual_seed(seed),
    )
    return [tokenizer.decode(row.tolist(), skip_special=True) for row in written]


def judged(samples: Sequence[str]) -> dict:
    """Return how many sentences are grammatical, and how many were possible.

    Args:
        samples: stories.

    Returns:
        Shares with 95 % intervals: of sentences that are grammatical, of those that
        were possible, and of stories without a mistake.
    """
    verdicts = [judge(text) for text in samples]
    each = [v for story in verdicts for v in story]
    shares = {
        "grammatical": (sum(v.grammatical for v in each), len(each)),
        "possible": (sum(v.possible for v in each), len(each)),
        "flawless": (
            sum(_flawless(story) for story in verdicts),
            len(verdicts),
        ),
    }
    found = {"stories": len(verdicts), "sentences": len(each)}
    for name, (right, n) in shares.items():
        share = wilson_interval(right, max(n, 1))
        found[name] = [round(x, 4) for x in (share.value, share.low, share.high)]
    return found


def _flawless(story: Sequence[Verdict]) -> bool:
    """Tell whether a story came to its end without a mistake."""
    return bool(
        story
        and story[-1].sentence == "The end."
        and all(verdict.possible for verdict in story)
    )


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
        schedule=warmup_cosine(recipe.steps, recipe.warmup),
        loss=loss_in_the_open,
        bf16=recipe.bf16,
    )


def _scores(
    model: Llama,
    tokenizer: WordPieceTokenizer,
    told: list[Story],
    recipe: StoriesRecipe,
) -> dict:
    """Measure the stored model beside the floor and counting models, on one text."""
    rows = [story_ids(tokenizer, story) for story in told]
    n_tokens = sum(len(row) - 1 for row in rows)
    floor, low, high = entropy_rate(told, n_tokens)
    losses = row_losses(model, rows)
    surprisals = torch.tensor([story.surprisal * math.log(2) for story in told])
    # both were measured on the same stories, so their difference varies little
    above = bootstrap_interval(
        ((losses - surprisals) / (n_tokens / len(told)) / floor).tolist()
    )
    loss = float(losses.sum()) / n_tokens
    scores = {
        "floor": {"loss": floor, "interval": [low, high]},
        "model": {"loss": loss, "above_floor": [above.value, above.low, above.high]},
    }
    counted = _joined(tokenizer, list(stories(recipe.n_counted, seed=NGRAM_SEED)))
    here = _joined(tokenizer, told)
    for order, name in enumerate(("unigram", "bigram", "trigram"), start=1):
        counts = NGram(order, tokenizer.vocab_size).fit(counted)
        loss = counts.loss(here)
        scores[name] = {"loss": loss, "above_floor": [loss / floor - 1]}
    return {
        name: {
            k: [round(x, 4) for x in v] if isinstance(v, list) else round(v, 4)
            for k, v in score.items()
        }
        for name, score in scores.items()
    }


def _joined(tokenizer: WordPieceTokenizer, told: list[Story]) -> list[int]:
    """Return the stories as one text with a separator before, between and behind."""
    ids = [tokenizer.sep_id]
    for story in told:
        ids += story_ids(tokenizer, story)[1:]
    return ids
