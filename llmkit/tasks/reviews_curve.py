"""The learning curve of the reviews: `python -m llmkit.tasks.reviews_curve`.

Fifty examples or a thousand, pretrained or random or frozen, five seeds. Every run is a
line of `runs.jsonl`, so a recipe that was stopped goes on where it was. Home notebook:
10_fine_tuning_bert.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import asdict
from itertools import repeat
from pathlib import Path

import torch

from llmkit.data import load_shipped
from llmkit.hub import load_encoder
from llmkit.losses import cross_entropy
from llmkit.models import BERT
from llmkit.runtime import has_bf16, project_root, write_atomically
from llmkit.tasks import (
    Classifier,
    CurveRun,
    FineTuning,
    curve_points,
    encode_examples,
    fine_tune,
    freeze,
    learning_curve,
    predict,
    take_balanced,
    text_vectors,
)
from llmkit.training import train

STARTS = ("pretrained", "random", "frozen")
SIZES = (50, 200, 1000)
SEEDS = (0, 1, 2, 3, 4)
# few examples are seen more often, so that a run always takes some steps
EPOCHS = {50: 10, 200: 5, 1000: 3}
# a few reviews as they come; of a thousand, more of the hard kinds. Easy examples teach
# beginners, hard ones those who have seen many: Sorscher et al. 2022, "Beyond neural
# scaling laws", section 3
POWER = {50: 1.0, 200: 1.0, 1000: 0.5}
RATE = {"pretrained": 2e-4, "random": 3e-4, "frozen": 1e-2}
# low layers of a pretrained encoder know what all tasks share: they change less
DECAY = {"pretrained": 0.85, "random": 1.0}
HEAD_STEPS = 200  # a frozen encoder is read once; steps of the head cost nothing


def make(
    folder: Path, seeds: int | None = None, minutes: float | None = None
) -> dict | None:
    """Fine-tune MiniLM again and again and write how well each run does.

    Args:
        folder: where the runs lie; those that are there are not made again.
        seeds: how many; None: all.
        minutes: stop after these; the same call goes on.

    Returns:
        What `log.json` holds; None if runs are missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, begin = folder / "runs.jsonl", time.monotonic()
    known = read_runs(path) if path.exists() else []

    def store(run: CurveRun) -> None:
        known.append(run)
        lines = "".join(json.dumps(_packed(each)) + "\n" for each in known)
        write_atomically(path, lambda draft: draft.write_text(lines, "utf-8"))
        print(
            run.start, run.size, run.seed, sum(run.right) / len(run.right), flush=True
        )
        if minutes is not None and time.monotonic() - begin > 60 * minutes:
            raise _TimeIsUp

    reviews = _Reviews()
    try:
        # the largest first: they matter most if the time does not do for all
        for size in sorted(SIZES, reverse=True):
            learning_curve(reviews.run, STARTS, [size], SEEDS[:seeds], known, store)
    except _TimeIsUp:
        return None
    log = _log(known)
    text = json.dumps(log, indent=1) + "\n"
    write_atomically(folder / "log.json", lambda draft: draft.write_text(text, "utf-8"))
    return log


def recorded_folder() -> Path:
    """Return where the shipped runs lie."""
    return project_root() / "data" / "reviews" / "learning_curve"


def read_runs(path: Path | None = None) -> list[CurveRun]:
    """Read the runs that were made.

    Args:
        path: a `runs.jsonl`; None: the shipped one.

    Returns:
        The runs, in the order in which they were made.
    """
    path = path or recorded_folder() / "runs.jsonl"
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [
        CurveRun(r["start"], r["size"], r["seed"], tuple(c == "1" for c in r["right"]))
        for r in rows
    ]


class _TimeIsUp(Exception):
    pass


class _Reviews:
    """The reviews as ids, and one run of the curve."""

    def __init__(self):
        rows, (_, tokenizer) = load_shipped("reviews"), load_encoder("minilm")
        self.kinds = [
            (row["tag"], row["label"]) for row in rows if row["split"] == "train"
        ]
        self.vectors: dict[str, torch.Tensor] = {}
        self.parts = {
            split: encode_examples(
                [row["text"] for row in rows if row["split"] == split],
                [row["label"] for row in rows if row["split"] == split],
                tokenizer,
            )
            for split in ("train", "test")
        }

    def run(self, start: str, size: int, seed: int) -> list[bool]:
        """Train on some reviews; tell which of the test reviews come out right."""
        torch.manual_seed(seed)
        model = classifier(start)
        chosen = take_balanced(self.kinds, size, seed, POWER[size])
        if start == "frozen":
            guesses = self.head_alone(model, chosen)
        else:
            some = [self.parts["train"][i] for i in chosen]
            settings = FineTuning(
                epochs=EPOCHS[size],
                lr=RATE[start],
                layer_decay=DECAY[start],
                bf16=has_bf16(),
                seed=seed,
            )
            fine_tune(model, some, settings)
            guesses = predict(model, self.parts["test"]).argmax(-1).tolist()
        targets = [example.label for example in self.parts["test"]]
        return [g == t for g, t in zip(guesses, targets, strict=True)]

    def head_alone(self, model: Classifier, chosen: list[int]) -> list[int]:
        """Train the head on what the frozen encoder says; return its guesses."""
        if not self.vectors:
            for split, examples in self.parts.items():
                self.vectors[split] = text_vectors(model, examples)
        x = self.vectors["train"][chosen]
        y = torch.tensor([self.parts["train"][i].label for i in chosen])
        train(
            model.head,
            repeat((x, y)),
            torch.optim.AdamW(model.head.parameters(), lr=RATE["frozen"]),
            steps=HEAD_STEPS,
            loss=lambda head, batch: cross_entropy(head(batch[0]), batch[1]),
        )
        with torch.no_grad():
            return model.head(self.vectors["test"]).argmax(-1).tolist()


def classifier(start: str) -> Classifier:
    """Make a classifier of two classes on MiniLM.

    Args:
        start: "pretrained"; "frozen", the same with a head alone that learns; or
            "random", the same sizes with fresh weights.

    Returns:
        The classifier; its tables of tokens and positions are frozen unless they are
        fresh.
    """
    encoder, _ = load_encoder("minilm")
    if start == "random":
        encoder = BERT(encoder.config)
    model = Classifier(encoder, 2)
    if start != "random":
        layers = len(encoder.blocks) if start == "frozen" else 0
        freeze(model, layers, embeddings=True)
    return model


def _packed(run: CurveRun) -> dict:
    return {**asdict(run), "right": "".join("01"[right] for right in run.right)}


def _log(runs: list[CurveRun]) -> dict:
    points = [
        {
            "start": point.start,
            "size": point.size,
            "accuracy": str(point.accuracy),
            "worst seed": round(point.lowest, 3),
            "best seed": round(point.highest, 3),
            "seeds": point.seeds,
        }
        for point in curve_points(runs)
    ]
    return {
        "points": points,
        "choices": {
            "epochs": EPOCHS,
            "lr": RATE,
            "layer decay": DECAY,
            "power of the draw": POWER,
            "bf16": has_bf16(),
        },
        "made with": {"torch": torch.__version__, "python": platform.python_version()},
    }


def main() -> None:
    """Make the runs that are missing, from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m llmkit.tasks.reviews_curve",
        description="Make the recorded learning curve of the reviews anew.",
    )
    parser.add_argument("--seeds", type=int, help="fewer seeds")
    parser.add_argument("--threads", type=int, default=1, help="more is faster")
    parser.add_argument(
        "--minutes", type=float, help="stop after these; the next call goes on"
    )
    parser.add_argument("--folder", type=Path, help="default: the shipped one")
    given = parser.parse_args()
    # with another number of threads sums are added in another order
    torch.set_num_threads(given.threads)
    log = make(given.folder or recorded_folder(), given.seeds, given.minutes)
    for point in log["points"] if log else []:
        print(point["start"], point["size"], point["accuracy"])
    if log is None:
        print("time is up; the same command goes on from here")


if __name__ == "__main__":
    main()
