"""Time to a known loss, beside nanoGPT's recipe for a laptop, and the ladder to it.

    python -m benchmarks.time_to_loss TEXT NANOGPT

TEXT is tiny Shakespeare as one file, NANOGPT a clone of github.com/karpathy/nanoGPT.
Its train.py runs as it is, with the settings that its README gives for a laptop; the
text's first 90% are for training, characters are tokens, one thread computes.

Machines differ, and other work slows them down: so time is counted in steps of nanoGPT,
each measured in CPU time between the steps of ours. Its recipe takes 2,000 of them.
Losses of ours are over the whole validation text, in windows of 64 as nanoGPT's.
"""

import argparse
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from llmkit.losses import cross_entropy
from llmkit.models import (
    GPT,
    GPTConfig,
    Modern,
    ModernConfig,
    ModernNGrams,
    ModernNGramsConfig,
)
from llmkit.runtime import has_bf16
from llmkit.training import (
    adamw,
    evaluate,
    every,
    muon,
    ordered_windows,
    random_windows,
    train,
    warmup_cosine,
    warmup_linear,
)

CONTEXT, PEER_STEPS = 64, 2000
SETTINGS = (
    "--device=cpu --compile=False --eval_iters=20 --log_interval=100 --block_size=64 "
    "--batch_size=12 --n_layer=4 --n_head=4 --n_embd=128 --max_iters=2000 "
    "--lr_decay_iters=2000 --dropout=0.0 --eval_interval=2000"
)
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}


@dataclass
class Rung:
    """One way to train: the model, its optimiser, and how long."""

    name: str
    model: Callable[[int], nn.Module]
    optimizer: Callable[[nn.Module], object]
    steps: int
    batch_size: int = 24
    bf16: bool = False
    schedule: Callable = warmup_linear


def gpt(vocab_size: int) -> GPT:
    """NanoGPT's shape, by the kit's parts."""
    sizes = {"context_length": CONTEXT, "d_model": 128, "n_heads": 4, "n_layers": 4}
    return GPT(GPTConfig(vocab_size=vocab_size, **sizes, dropout=0.0))


def modern(vocab_size: int) -> Modern:
    """Two layers of modern parts."""
    return Modern(ModernConfig(vocab_size=vocab_size, context_length=CONTEXT))


def ngrams(vocab_size: int) -> ModernNGrams:
    """One narrow layer, and n-gram inputs."""
    sizes = {"context_length": CONTEXT, "d_model": 64, "n_heads": 2, "n_layers": 1}
    return ModernNGrams(ModernNGramsConfig(vocab_size=vocab_size, **sizes))


def both(model: nn.Module) -> list:
    """Muon for the matrices, in bfloat16 where that is fast."""
    return muon(model, 0.02, 0.03, bf16=has_bf16())


def ladder(steps: int) -> list[Rung]:
    """Each rung keeps what the one before it has; all take as many steps."""
    low = has_bf16()
    return [
        Rung(
            "nanoGPT's shape and rate",
            gpt,
            lambda m: adamw(m, 0.001, betas=(0.9, 0.99)),
            steps,
            12,
            schedule=lambda n, w: warmup_cosine(n, w, 0.1),
        ),
        Rung("+ 4 x the rate, cooled to 0", gpt, lambda m: adamw(m, 0.004), steps, 12),
        Rung("+ twice the batch", gpt, lambda m: adamw(m, 0.004), steps),
        Rung("+ two modern layers for 4", modern, lambda m: adamw(m, 0.01), steps),
        Rung("+ Muon", modern, lambda m: muon(m, 0.02, 0.03), steps),
        Rung("+ bfloat16", modern, both, steps, bf16=low),
        Rung("+ n-grams, one narrow layer", ngrams, both, steps, bf16=low),
    ]


def goals() -> list[tuple[Rung, float]]:
    """The runs that are to reach the known loss, and in what share of the time."""
    low = has_bf16()
    return [
        (Rung("plain modern Transformer", modern, both, 220, bf16=low), 1 / 10),
        (Rung("with n-gram inputs", ngrams, both, 120, bf16=low), 1 / 30),
    ]


def read(path: Path) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return training and validation ids, and how many characters there are."""
    text = path.read_text("utf-8")
    number = {c: n for n, c in enumerate(sorted(set(text)))}
    ids = torch.tensor([number[c] for c in text])
    cut = int(0.9 * len(ids))
    return ids[:cut], ids[cut:], len(number)


def run_peer(text: Path, folder: Path) -> tuple[float, float]:
    """Run nanoGPT's train.py as it is; return its last loss and its CPU seconds."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "nanoGPT"
        shutil.copytree(folder, home, ignore=shutil.ignore_patterns(".git", "out*"))
        data = home / "data" / "shakespeare_char"
        shutil.copyfile(text, data / "input.txt")
        settings = {"cwd": home, "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
        settings |= {"capture_output": True, "text": True, "check": True}
        subprocess.run([sys.executable, str(data / "prepare.py")], **settings)
        command = [sys.executable, "train.py", "config/train_shakespeare_char.py"]
        before = os.times()
        done = subprocess.run([*command, *SETTINGS.split()], **settings)
        after = os.times()
    found = re.findall(r"val loss ([\d.]+)", done.stdout)
    seconds = after.children_user - before.children_user
    return float(found[-1]), seconds


def peer_step(folder: Path, ids: torch.Tensor, vocab_size: int) -> Callable[[], None]:
    """Return a function that takes one step of nanoGPT's recipe."""
    sys.path.insert(0, str(folder))
    from model import GPT as PeerGPT  # nanoGPT's
    from model import GPTConfig as PeerConfig

    sizes = {"n_layer": 4, "n_head": 4, "n_embd": 128, "bias": False, "dropout": 0.0}
    model = PeerGPT(PeerConfig(block_size=CONTEXT, vocab_size=vocab_size, **sizes))
    optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.99), "cpu")
    batches = random_windows(ids, CONTEXT, 12, torch.Generator().manual_seed(0))

    def step() -> None:
        _, loss = model(*next(batches))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()

    return step


def climb(rung: Rung, data: tuple, seed: int, peer: Callable) -> tuple[float, float]:
    """Train one rung; return its loss and its time in steps of the peer."""
    training, validation, vocab_size = data
    torch.manual_seed(seed)
    model, theirs = rung.model(vocab_size), []

    def loss(model, batch):
        # in bfloat16 PyTorch's fused attention is slow on the way back
        logits = model(batch[0], output_attentions=rung.bf16).logits
        return cross_entropy(logits, batch[1])

    def measure(step) -> None:
        begin = time.process_time()
        peer()
        theirs.append(time.process_time() - begin)

    generator = torch.Generator().manual_seed(seed)
    begin = time.process_time()
    train(
        model,
        random_windows(training, CONTEXT, rung.batch_size, generator),
        rung.optimizer(model),
        steps=rung.steps,
        schedule=rung.schedule(rung.steps, rung.steps // 20),
        loss=loss,
        bf16=rung.bf16,
        on_step=every(max(1, rung.steps // 10), measure),
    )
    seconds = time.process_time() - begin - sum(theirs)
    batches = ordered_windows(validation, CONTEXT, 64)
    return evaluate(model, batches, loss), seconds / statistics.median(theirs)


def mean(values: list[float]) -> str:
    """Write the mean with its 95% interval, by Student's t."""
    middle = statistics.mean(values)
    if len(values) < 2:
        return f"{middle:.3f}"
    wide = STUDENT.get(len(values), 1.96) * statistics.stdev(values)
    return f"{middle:.3f} ± {wide / math.sqrt(len(values)):.3f}"


def main() -> None:
    """Run the peer, the goals and the ladder; print each beside its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("nanogpt", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60, help="of each rung")
    parser.add_argument("--known-loss", type=float, help="skips the peer's whole run")
    args = parser.parse_args()
    torch.set_num_threads(1)
    known = args.known_loss
    if known is None:
        known, seconds = run_peer(args.text, args.nanogpt)
        print(f"nanoGPT, as it is: loss {known:.3f} after {seconds:.0f} s of CPU")
    data = read(args.text)
    peer = peer_step(args.nanogpt, data[0], data[2])
    for _ in range(3):
        peer()
    print(f"\nto nanoGPT's loss of {known:.3f}, {args.seeds} seeds", flush=True)
    for rung, bar in goals():
        runs = [climb(rung, data, seed, peer) for seed in range(args.seeds)]
        share = statistics.median(cost for _, cost in runs) / PEER_STEPS
        worst = max(loss for loss, _ in runs)
        print(
            f"{rung.name:28} {rung.steps:4} steps  loss {mean([x for x, _ in runs])} "
            f"(worst {worst:.3f}) in 1/{1 / share:.0f} of its time "
            f"(bar 1/{1 / bar:.0f})",
            flush=True,
        )
    print(f"\nthe ladder, {args.steps} steps each, {args.seeds} seeds")
    for rung in ladder(args.steps):
        runs = [climb(rung, data, seed, peer) for seed in range(args.seeds)]
        cost = statistics.median(cost for _, cost in runs)
        print(
            f"{rung.name:28} loss {mean([x for x, _ in runs])}  "
            f"time of {cost:4.0f} steps of nanoGPT",
            flush=True,
        )


if __name__ == "__main__":
    main()
