"""One run, the same lines however many processes there are.

    python -m tests.training.two_processes OUT
    torchrun --nproc-per-node 2 -m tests.training.two_processes OUT

It prints nothing; the first process writes the losses to the file OUT.
"""

import json
import sys
from pathlib import Path

import torch
from accelerate import Accelerator

from llmkit.models import GPT, GPTConfig
from llmkit.training import muon, my_rows, random_windows, train, warmup_cosine

STEPS = 12


def main(out: str) -> None:
    accelerator = Accelerator(cpu=True)
    torch.manual_seed(0)
    sizes = {"vocab_size": 11, "context_length": 6, "d_model": 8, "n_heads": 2}
    model = GPT(GPTConfig(**sizes, n_layers=2)).double()
    optimizers = muon(model, lr=0.02, adamw_lr=0.01)
    text = torch.randint(11, (300,), generator=torch.Generator().manual_seed(5))
    batches = random_windows(text, 6, 8, torch.Generator().manual_seed(1))
    model, *optimizers = accelerator.prepare(model, *optimizers)
    calls = []

    def on_step(step):
        calls.append(step.step)
        # only the last process asks for the end: all must heed it
        last = accelerator.process_index == accelerator.num_processes - 1
        return last and step.step == STEPS - 1

    history = train(
        model,
        my_rows(batches),
        optimizers,
        steps=STEPS + 5,
        schedule=warmup_cosine(STEPS + 5, warmup=2),
        on_step=on_step,
    )
    if accelerator.is_main_process:
        found = {
            "processes": accelerator.num_processes,
            "losses": [step.loss for step in history],
            "norms": [step.grad_norm for step in history],
            "weights": torch.cat([p.flatten() for p in model.parameters()]).tolist(),
        }
        Path(out).write_text(json.dumps(found), encoding="utf-8")
    accelerator.end_training()


if __name__ == "__main__":
    main(sys.argv[1])
