"""How much is learned from how much: size of the set, start and seed.

The two-way resampling of examples and seeds: Owen 2007, "The pigeonhole bootstrap".
Home notebook: 10_fine_tuning_bert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from llmkit.metrics import Interval, wilson_interval
from llmkit.runtime import progress


@dataclass(frozen=True)
class CurveRun:
    """One run of a learning curve.

    Attributes:
        start: where the weights came from, such as "pretrained".
        size: how many examples it learned from.
        seed: of the run.
        right: for each test example whether the answer was right.
    """

    start: str
    size: int
    seed: int
    right: tuple[bool, ...]


@dataclass(frozen=True)
class CurvePoint:
    """A point of a learning curve: the accuracy over all seeds, with its interval."""

    start: str
    size: int
    accuracy: Interval
    lowest: float  # the worst seed
    highest: float  # the best
    seeds: int


def learning_curve(
    run: Callable[[str, int, int], Sequence[bool]],
    starts: Sequence[str],
    sizes: Sequence[int],
    seeds: Iterable[int],
    known: Iterable[CurveRun] = (),
    on_run: Callable[[CurveRun], None] | None = None,
) -> list[CurveRun]:
    """Make every run of a learning curve.

    Args:
        run: from start, size and seed to what was right on the test examples. It
            should seed everything itself, so that each run stands alone.
        starts: such as ("pretrained", "random", "frozen").
        sizes: numbers of examples.
        seeds: one run for each.
        known: runs that need not be made again.
        on_run: called with each new run, for instance to store it.

    Returns:
        One `CurveRun` for each start, size and seed.
    """
    done = {(r.start, r.size, r.seed): r for r in known}
    wanted = [(s, n, seed) for seed in seeds for s in starts for n in sizes]
    for key in progress([key for key in wanted if key not in done], "runs"):
        done[key] = CurveRun(*key, tuple(bool(right) for right in run(*key)))
        if on_run is not None:
            on_run(done[key])
    return [done[key] for key in wanted]


def curve_points(
    runs: Iterable[CurveRun], level: float = 0.95, resamples: int = 2000
) -> list[CurvePoint]:
    """Sum up the runs of each start and size.

    Args:
        runs: as `learning_curve` returns them.
        level: of the intervals.
        resamples: how often seeds and test examples are drawn again.

    Returns:
        One point for each start and size, in the order of the runs.
    """
    groups: dict[tuple[str, int], list[CurveRun]] = {}
    for run in runs:
        groups.setdefault((run.start, run.size), []).append(run)
    points = []
    for (start, size), some in groups.items():
        each = [float(np.mean(run.right)) for run in some]
        interval = seeds_interval([run.right for run in some], level, resamples)
        points.append(
            CurvePoint(start, size, interval, min(each), max(each), len(each))
        )
    return points


def seeds_interval(
    right: Sequence[Sequence[bool]],
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the mean accuracy of several runs on one test set, with its interval.

    Two things could have come out otherwise: which seeds were tried and which texts
    were in the test set. Both are drawn again, together.

    Args:
        right: for each of R runs whether each of N answers was right, (R, N).
        level: how often such an interval holds the true score.
        resamples: how often to draw.
        seed: of the draws.

    Returns:
        An `Interval`; of a single run it is Wilson's.

    Raises:
        ValueError: the runs were not tested on the same examples.
    """
    lengths = {len(run) for run in right}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            "all runs must be tested on the same examples; got runs with "
            f"{sorted(lengths) or 'no'} answers"
        )
    table = np.asarray(right, dtype=float)
    n_runs, n = table.shape
    if n_runs == 1:
        return wilson_interval(float(table.sum()), n, level)
    rng = np.random.default_rng(seed)
    scores = np.empty(resamples)
    for i in range(resamples):
        runs = np.bincount(rng.integers(n_runs, size=n_runs), minlength=n_runs)
        texts = np.bincount(rng.integers(n, size=n), minlength=n)
        scores[i] = runs @ table @ texts / (n_runs * n)
    outside = (1 - level) / 2
    low, high = np.quantile(scores, [outside, 1 - outside])
    return Interval(float(table.mean()), float(low), float(high), n, level)


def accuracy_by(
    right: Sequence[bool], groups: Sequence, level: float = 0.95
) -> dict[str, Interval]:
    """Return the accuracy of each group of examples, with its interval.

    Args:
        right: for each of N examples whether the answer was right.
        groups: what each belongs to, such as its tag.
        level: of Wilson's interval.

    Returns:
        group -> accuracy, the best first.

    Raises:
        ValueError: answers and groups are not equally many.
    """
    if len(right) != len(groups):
        raise ValueError(
            f"groups must be as many as answers, {len(right)}; got {len(groups)}"
        )
    counts: dict = {}
    for hit, group in zip(right, groups, strict=True):
        hits, n = counts.get(group, (0, 0))
        counts[group] = (hits + bool(hit), n + 1)
    found = {g: wilson_interval(hits, n, level) for g, (hits, n) in counts.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1].value))
