"""A small decoder that reads Python's documentation.

Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from llmkit.data import load_pydocs
from llmkit.decoding import generate
from llmkit.hub import load_decoder, save_pretrained
from llmkit.metrics import NGram, accuracy, bits_per_byte
from llmkit.models import Llama, LlamaConfig
from llmkit.runtime import seed_all
from llmkit.tokenizers import ByteBPETokenizer
from llmkit.training import (
    evaluate,
    muon,
    ordered_windows,
    random_windows,
    warmup_cosine,
)
from llmkit.training.recipes.moments import keep_moments
from llmkit.training.recipes.parts import (
    facts,
    loss_in_the_open,
    train_by_parts,
    write_log,
)
from llmkit.training.recipes.pydocs_sheet import datasheet

END = "<|endoftext|>"
PROMPTS = (
    "The with statement is used to",
    "A list is a",
    "If the argument is None,",
)


@dataclass(frozen=True, kw_only=True)
class PydocsRecipe:
    """Everything that can be chosen about the run."""

    vocab_size: int = 3072  # V
    context_length: int = 256  # T
    d_model: int = 192  # D
    n_heads: int = 6  # H
    n_layers: int = 5  # L
    d_ff: int = 512  # F
    batch_size: int = 16  # B
    steps: int = 500
    warmup: int = 20
    lr: float = 0.01  # Muon's
    adamw_lr: float = 0.01  # of embeddings and norms
    weight_decay: float = 0.3
    seed: int = 0


# the run that the snapshots are of: twenty moments of it fit into a good megabyte
SMALL = {
    "vocab_size": 384,
    "context_length": 96,
    "d_model": 32,
    "n_heads": 4,
    "n_layers": 2,
    "d_ff": 40,
    "batch_size": 12,
    "steps": 1500,
    "lr": 0.02,
}


def make(
    folder: Path,
    steps: int | None = None,
    minutes: float | None = None,
    recipe: PydocsRecipe | None = None,
) -> dict | None:
    """Train a small decoder on Python's documentation and write it.

    Args:
        folder: where the checkpoint goes.
        steps: a shorter or longer run than the recipe's.
        minutes: stop after these; the same call goes on.
        recipe: the choices; None: those of the shipped checkpoint.

    Returns:
        What `log.json` holds; None if the run is not at its end.
    """
    recipe = recipe or PydocsRecipe()
    recipe = replace(recipe, steps=steps or recipe.steps)
    seed_all(recipe.seed)
    training, validation = _documents("train"), _documents("validation")
    tokenizer = ByteBPETokenizer.train(
        training, vocab_size=recipe.vocab_size, special_tokens=[END]
    )
    train_ids = _join(tokenizer, training)
    valid_ids = _join(tokenizer, validation)
    model = _model(recipe, tokenizer.vocab_size)
    curve = _train(model, train_ids, valid_ids, recipe, folder, minutes)
    if curve is None:
        return None
    small = replace(recipe, **SMALL | {"steps": min(SMALL["steps"], recipe.steps)})
    # float16 halves the file; what is measured is what is stored
    save_pretrained(model.half(), tokenizer, folder)
    model, tokenizer = load_decoder(folder)
    log = {
        **facts(recipe, model, curve),
        "training": _size(training, train_ids),
        "validation": _size(validation, valid_ids),
        "scores": _scores(model, train_ids, valid_ids, validation, recipe),
        "samples": _samples(model, tokenizer),
        "snapshots": small_run(folder, small, training, validation),
        "curve": curve,
    }
    write_log(folder, log, datasheet(log))
    return log


def small_run(
    folder: Path, recipe: PydocsRecipe, training: list[str], validation: list[str]
) -> dict:
    """Train a small model with few tokens and keep some twenty moments of it.

    Args:
        folder: where they go, and the tokenizer, into `snapshots/`.
        recipe: of the small run.
        training: the documents to learn from.
        validation: those to measure on; a part of them is read.

    Returns:
        What the log says of it.
    """
    seed_all(recipe.seed)
    tokenizer = ByteBPETokenizer.train(
        training, vocab_size=recipe.vocab_size, special_tokens=[END]
    )
    tokenizer.save(folder / "snapshots")
    model = _model(recipe, tokenizer.vocab_size)
    valid_ids = _join(tokenizer, validation)[:8_000]
    found = keep_moments(
        folder / "snapshots",
        model,
        muon(model, recipe.lr, recipe.adamw_lr, recipe.weight_decay),
        random_windows(
            _join(tokenizer, training), recipe.context_length, recipe.batch_size
        ),
        lambda: _valid_loss(model, valid_ids, recipe),
        steps=recipe.steps,
        schedule=warmup_cosine(recipe.steps, min(recipe.warmup, recipe.steps // 10)),
    )
    return {"recipe": {name: getattr(recipe, name) for name in SMALL}, **found}


def _documents(split: str) -> list[str]:
    """Return prose and docstrings; whole documents are kept for validation."""
    kinds = ("topics", "docstrings")
    return [d.text for kind in kinds for d in load_pydocs(kind, split)]


def _join(tokenizer: ByteBPETokenizer, documents: list[str]) -> Tensor:
    """Write the documents as one row of ids, each begun by the end of the last."""
    end, ids = tokenizer.token_to_id(END), []
    for document in documents:
        ids += [end, *tokenizer.encode(document, allow_special=False)]
    return torch.tensor(ids)


def _model(recipe: PydocsRecipe, vocab_size: int) -> Llama:
    return Llama(
        LlamaConfig(
            vocab_size=vocab_size,
            context_length=recipe.context_length,
            d_model=recipe.d_model,
            n_heads=recipe.n_heads,
            n_layers=recipe.n_layers,
            d_ff=recipe.d_ff,
            head_norm=True,
            tied=True,
        )
    )


def _train(
    model: Llama,
    train_ids: Tensor,
    valid_ids: Tensor,
    recipe: PydocsRecipe,
    folder: Path,
    minutes: float | None,
) -> list[dict] | None:
    """Train, and note the losses every 100 steps."""
    recent: list[float] = []

    def note(step):
        recent.append(step.loss)
        if (step.step + 1) % 100 and step.step + 1 != recipe.steps:
            return None
        training = sum(recent) / len(recent)
        recent.clear()
        return {
            "training": round(training, 4),
            "validation": round(_valid_loss(model, valid_ids, recipe), 4),
        }

    batches = random_windows(train_ids, recipe.context_length, recipe.batch_size)
    return train_by_parts(
        folder,
        model,
        muon(model, recipe.lr, recipe.adamw_lr, recipe.weight_decay),
        # the global generator, whose state is kept, draws on from where it was
        lambda first: batches,
        steps=recipe.steps,
        minutes=minutes,
        note=note,
        schedule=warmup_cosine(recipe.steps, recipe.warmup),
        loss=loss_in_the_open,
        bf16=True,
    )


def _valid_loss(model: Llama, ids: Tensor, recipe: PydocsRecipe) -> float:
    windows = ordered_windows(ids, recipe.context_length, recipe.batch_size)
    return evaluate(model, windows)


@torch.no_grad()
def _scores(
    model: Llama,
    train_ids: Tensor,
    valid_ids: Tensor,
    validation: list[str],
    recipe: PydocsRecipe,
) -> dict:
    """Measure the stored model beside counting models, on the same tokens."""
    windows = ordered_windows(valid_ids, recipe.context_length, recipe.batch_size)
    guesses, targets = [], []
    for ids, right in windows:
        guesses.append(model(ids).logits.argmax(dim=-1).flatten())
        targets.append(right.flatten())
    hits = accuracy(torch.cat(guesses), torch.cat(targets))
    losses = {"model": _valid_loss(model, valid_ids, recipe)}
    for order, name in enumerate(("unigram", "bigram", "trigram"), start=1):
        counts = NGram(order, model.config.vocab_size).fit(train_ids.tolist())
        losses[name] = counts.loss(valid_ids.tolist())
    n_bytes = sum(len(document.encode()) for document in validation)
    scores = {
        name: {
            "loss": round(loss, 4),
            "bits_per_byte": round(bits_per_byte(loss, len(valid_ids), n_bytes), 4),
        }
        for name, loss in losses.items()
    }
    scores["model"]["next_token_accuracy"] = [
        round(x, 4) for x in (hits.value, hits.low, hits.high)
    ]
    return scores


def _samples(model: Llama, tokenizer: ByteBPETokenizer) -> list[dict]:
    """Let it write on; the seeds are 0, 1 and 2, whatever comes out."""
    samples = []
    for seed, prompt in enumerate(PROMPTS):
        ids = torch.tensor([tokenizer.encode(prompt)])
        written = generate(
            model,
            ids,
            60,
            temperature=0.8,
            top_p=0.95,
            stop_ids=[tokenizer.token_to_id(END)],
            generator=torch.Generator().manual_seed(seed),
        )
        samples.append(
            {
                "prompt": prompt,
                "text": tokenizer.decode(written[0].tolist(), skip_special=True),
            }
        )
    return samples


def _size(documents: list[str], ids: Tensor) -> dict:
    return {
        "documents": len(documents),
        "bytes": sum(len(document.encode()) for document in documents),
        "tokens": len(ids),
    }
