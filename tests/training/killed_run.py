"""A run that is killed again and again, and what becomes of it.

    python -m tests.training.killed_run --kills 20

starts a run, kills its process with SIGKILL at a random moment, starts it again, and so
on. At the end the state it reached is compared, byte for byte, with that of a run that
nobody disturbed. Each step is saved, so that many kills fall into a save.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATE = "run.safetensors"
MOMENTS = ("anywhere", "half written", "before the name")


def run(folder: Path, steps: int, kill: str = "") -> None:
    """Train a small model, saving each step; go on where the folder's state stands.

    Args:
        folder: where the state lies.
        steps: where the run ends.
        kill: "STEP MOMENT": the process kills itself in the save after that step.
    """
    import torch

    from llmkit.data import Packing, Stream
    from llmkit.models import GPT, GPTConfig
    from llmkit.runtime import seed_all
    from llmkit.training import (
        load_state,
        muon,
        packed_batches,
        save_state,
        separate_texts,
        train,
        warmup_cosine,
    )

    seed_all(0)
    sizes = {"vocab_size": 11, "context_length": 6, "d_model": 8, "n_heads": 2}
    model = GPT(GPTConfig(**sizes, n_layers=2, dropout=0.1))
    optimizers = muon(model, lr=0.02, adamw_lr=0.01)
    generator = torch.Generator().manual_seed(1)
    documents = [[1 + (i * j) % 10 for j in range(1 + i % 5)] for i in range(17)]
    stream = Packing(Stream(lambda _: documents, held_back=5), 6, 0, whole=True)
    # chance has a say in the data too: some inputs are blanked
    batches = (
        (ids * (torch.rand(ids.shape, generator=generator) > 0.1), *rest)
        for ids, *rest in packed_batches(stream, 3)
    )
    path, first = folder / STATE, 0
    kept = (generator, {"steps": steps, "batch_size": 3}, stream)
    if path.exists():
        first = load_state(path, model, optimizers, *kept)
    at, _, moment = kill.partition(" ")

    def on_step(step):
        if kill and step.step == int(at):
            die(moment)
        save_state(path, model, optimizers, step.step + 1, *kept)
        print(step.step, flush=True)

    if first < steps:
        train(
            model,
            batches,
            optimizers,
            steps=steps,
            first_step=first,
            schedule=warmup_cosine(steps, warmup=3),
            loss=separate_texts,
            on_step=on_step,
        )


def die(moment: str) -> None:
    """Have the coming save end in SIGKILL."""
    import safetensors.torch

    whole = safetensors.torch.save_file

    def half(tensors, name, *args):
        whole(tensors, name, *args)
        os.truncate(name, os.path.getsize(name) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    if moment == "half written":
        safetensors.torch.save_file = half
    else:
        os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)


def start(folder: Path, steps: int, kill: str = "") -> subprocess.Popen:
    """Start the run in a process of its own."""
    code = f"from tests.training.killed_run import *; run(Path({str(folder)!r}), "
    return subprocess.Popen(
        [sys.executable, "-c", f"{code}{steps}, {kill!r})"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_anywhere(process: subprocess.Popen, after: int, chance: random.Random) -> None:
    """Kill a process some time after it took so many steps."""
    begin, took = time.monotonic(), 0.01
    for count, _ in enumerate(process.stdout):
        now = time.monotonic()
        begin, took = now, now - begin
        if count == after:
            break
    # anywhere in the time of about two steps
    time.sleep(chance.random() * min(2 * took, 0.1))
    process.kill()
    process.wait()
    process.stdout.close()


def finish(folder: Path, steps: int) -> bytes:
    """Let the run come to its end; return the state it reached."""
    process = start(folder, steps)
    process.communicate()
    assert process.returncode == 0
    return (folder / STATE).read_bytes()


def disturb(folder: Path, steps: int, moments: list[str], seed: int) -> list[dict]:
    """Kill the run once for each moment; return what was found after each.

    Args:
        folder: where the state lies.
        steps: where the run ends.
        moments: when to kill, of `MOMENTS`.
        seed: of the random moments.
    """
    chance, found = random.Random(seed), []
    span = steps // (len(moments) + 1)  # so that the last kill is before the end
    for moment in moments:
        before = reached(folder)
        after = chance.randrange(1, max(2, span - 2))
        if moment == "anywhere":
            process = start(folder, steps)
            kill_anywhere(process, after, chance)
        else:
            process = start(folder, steps, f"{before + after} {moment}")
            process.communicate()
        drafts = len(list(folder.glob(".*.draft")))
        found.append(
            {
                "moment": moment,
                "code": process.returncode,
                "steps": reached(folder) - before,
                "in a save": bool(drafts),
                "drafts": drafts,
            }
        )
    return found


def reached(folder: Path) -> int:
    """Return how many steps the stored state has behind it."""
    import json

    from safetensors import safe_open

    path = folder / STATE
    if not path.exists():
        return 0
    with safe_open(str(path), framework="np") as file:
        return json.loads(file.metadata()["llmkit"])["step"]


def main() -> None:
    """Kill as often as asked, and tell whether anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    steps = 12 * (args.kills + 1)
    home = Path(tempfile.mkdtemp())
    calm, wild = home / "calm", home / "wild"
    calm.mkdir()
    wild.mkdir()
    want = finish(calm, steps)
    moments = ["anywhere"] * (args.kills - 2) + list(MOMENTS[1:])
    random.Random(args.seed).shuffle(moments)
    found = disturb(wild, steps, moments, args.seed)
    for number, each in enumerate(found, 1):
        where = "in a save" if each["in a save"] else "between saves"
        print(
            f"{number:3}  killed {each['moment']:16} {where:14} +{each['steps']} steps"
        )
    same = finish(wild, steps) == want
    left = len(list(wild.glob(".*.draft")))
    saves = sum(each["in a save"] for each in found)
    print(f"seed {args.seed}: {len(found)} kills, {saves} of them in a save;")
    print(f"the last state is {'the same, bit for bit' if same else 'ANOTHER'};")
    print(f"{left} drafts are left")
    shutil.rmtree(home)
    sys.exit(not same or left)


if __name__ == "__main__":
    main()
