"""Measure fine-tuning beside `transformers.Trainer`, in one run.

    python -m benchmarks.fine_tuning

The same model (MiniLM with a head), the same batches, one thread each. Steps per CPU
second, median of interleaved rounds; a ratio above 1 means that ours is faster. Peak
memory is that of a fresh process for each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="of each round")
    parser.add_argument("--memory-of", choices=("ours", "trainer"), help="one process")
    options = parser.parse_args()
    if options.memory_of:
        rounds(options.memory_of, options.steps)
        print(json.dumps({"peak": peak_memory()}))
        return
    speed(options.rounds, options.steps)
    peaks = {who: fresh(who, options.steps) for who in ("ours", "trainer")}
    print(
        f"peak memory, MB: ours {peaks['ours']:.0f}, Trainer {peaks['trainer']:.0f}, "
        f"ratio {peaks['ours'] / peaks['trainer']:.2f}   bar: <= 1"
    )


def speed(rounds_: int, steps: int) -> None:
    """Let both take turns, and print the ratio of their speeds."""
    runners = {who: rounds(who, steps) for who in ("ours", "trainer")}
    found = {who: [] for who in runners}
    for turn in range(rounds_):
        # who goes first changes, so that a busy moment hits both alike
        for who in sorted(runners, reverse=bool(turn % 2)):
            found[who].append(1 / runners[who]())
    ratios = [a / b for a, b in zip(found["ours"], found["trainer"], strict=True)]
    print(
        f"steps per CPU second: ours {statistics.median(found['ours']):.2f}, "
        f"Trainer {statistics.median(found['trainer']):.2f}, "
        f"median ratio {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f})   bar: >= 1"
    )


def rounds(who: str, steps: int):
    """Return a function that takes some steps; the first ones are taken here.

    Args:
        who: "ours" or "trainer".
        steps: how many each call takes.

    Returns:
        A function that returns the CPU seconds of a step, the mean over the call.
        Setting up `Trainer` does not count.
    """
    import torch

    from llmkit.data import load_shipped
    from llmkit.hub import load_encoder
    from llmkit.tasks import (
        Classifier,
        classification_loss,
        encode_examples,
        layer_rates,
        shuffled_batches,
        train_with_trainer,
    )
    from llmkit.training import train

    torch.set_num_threads(1)
    torch.manual_seed(0)
    encoder, tokenizer = load_encoder("minilm")
    model = Classifier(encoder, 2)
    rows = load_shipped("reviews")[:640]
    examples = encode_examples(
        [row["text"] for row in rows], [row["label"] for row in rows], tokenizer
    )
    optimizer, loss, stamps = layer_rates(model, 1e-4), classification_loss(), []

    def stamped(model, batch):
        stamps.append(time.process_time())
        return loss(model, batch)

    def turn() -> float:
        stamps.clear()
        generator = torch.Generator().manual_seed(0)
        batches = shuffled_batches(examples, 16, generator)
        drive = train if who == "ours" else train_with_trainer
        drive(model, batches, optimizer, steps=steps, loss=stamped)
        return (stamps[-1] - stamps[0]) / (steps - 1)

    turn()
    return turn


def fresh(who: str, steps: int) -> float:
    """Return the peak memory, in MB, of a process that does nothing else."""
    command = [sys.executable, "-m", "benchmarks.fine_tuning", "--memory-of", who]
    done = subprocess.run(
        [*command, "--steps", str(steps)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])["peak"]


def peak_memory() -> float:
    """Return the most memory that this process has held, in MB."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 1024**2


if __name__ == "__main__":
    main()
