"""Training steps a second, and memory, beside nanoGPT at equal shape and precision.

    python -m benchmarks.training_speed TEXT NANOGPT

TEXT is a text file, NANOGPT a clone of github.com/karpathy/nanoGPT, used as it is. One
thread; CPU time, one step of each in turn, medians. In fp32 the kit's linear layers are
oneDNN's (`llmkit.training.OneDNN`), and a second line shows the kit without. Both learn
from the same batches: 4 layers, 4 heads, width 128, context 64, batch 12, AdamW,
clipping at 1. Memory is the most that a fresh process held, which most of all is
PyTorch itself.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import torch

LAYERS, HEADS, WIDTH, CONTEXT, BATCH = 4, 4, 128, 64, 12
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16}
BARS = {"fp32": 1.0, "bf16": 1.3}


def read(path: Path) -> torch.Tensor:
    """Return a text as numbers of its characters."""
    text = path.read_text("utf-8")
    number = {c: n for n, c in enumerate(sorted(set(text)))}
    return torch.tensor([number[c] for c in text])


def batches(ids: torch.Tensor):
    """Yield random windows without end, inputs and targets."""
    generator = torch.Generator().manual_seed(0)
    while True:
        begin = torch.randint(len(ids) - CONTEXT, (BATCH, 1), generator=generator)
        places = begin + torch.arange(CONTEXT)
        yield ids[places], ids[places + 1]


def kit(ids: torch.Tensor, precision: str, onednn: bool = True):
    """Return a function that takes some of the kit's steps."""
    from llmkit.losses import cross_entropy
    from llmkit.models import GPT, GPTConfig
    from llmkit.training import OneDNN, adamw, train

    low = precision == "bf16"
    sizes = {"vocab_size": int(ids.max()) + 1, "context_length": CONTEXT}
    sizes |= {"d_model": WIDTH, "n_heads": HEADS, "n_layers": LAYERS}
    model = GPT(GPTConfig(**sizes, dropout=0.0, activation="gelu"))
    optimizer, coming = adamw(model, 1e-3, betas=(0.9, 0.99)), batches(ids)

    def loss(model, batch):
        # in bfloat16 PyTorch's fused attention is slow on the way back
        with nullcontext() if low or not onednn else OneDNN():
            logits = model(batch[0], output_attentions=low).logits
        return cross_entropy(logits, batch[1])

    def run(steps: int, on_step=None) -> None:
        options = {"loss": loss, "bf16": low, "on_step": on_step}
        train(model, coming, optimizer, steps=steps, **options)

    return run


def peer(ids: torch.Tensor, precision: str, folder: str):
    """Return a function that takes one of nanoGPT's steps, as its train.py does."""
    sys.path.insert(0, folder)
    from model import GPT, GPTConfig  # nanoGPT's

    sizes = {"n_layer": LAYERS, "n_head": HEADS, "n_embd": WIDTH, "bias": True}
    shape = {"block_size": CONTEXT, "vocab_size": int(ids.max()) + 1, "dropout": 0.0}
    model = GPT(GPTConfig(**sizes, **shape))
    optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.99), "cpu")
    coming, dtype = batches(ids), PRECISIONS[precision]

    def step():
        with torch.autocast("cpu", dtype) if dtype else nullcontext():
            _, loss = model(*next(coming))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()

    return step


def alternate(run, peer_step, rounds: int) -> tuple[list[float], list[float]]:
    """Take a step of each in turn; return the CPU seconds of the kit and the peer."""
    ours, theirs, begin = [], [], time.process_time()

    def on_step(step) -> None:
        nonlocal begin
        middle = time.process_time()
        peer_step()
        end = time.process_time()
        if step.step >= 5:
            ours.append(middle - begin)
            theirs.append(end - middle)
        begin = time.process_time()

    run(rounds + 5, on_step)
    return ours, theirs


def peak(who: str, precision: str, args) -> float:
    """Return the most memory that a fresh process of its own held, in MB."""
    sizes = []
    for _ in range(3):
        command = [sys.executable, "-m", "benchmarks.training_speed", str(args.text)]
        command += [str(args.nanogpt), "--alone", who, precision]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        sizes.append(json.loads(done.stdout.splitlines()[-1]))
    return statistics.median(sizes)


def import_seconds() -> float:
    """Return what importing the kit with its models takes beyond PyTorch."""
    code = "import time, torch; t = time.process_time(); import llmkit.models, "
    code += "llmkit.training; print(time.process_time() - t)"
    run = [sys.executable, "-c", code]
    return statistics.median(
        float(subprocess.run(run, capture_output=True, check=True).stdout)
        for _ in range(5)
    )


def main() -> None:
    """Print each figure beside its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("nanogpt", type=Path)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--alone", nargs=2, metavar=("WHO", "PRECISION"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    ids = read(args.text)
    if args.alone:
        who, precision = args.alone
        if who == "kit":
            kit(ids, precision)(10)
        else:
            step = peer(ids, precision, str(args.nanogpt))
            for _ in range(10):
                step()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    for precision, onednn in (("fp32", True), ("fp32", False), ("bf16", True)):
        theirs = peer(ids, precision, str(args.nanogpt))
        found = alternate(kit(ids, precision, onednn), theirs, args.rounds)
        ratio = statistics.median(b / a for a, b in zip(*found, strict=True))
        ms = {
            name: 1000 * statistics.median(each)
            for name, each in zip(("kit", "nanoGPT"), found, strict=True)
        }
        way = ", PyTorch's own products" if not onednn else ""
        print(
            f"{precision}{way}: a step {ms['kit']:.1f} ms, nanoGPT {ms['nanoGPT']:.1f} "
            f"ms: {ratio:.2f} x its steps a second (bar {BARS[precision]})",
            flush=True,
        )
    for precision in PRECISIONS:
        memory = {name: peak(name, precision, args) for name in ("kit", "nanoGPT")}
        print(
            f"{precision}: peak memory {memory['kit']:.0f} MB, nanoGPT "
            f"{memory['nanoGPT']:.0f} MB",
            flush=True,
        )
    print(f"import beyond torch: {import_seconds():.2f} s of CPU (bar 0.2)")


if __name__ == "__main__":
    main()
