"""The faults: each one line of the package turned into what a beginner might write."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One text in one file replaced by another, and who must notice.

    Attributes:
        name: what is wrong.
        file: the file, below `llmkit/`.
        old: its text; it must occur there exactly once.
        new: what stands in its place.
        tests: files or folders below `tests/` that must turn red.
        notebook: the notebook that must turn red, by its number.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    notebook: str


FAULTS = [
    Fault(
        "no-sqrt-d",
        "nn/attention.py",
        'scores = q @ k.transpose(-2, -1) / math.sqrt(sizes["Dh"])',
        "scores = q @ k.transpose(-2, -1)",
        ("nn/test_attention.py",),
        "03",
    ),
    Fault(
        "mask-inverted",
        "nn/attention.py",
        "scores.masked_fill(~_as_bool(mask), -math.inf)",
        "scores.masked_fill(_as_bool(mask), -math.inf)",
        ("nn/test_attention.py",),
        "03",
    ),
    Fault(
        "softmax-over-queries",
        "nn/attention.py",
        "weights = scores.softmax(dim=-1)",
        "weights = scores.softmax(dim=-2)",
        ("nn/test_attention.py",),
        "03",
    ),
    Fault(
        "future-visible",
        "nn/masks.py",
        "full.tril(diagonal=key_length - query_length)",
        "full.tril(diagonal=key_length - query_length + 1)",
        ("nn/test_masks.py",),
        "03",
    ),
    Fault(
        "heads-merged-without-transpose",
        "nn/attention.py",
        "return x.transpose(1, 2).flatten(-2)",
        "return x.reshape(x.shape[0], x.shape[2], -1)",
        ("nn/test_attention.py",),
        "04",
    ),
    Fault(
        "groups-in-the-wrong-order",
        "nn/attention.py",
        "return x.repeat_interleave(n_heads // n_kv_heads, dim=1)",
        "return x.repeat(1, n_heads // n_kv_heads, 1, 1)",
        ("nn/test_attention.py",),
        "04",
    ),
    Fault(
        "cached-positions-start-at-zero",
        "models/decoder.py",
        "return torch.arange(before, before + length, device=device)",
        "return torch.arange(length, device=device)",
        ("models/test_decoders.py",),
        "00",
    ),
    Fault(
        "positions-off-by-one",
        "nn/positions.py",
        "angles = _angles(torch.arange(length), d_model, base)",
        "angles = _angles(torch.arange(length) + 1, d_model, base)",
        ("nn/test_positions.py",),
        "02",
    ),
    Fault(
        "rotary-sign",
        "nn/positions.py",
        "torch.cat([-second, first], dim=-1) * sin",
        "torch.cat([second, -first], dim=-1) * sin",
        ("nn/test_positions.py",),
        "02",
    ),
    Fault(
        "alibi-rewards-distance",
        "nn/positions.py",
        "return -slopes[:, None, None] * distance",
        "return slopes[:, None, None] * distance",
        ("nn/test_positions.py",),
        "02",
    ),
    Fault(
        "no-residual",
        "nn/blocks.py",
        "return x + self.dropout(written), weights",
        "return self.dropout(written), weights",
        ("nn/test_blocks.py",),
        "05",
    ),
    Fault(
        "norm-on-the-wrong-side",
        "nn/blocks.py",
        "if self.norm_first:",
        "if not self.norm_first:",
        ("nn/test_blocks.py",),
        "05",
    ),
    Fault(
        "variance-over-d-minus-1",
        "nn/norms.py",
        "variance = (x - mean).square().mean(dim=-1, keepdim=True)",
        "variance = x.var(dim=-1, keepdim=True)",
        ("nn/test_norms.py",),
        "05",
    ),
    Fault(
        "eps-outside-the-root",
        "nn/norms.py",
        "(x - mean) / torch.sqrt(variance + self.eps)",
        "(x - mean) / (torch.sqrt(variance) + self.eps)",
        ("nn/test_norms.py",),
        "05",
    ),
    Fault(
        "gelu-without-root-2",
        "nn/feed_forward.py",
        "torch.erf(x / math.sqrt(2.0))",
        "torch.erf(x)",
        ("nn/test_feed_forward.py",),
        "05",
    ),
    Fault(
        "gate-without-silu",
        "nn/feed_forward.py",
        "self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))",
        "self.down_proj(self.gate_proj(x) * self.up_proj(x))",
        ("nn/test_feed_forward.py",),
        "05",
    ),
    Fault(
        "least-frequent-pair-first",
        "tokenizers/merging.py",
        "heap = [(-pairs[p], p, n, where[p])",
        "heap = [(pairs[p], p, n, where[p])",
        ("tokenizers/test_bpe.py",),
        "01",
    ),
    Fault(
        "last-merge-first",
        "tokenizers/applying.py",
        "best = min(here)",
        "best = max((r for r in here if r != NEVER), default=NEVER)",
        ("tokenizers/test_bpe.py",),
        "01",
    ),
    Fault(
        "pieces-without-prefix",
        "tokenizers/wordpiece.py",
        'mark = self.prefix if start else ""',
        'mark = ""',
        ("tokenizers/test_wordpiece.py",),
        "01",
    ),
    Fault(
        "offsets-in-bytes",
        "tokenizers/bpe.py",
        "owner = None if word.isascii() else _owners(word)",
        "owner = None",
        ("tokenizers/test_bpe.py",),
        "01",
    ),
    Fault(
        "temperature-inverted",
        "decoding/filters.py",
        "return logits / value",
        "return logits * value",
        ("decoding/test_filters.py",),
        "00",
    ),
    Fault(
        "top-p-drops-one-more",
        "decoding/filters.py",
        "drop = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - p",
        "drop = ascending.softmax(dim=-1).cumsum(dim=-1).roll(1, -1) <= 1 - p",
        ("decoding/test_filters.py",),
        "00",
    ),
    Fault(
        "runs-not-clipped",
        "metrics/ngrams.py",
        "sum(min(count, reference[run]) for run",
        "sum(count * (run in reference) for run",
        ("metrics/test_text_parity.py",),
        "11",
    ),
    Fault(
        "no-brevity-penalty",
        "metrics/bleu.py",
        "short = np.where(length < wanted, 1 - wanted / length, 0.0)",
        "short = 0.0 * length",
        ("metrics/test_text_parity.py",),
        "11",
    ),
    Fault(
        "macro-is-micro",
        "metrics/classes.py",
        "each = precision_recall_f1(hits, chosen, true)\n    total",
        "each = tuple(np.asarray(x).reshape(1) for x in micro)\n    total",
        ("metrics/test_classes.py",),
        "11",
    ),
    Fault(
        "interval-one-sided",
        "metrics/intervals.py",
        "z = _NORMAL.inv_cdf((1 + level) / 2)",
        "z = _NORMAL.inv_cdf(level)",
        ("metrics/test_intervals.py",),
        "11",
    ),
    Fault(
        "bins-alike",
        "metrics/calibration.py",
        "(self.count * gaps).sum() / self.count.sum()",
        "gaps.mean()",
        ("metrics/test_calibration.py",),
        "11",
    ),
    Fault(
        "subsequence-repeats",
        "metrics/rouge.py",
        "best[i + 1][j + 1] = best[i][j] + 1",
        "best[i + 1][j + 1] = best[i + 1][j] + 1",
        ("metrics/test_text_parity.py",),
        "11",
    ),
    Fault(
        "nats-for-bits",
        "metrics/scores.py",
        "loss * n_tokens / n_bytes / math.log(2)",
        "loss * n_tokens / n_bytes",
        ("metrics/test_scores.py",),
        "11",
    ),
]
