"""How often 95 % intervals hold the truth, and how often a paired test errs.

    python -m tests.metrics.coverage

prints both tables. In each of 1,000 simulations a test set is drawn from a world whose
true score is known, because it is drawn by a formula or from a large pool.
"""

import random

import numpy as np

from llmkit.metrics import bootstrap_interval, paired_test
from llmkit.metrics.bleu import bleu_from_counts, bleu_rows
from llmkit.metrics.chrf import chrf_from_counts, chrf_rows
from llmkit.metrics.report import rows_of, statistic_of

SIMULATIONS = 1000


def accuracy(rng, n):
    """Right or wrong; how good the system is differs from set to set."""
    share = rng.uniform(0.5, 0.95)
    return rng.random(n) < share, share


def normal(rng, n):
    return rng.normal(size=n), 0.0


def skewed(rng, n):
    return rng.beta(5, 2, n), 5 / 7


def halves(rng, n):
    """Like token F1: many exactly right, others somewhere between."""
    return np.maximum(rng.random(n) < 0.5, rng.random(n)), 0.75


def pool(rows, statistic):
    """A world that is a large pool of examples: draw from it."""
    rows = np.asarray(rows, float)
    truth = float(np.asarray(statistic(rows.sum(0)[None]))[0])
    return lambda rng, n: (rows[rng.integers(len(rows), size=n)], truth)


def classes(count=20_000):
    """Three classes, one of them rare, and a system that is right 4 times of 5."""
    rng = np.random.default_rng(20)
    targets = rng.choice(3, p=[0.5, 0.35, 0.15], size=count)
    said = np.where(rng.random(count) < 0.8, targets, rng.integers(3, size=count))
    return said.tolist(), targets.tolist()


def translations(count=3000, quality=0.75):
    """Sentences of a small language, and versions with some words changed."""
    rng = random.Random(21)
    words = ["".join(rng.choice("aeioustrn") for _ in range(5)) for _ in range(200)]
    right, said = [], []
    for _ in range(count):
        sentence = [rng.choice(words) for _ in range(rng.randint(5, 25))]
        keep = rng.betavariate(6 * quality, 6 * (1 - quality))
        copy = [w if rng.random() < keep else rng.choice(words) for w in sentence]
        right.append(" ".join(sentence))
        said.append(" ".join(copy[: len(copy) - rng.choice([0, 0, 0, 1, 2])]))
    return said, right


def worlds() -> dict:
    """Name -> (how to draw a set and its truth, statistic of sums or None)."""
    found = {"accuracy": (accuracy, None), "mean, normal": (normal, None)}
    found |= {"mean, skewed": (skewed, None), "mean, token F1": (halves, None)}
    said, right = classes()
    for metric in ("macro_f1", "micro_f1"):
        (rows,), of = rows_of(metric, right, said), statistic_of(metric, right, said)
        found[metric] = (pool(rows, of), of)
    said, right = translations()
    for name, rows, of in (
        ("BLEU", bleu_rows(said, right), bleu_from_counts),
        ("chrF", chrf_rows(said, right), chrf_from_counts),
    ):
        found[name] = (pool(rows, of), of)
    (rows,), of = rows_of("rougeL", right, said), statistic_of("rougeL", right, said)
    found["ROUGE-L"] = (pool(rows, of), of)
    return found


def covered(draw, statistic, n: int, simulations: int = SIMULATIONS) -> float:
    """Return the share of simulated sets whose 95 % interval holds the truth."""
    rng = np.random.default_rng(11)
    inside = 0
    for seed in range(simulations):
        values, truth = draw(rng, n)
        inside += truth in bootstrap_interval(
            values, statistic, resamples=1000, seed=seed, sums=statistic is not None
        )
    return inside / simulations


def false_alarms(n: int = 80, simulations: int = SIMULATIONS) -> tuple[float, float]:
    """Two equally good systems: how often p ≤ 0.05, how often 0 is excluded."""
    rng = np.random.default_rng(8)
    small = excluded = 0
    for seed in range(simulations):
        hard = rng.random(n)
        a, b = (rng.random((2, n)) < hard).astype(float)
        test = paired_test(a, b, resamples=1000, seed=seed)
        small += test.p <= 0.05
        excluded += 0 not in test.difference
    return small / simulations, excluded / simulations


def false_alarms_of_bleu(n: int = 60, simulations: int = SIMULATIONS) -> float:
    """The same for two systems compared by BLEU: how often p ≤ 0.05."""
    rng = np.random.default_rng(9)
    said, right = translations()
    rows = bleu_rows(said, right).astype(float)
    # two systems that are one: each sentence gets two versions by chance
    half = len(rows) // 2
    first, second = rows[:half], rows[half:]
    small = 0
    for seed in range(simulations):
        place = rng.integers(half, size=n)
        swap = rng.integers(2, size=(n, 1)).astype(bool)
        a = np.where(swap, first[place], second[place])
        b = np.where(swap, second[place], first[place])
        test = paired_test(a, b, bleu_from_counts, resamples=1000, seed=seed, sums=True)
        small += test.p <= 0.05
    return small / simulations


def main() -> None:
    """Print both tables."""
    sizes = (50, 100, 300)
    print("| score | " + " | ".join(f"n = {n}" for n in sizes) + " |")
    for name, (draw, statistic) in worlds().items():
        shares = (f"{covered(draw, statistic, n):.3f}" for n in sizes)
        print(f"| {name} | " + " | ".join(shares) + " |", flush=True)
    small, excluded = false_alarms()
    print(f"false alarms at 5 %: p {small:.3f}, interval {excluded:.3f}")
    print(f"false alarms at 5 % by BLEU: p {false_alarms_of_bleu():.3f}")


if __name__ == "__main__":
    main()
