"""Writing beside `transformers.generate`: one thread, one run, the same weights.

    OMP_NUM_THREADS=1 python -m benchmarks.generation [--rounds 5] [--tokens 128]

Every round times each way once, one after another, in processor time of this thread;
ratios are taken within a round, and the median over the rounds is printed, with the
least and the greatest. Models are fresh: the same random weights in both libraries, and
greedy texts are compared token by token. The weights' floor is the time of the bare
products with all matrices, each as the fast copy does it: what is above it is the price
of everything else.
"""

import argparse
import statistics
import time

import torch
import transformers

from llmkit.data import load_pydocs
from llmkit.decoding import beam_search, generate, n_bytes, swift, to_int8
from llmkit.decoding.swift import RowLinear
from llmkit.hub import from_hf, load_decoder
from llmkit.losses import cross_entropy
from llmkit.metrics import bootstrap_interval

SHAPES = {
    # nanoGPT's "baby GPT": 6 layers, 6 heads, width 384; 10.7 M weights
    "10M": {"n_layer": 6, "n_head": 6, "n_embd": 384, "vocab_size": 65},
    "gpt2": {},  # 124 M weights
}
BARS = {("10M", "swift"): 1.8, ("gpt2", "swift"): 1.3, ("gpt2", "8 bits"): 4.0}
PROMPT = 16


def pair(shape: str):
    """Return a model of transformers and ours, with the same random weights."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        bos_token_id=0, eos_token_id=None, pad_token_id=0, **SHAPES[shape]
    )
    judge = transformers.GPT2LMHeadModel(config).eval()
    return judge, from_hf(judge)


def seconds(act) -> float:
    """Return the processor time of one call."""
    start = time.thread_time()
    act()
    return time.thread_time() - start


def compare(ways: dict, rounds: int) -> dict[str, list[float]]:
    """Time each way in each round; the first one is the peer."""
    for act in ways.values():
        act()  # nobody pays for the first call
    table = [{name: seconds(act) for name, act in ways.items()} for _ in range(rounds)]
    return {name: [took[name] for took in table] for name in ways}


def report(title: str, shape: str, times: dict[str, list[float]]) -> None:
    """Print medians, and ratios to the peer within each round."""
    peer = next(iter(times))
    print(f"\n{title}")
    for name, own in times.items():
        ratios = [p / t for p, t in zip(times[peer], own, strict=True)]
        bar = BARS.get((shape, name)) if "beam" not in title else None
        print(
            f"  {name:14} {statistics.median(own):7.3f} s   "
            f"{statistics.median(ratios):5.2f} × {peer} "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
            + (f"   bar: {bar} ×" if bar else "")
        )


def floor(model, steps: int):
    """Return a function that does the products of all steps, and nothing else."""
    parts = [m for m in model.modules() if isinstance(m, RowLinear)]
    rows = [torch.randn(1, len(part.weight)) for part in parts]

    @torch.no_grad()
    def act():
        for _ in range(steps):
            for row, part in zip(rows, parts, strict=True):
                part.forward(row)

    return act


def speed(shape: str, rounds: int, new: int) -> None:
    """Time greedy writing of so many tokens, and beam search of half as many."""
    half = new // 2
    judge, model = pair(shape)
    quick, small = swift(model), to_int8(model)
    vocab = model.config.vocab_size
    ids = torch.randint(1, vocab, (1, PROMPT), generator=torch.Generator())
    common = {"attention_mask": torch.ones_like(ids), "do_sample": False}

    def theirs(count, **more):
        return judge.generate(ids, max_new_tokens=count, **common, **more)

    weights = sum(p.numel() for p in model.parameters())
    print(f"\n=== {shape}: {weights / 1e6:.1f} M weights, ", end="")
    print(f"{n_bytes(model) / 1e6:.0f} MB, in 8 bits {n_bytes(small) / 1e6:.0f} MB")
    same = [torch.equal(theirs(new), generate(m, ids, new)) for m in (model, quick)]
    print(f"greedy text equal to transformers': readable {same[0]}, swift {same[1]}")
    times = compare(
        {
            "transformers": lambda: theirs(new),
            "readable": lambda: generate(model, ids, new),
            "swift": lambda: generate(quick, ids, new),
            "8 bits": lambda: generate(small, ids, new),
            "weights' floor": floor(quick, new),
        },
        rounds,
    )
    report(f"greedy, batch 1, {new} tokens", shape, times)
    found = beam_search(quick, ids, half).best[0].ids
    same = theirs(half, num_beams=4)[0, PROMPT:].tolist() == found
    times = compare(
        {
            "transformers": lambda: theirs(half, num_beams=4),
            "readable": lambda: beam_search(model, ids, half),
            "swift": lambda: beam_search(quick, ids, half),
            "8 bits": lambda: beam_search(small, ids, half),
        },
        rounds,
    )
    report(f"beam 4, {half} tokens (text equal: {same})", shape, times)


@torch.no_grad()
def quality() -> None:
    """Print what 8 bits cost, in nats, on documentation that the model never saw."""
    model, tokenizer = load_decoder("pydocs")
    documents = load_pydocs("docstrings", "validation")
    rows = [tokenizer.encode(d.text)[:96] for d in documents]
    rows = torch.tensor([row for row in rows if len(row) == 96])
    exact, rounded = (
        cross_entropy(m(rows[:, :-1]).logits, rows[:, 1:], reduction="none").mean(1)
        for m in (model, to_int8(model))
    )
    gap = bootstrap_interval((rounded - exact).tolist())
    print(f"\n8 bits on pydocs, {len(rows)} unseen passages: {exact.mean():.3f} nats")
    print(
        f"become {rounded.mean():.3f}: {gap.value:+.4f} "
        f"[{gap.low:+.4f}, {gap.high:+.4f}] in pairs"
    )


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--shapes", nargs="*", default=list(SHAPES), choices=SHAPES)
    given = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for shape in given.shapes:
        speed(shape, given.rounds, given.tokens)
    quality()


if __name__ == "__main__":
    main()
