"""The `stories_bert` checkpoint: a small BERT, by both of its tasks, on the stories.

Home notebook: 08_pretraining_bert.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from llmkit.data.pairs import Pair, sentence_pairs
from llmkit.data.stories import stories, vocabulary
from llmkit.hub import load_encoder, save_pretrained
from llmkit.models import BERT, BERTConfig
from llmkit.runtime import seed_all
from llmkit.tokenizers import WordPieceTokenizer
from llmkit.training.bert import pretraining_loss, score_pretraining
from llmkit.training.loop import train
from llmkit.training.masking import (
    EncodedPairs,
    Masking,
    masked_batches,
)
from llmkit.training.muon import muon
from llmkit.training.recipes.parts import facts, train_by_parts, write_log
from llmkit.training.recipes.stories_bert_scores import all_scores, samples_of
from llmkit.training.recipes.stories_bert_sheet import datasheet
from llmkit.training.schedules import warmup_cosine
from llmkit.training.snapshots import save_snapshots, snapshot_steps, take_snapshot

SNAPSHOTS = "snapshots.safetensors"


@dataclass(frozen=True, kw_only=True)
class StoriesBertRecipe:
    """Everything that can be chosen about the run."""

    training_stories: int = 30_000
    training_pairs: int = 80_000
    validation_stories: int = 2_000
    validation_pairs: int = 4_000
    longest: int = 4  # sentences in a passage
    context_length: int = 64  # T
    d_model: int = 96  # D
    n_heads: int = 4  # H
    n_layers: int = 3  # L
    d_ff: int = 384  # F
    batch_size: int = 32  # B
    steps: int = 2400
    warmup: int = 100
    lr: float = 0.01  # Muon's
    adamw_lr: float = 0.01  # of embeddings, norms and heads
    weight_decay: float = 0.01
    seed: int = 0


# the run that the snapshots are of: twenty moments of it fit into a megabyte
SMALL = {"d_model": 32, "n_heads": 4, "n_layers": 2, "d_ff": 64, "steps": 1500}


def make(
    folder: Path,
    steps: int | None = None,
    minutes: float | None = None,
    recipe: StoriesBertRecipe | None = None,
) -> dict | None:
    """Train a small BERT on pairs of passages from stories and write it.

    Args:
        folder: where the checkpoint goes.
        steps: a shorter or longer run than the recipe's.
        minutes: stop after these; the same call goes on.
        recipe: the choices; None: those of the shipped checkpoint.

    Returns:
        What `log.json` holds; None if the run is not at its end.
    """
    recipe = recipe or StoriesBertRecipe()
    recipe = replace(recipe, steps=steps or recipe.steps)
    seed_all(recipe.seed)
    tokenizer = WordPieceTokenizer.of_words(vocabulary(), lowercase=False)
    masking = Masking(mask_id=tokenizer.mask_id, vocab_size=tokenizer.vocab_size)
    pairs, validation = _pairs(recipe, "training"), _pairs(recipe, "validation")
    training, checks = (
        EncodedPairs(each, tokenizer, recipe.context_length)
        for each in (pairs, validation)
    )
    model = _model(recipe, tokenizer.vocab_size)
    curve = _train(model, training, checks, masking, recipe, folder, minutes)
    if curve is None:
        return None
    # float16 halves the file; what is measured is what is stored
    save_pretrained(model.half(), tokenizer, folder)
    model, tokenizer = load_encoder(folder)
    small = _small_run(training, checks, masking, recipe, folder)
    log = {
        **facts(recipe, model, curve),
        "vocab_size": tokenizer.vocab_size,
        "training": {"pairs": len(training), "tokens": int(training.lengths.sum())},
        "validation": {"pairs": len(checks), "tokens": int(checks.lengths.sum())},
        "scores": all_scores(model, training, checks, masking, validation),
        "samples": samples_of(model, tokenizer, validation),
        "snapshots": small,
        "curve": curve,
    }
    write_log(folder, log, datasheet(log))
    return log


def _pairs(recipe: StoriesBertRecipe, part: str) -> list[Pair]:
    """Draw pairs; stories for validation are told from another seed."""
    n = getattr(recipe, f"{part}_stories")
    seed = 2 * recipe.seed + (part == "validation")
    told = [story.sentences for story in stories(n, seed=seed)]
    n = getattr(recipe, f"{part}_pairs")
    return sentence_pairs(told, n, random.Random(seed), recipe.longest)


def _model(recipe: StoriesBertRecipe, vocab_size: int) -> BERT:
    return BERT(
        BERTConfig(
            vocab_size=vocab_size,
            context_length=recipe.context_length,
            d_model=recipe.d_model,
            n_heads=recipe.n_heads,
            n_layers=recipe.n_layers,
            d_ff=recipe.d_ff,
        )
    )


def _optimizers(model: BERT, recipe: StoriesBertRecipe) -> list:
    return muon(model, recipe.lr, recipe.adamw_lr, recipe.weight_decay)


def _train(
    model: BERT,
    training: EncodedPairs,
    checks: EncodedPairs,
    masking: Masking,
    recipe: StoriesBertRecipe,
    folder: Path,
    minutes: float | None,
) -> list[dict] | None:
    """Train, and note both scores every 250 steps; None if time ran out."""
    draws = torch.Generator().manual_seed(recipe.seed)
    recent: list[float] = []

    def note(step) -> dict | None:
        recent.append(step.loss)
        if (step.step + 1) % 250 and step.step + 1 != recipe.steps:
            return None
        mean = sum(recent) / len(recent)
        recent.clear()
        return {"training": round(mean, 4), **_short(model, checks, masking)}

    return train_by_parts(
        folder,
        model,
        _optimizers(model, recipe),
        lambda first: masked_batches(training, masking, recipe.batch_size, draws),
        steps=recipe.steps,
        minutes=minutes,
        note=note,
        generator=draws,
        schedule=warmup_cosine(recipe.steps, recipe.warmup),
        loss=pretraining_loss,
    )


def _short(model: BERT, checks: EncodedPairs, masking: Masking, most: int = 1000):
    """Return the four numbers of the curve, from the first pairs."""
    rows = torch.arange(min(most, len(checks)))
    source = torch.Generator().manual_seed(0)
    batches = [checks.batch(part, masking, source) for part in rows.split(250)]
    scores = score_pretraining(model, batches)
    return {
        "words_loss": round(scores.words_loss, 4),
        "words": round(scores.words.value, 4),
        "follows_loss": round(scores.follows_loss, 4),
        "follows": round(scores.follows.value, 4),
    }


def _small_run(
    training: EncodedPairs,
    checks: EncodedPairs,
    masking: Masking,
    recipe: StoriesBertRecipe,
    folder: Path,
) -> dict:
    """Train a model of 26,000 weights and keep some twenty moments of it."""
    recipe = replace(recipe, **SMALL | {"steps": min(SMALL["steps"], recipe.steps)})
    seed_all(recipe.seed)
    model = _model(recipe, masking.vocab_size)
    moments = snapshot_steps(recipe.steps, 20)
    kept = [take_snapshot(model, 0, **_short(model, checks, masking))]

    def keep(step) -> None:
        if step.step + 1 in moments:
            scores = _short(model, checks, masking)
            kept.append(take_snapshot(model, step.step + 1, **scores))

    draws = torch.Generator().manual_seed(recipe.seed)
    train(
        model,
        masked_batches(training, masking, recipe.batch_size, draws),
        _optimizers(model, recipe),
        steps=recipe.steps,
        schedule=warmup_cosine(recipe.steps, min(recipe.warmup, recipe.steps // 10)),
        loss=pretraining_loss,
        on_step=keep,
    )
    save_snapshots(folder / SNAPSHOTS, kept)
    return {
        "recipe": {name: getattr(recipe, name) for name in SMALL},
        "weights": sum(p.numel() for p in model.parameters()),
        "moments": len(kept),
        "last": kept[-1].scores,
    }
