"""What a model says about one text, and how few numbers tell almost all of it.

A page without a kernel keeps the 512 likeliest tokens and, for all others, the exact
weight of a few bands at each of the 33 temperatures its slider stops at. Home
notebook: 09_decoding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from llmkit.viz.labels import visible

# 33 stops from 0.05 to 5, evenly spaced by ratio, with 1 among them
TEMPERATURES = tuple(
    float(f"{t:.3g}")
    for t in [20 ** (i / 21 - 1) for i in range(22)]
    + [5 ** (i / 11) for i in range(1, 12)]
)
LISTED = 512  # tokens that a page without a kernel knows one by one
BANDS = 12  # groups for all the others


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What a model says about one text: a score for every token as the next one."""

    text: str
    ids: list[int]  # the tokens of the text, T
    tokens: list[str]  # their labels, T
    logits: np.ndarray | None  # (V,); None when the text gave the model nothing to read
    note: str = ""  # a sentence for the reader
    vocab: list[str] | None = field(default=None, repr=False)


def stops_with(temperature: float) -> list[float]:
    """Return the 33 stops of the slider, the nearest one moved to a temperature.

    Args:
        temperature: above 0; the stop at 1 stays.
    """
    stops = list(TEMPERATURES)
    if temperature not in stops:
        others = [i for i, t in enumerate(stops) if t != 1]
        nearest = min(others, key=lambda i: abs(math.log(stops[i] / temperature)))
        stops[nearest] = temperature
    return stops


def compress(
    logits: np.ndarray, ids: Sequence[int], temperatures: Sequence[float]
) -> tuple[np.ndarray, list[dict]]:
    """List the likeliest tokens, and weigh all others in bands.

    Args:
        logits: (V,).
        ids: tokens that must be listed too: the text's, which penalties move.
        temperatures: where the bands are weighed.

    Returns:
        The ids of the listed tokens, and for each band its size `n`, a typical logit
        `at` and the exact `lse`, log sum exp(logit / T), at every temperature.
    """
    order = np.argsort(-logits, kind="stable")
    listed = np.union1d(order[:LISTED], np.asarray(ids, dtype=order.dtype))
    tail = order[~np.isin(order, listed)]
    tail = tail[np.isfinite(logits[tail])]
    bands = []
    if len(tail):
        # each band is larger than the one before: the head of the tail weighs most
        ends = np.geomspace(LISTED, LISTED + len(tail), BANDS + 1) - LISTED
        for part in np.split(tail, np.unique(ends[1:-1].round().astype(int))):
            if len(part):
                z = logits[part].astype(np.float64)
                scaled = z[None] / np.asarray(temperatures)[:, None]
                top = scaled.max(-1)
                lse = top + np.log(np.exp(scaled - top[:, None]).sum(-1))
                at = float(z.mean())
                bands.append({"n": len(part), "at": at, "lse": lse.round(4).tolist()})
    return listed, bands


def frame_of(scores: Scores) -> dict:
    """Return what the browser needs to know of some scores."""
    logits = scores.logits
    return {
        "ids": list(scores.ids),
        "tokens": [visible(t, 40) for t in scores.tokens],
        "logits": b"" if logits is None else logits.astype(np.float32).tobytes(),
        "note": scores.note,
    }
