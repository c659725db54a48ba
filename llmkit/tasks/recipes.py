"""How each shipped checkpoint was made: `python -m llmkit.tasks.recipes pydocs`.

A recipe trains from nothing, measures the weights as they are stored, and writes them
with their log, their scores and a datasheet. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from llmkit.data import load_pydocs
from llmkit.decoding import generate
from llmkit.hub import load_decoder, save_pretrained
from llmkit.losses import cross_entropy
from llmkit.metrics import NGram, accuracy, bits_per_byte
from llmkit.models import Llama, LlamaConfig
from llmkit.runtime import project_root, seed_all, write_atomically
from llmkit.tasks.pydocs_sheet import datasheet
from llmkit.tokenizers import ByteBPETokenizer
from llmkit.training import (
    evaluate,
    muon,
    ordered_windows,
    random_windows,
    train,
    warmup_cosine,
)

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


def pydocs(recipe: PydocsRecipe, folder: Path) -> dict:
    """Train a small decoder on Python's documentation and write it.

    Args:
        recipe: the choices.
        folder: where the checkpoint goes.

    Returns:
        What `log.json` holds.
    """
    seed_all(recipe.seed)
    begin = time.monotonic()
    training, validation = _documents("train"), _documents("validation")
    tokenizer = ByteBPETokenizer.train(
        training, vocab_size=recipe.vocab_size, special_tokens=[END]
    )
    train_ids = _join(tokenizer, training)
    valid_ids = _join(tokenizer, validation)
    model = _model(recipe, tokenizer.vocab_size)
    curve = _train(model, train_ids, valid_ids, recipe)
    minutes = (time.monotonic() - begin) / 60

    # float16 halves the file; what is measured is what is stored
    save_pretrained(model.half(), tokenizer, folder)
    model, tokenizer = load_decoder(folder)
    log = {
        "recipe": asdict(recipe),
        "weights": sum(p.numel() for p in model.parameters()),
        "minutes": round(minutes, 1),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "training": _size(training, train_ids),
        "validation": _size(validation, valid_ids),
        "scores": _scores(model, train_ids, valid_ids, validation, recipe),
        "samples": _samples(model, tokenizer),
        "curve": curve,
    }
    _write(folder / "log.json", json.dumps(log, indent=1) + "\n")
    _write(folder / "README.md", datasheet(log))
    return log


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


def _in_the_open(model: Llama, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Score a batch with attention written out.

    In bfloat16 on a CPU, PyTorch's fused attention takes about four times as long on
    the way back; in float32 or on a GPU it would be the faster one.
    """
    ids, targets = batch
    return cross_entropy(model(ids, output_attentions=True).logits, targets)


def _train(
    model: Llama, train_ids: Tensor, valid_ids: Tensor, recipe: PydocsRecipe
) -> list[dict]:
    """Train, and note the losses every 100 steps."""
    curve: list[dict] = []
    recent: list[float] = []

    def note(step):
        recent.append(step.loss)
        if (step.step + 1) % 100 and step.step + 1 != recipe.steps:
            return
        curve.append(
            {
                "step": step.step + 1,
                "training": round(sum(recent) / len(recent), 4),
                "validation": round(_valid_loss(model, valid_ids, recipe), 4),
                "seconds": round(step.seconds),
            }
        )
        recent.clear()
        print(curve[-1], flush=True)

    train(
        model,
        random_windows(train_ids, recipe.context_length, recipe.batch_size),
        muon(model, recipe.lr, recipe.adamw_lr, recipe.weight_decay),
        steps=recipe.steps,
        schedule=warmup_cosine(recipe.steps, recipe.warmup),
        loss=_in_the_open,
        bf16=True,
        on_step=note,
    )
    return curve


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


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def main() -> None:
    """Run a recipe from the command line."""
    parser = argparse.ArgumentParser(description="Train a shipped checkpoint anew.")
    parser.add_argument("name", choices=["pydocs"])
    parser.add_argument("--steps", type=int, default=PydocsRecipe.steps)
    parser.add_argument("--threads", type=int, default=1, help="more is faster")
    parser.add_argument(
        "--folder", type=Path, help="default: the shipped one, which it replaces"
    )
    given = parser.parse_args()
    # with another number of threads sums are added in another order
    torch.set_num_threads(given.threads)
    folder = given.folder or project_root() / "data" / "checkpoints" / given.name
    log = pydocs(PydocsRecipe(steps=given.steps), folder)
    print(json.dumps({**log["scores"], "samples": log["samples"]}, indent=1))


if __name__ == "__main__":
    main()
