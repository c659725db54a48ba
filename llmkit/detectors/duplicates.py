"""Texts that stand in two sets at once: copies, and copies with a few changes.

Every text is cut into shingles, runs of a few signs (Broder 1997, "On the resemblance
and containment of documents"). The search leaves nothing out: of a text that shares
enough shingles with another, one of the rarest must be among the shared ones.
Home notebook: 11_evaluation.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from llmkit.checks import check_count, check_range
from llmkit.detectors.finding import Finding

_SHORT = 25  # a text with fewer shingles says too little to be a near copy


@dataclass(frozen=True)
class Overlap(Finding):
    """What two sets share.

    Attributes:
        pairs: (index in test, index in train, share of the test text found there);
            the share is 1.0 for a copy. Each test text is named once, with its
            nearest train text, the worst first.
        n_test: how many texts were looked up.
    """

    pairs: tuple[tuple[int, int, float], ...] = ()
    n_test: int = 0
    texts: tuple = field(default=(), repr=False, compare=False)

    @property
    def share(self) -> float:
        """The share of the test texts that also stand in the training set."""
        return len(self.pairs) / max(self.n_test, 1)

    def table(self):
        """Return the pairs as a pandas DataFrame, with the beginning of each text."""
        import pandas as pd

        train, test = self.texts or ((), ())
        return pd.DataFrame(
            [
                {
                    "test": i,
                    "train": j,
                    "shared": round(share, 3),
                    "test text": _brief(test[i]),
                    "train text": _brief(train[j]),
                }
                for i, j, share in self.pairs
            ],
            columns=["test", "train", "shared", "test text", "train text"],
        )

    def __repr__(self) -> str:
        return super().__repr__()


def overlap(
    train: Sequence[str | Sequence[int]],
    test: Sequence[str | Sequence[int]],
    *,
    threshold: float = 0.6,
    width: int = 5,
) -> Overlap:
    """Look up every test text in the training set, exactly and nearly.

    Upper and lower case, punctuation and white space do not count. A near copy is a
    text of which `threshold` of the shingles occur in one training text; a text of
    fewer than 25 shingles counts only as an exact copy.

    Args:
        train: texts, or sequences of token ids.
        test: the same kind.
        threshold: the share of a test text's shingles that makes a near copy.
        width: how many signs (or tokens) a shingle has.

    Returns:
        An `Overlap`, true if nothing is shared; `.pairs` and `.table()` say which.
    """
    check_range("threshold", threshold, 0.05, 1.0)
    check_count("width", width)
    train, test = list(train), list(test)
    cut = [_shingles(text, width) for text in train]
    plain = [_plain(text) for text in train]
    exact: dict[Hashable, int] = {}
    for place, text in enumerate(plain):
        exact.setdefault(text, place)
    holders: dict[Hashable, list[int]] = defaultdict(list)
    for place, pieces in enumerate(cut):
        for piece in pieces:
            holders[piece].append(place)
    pairs = []
    for place, text in enumerate(test):
        copy = exact.get(_plain(text)) if _plain(text) else None
        if copy is not None:
            pairs.append((place, copy, 1.0))
            continue
        near = _nearest(_shingles(text, width), cut, holders, threshold)
        if near is not None:
            pairs.append((place, *near))
    pairs.sort(key=lambda pair: (-pair[2], pair[0]))
    return Overlap(
        not pairs,
        _sentence(pairs, train, test),
        pairs[0][2] if pairs else 0.0,
        pairs=tuple(pairs),
        n_test=len(test),
        texts=(tuple(train), tuple(test)),
    )


def _plain(text: str | Sequence[int]) -> Hashable:
    """Return a text without what does not count; ids as they are."""
    if not isinstance(text, str):
        return tuple(int(i) for i in text)
    text = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c if c.isalnum() else " " for c in text)
    # signs only, such as an emoji: they are the text
    return " ".join(kept.split()) or "".join(text.split())


def _shingles(text: str | Sequence[int], width: int) -> frozenset:
    plain = _plain(text)
    return frozenset(plain[i : i + width] for i in range(len(plain) - width + 1))


def _nearest(pieces, cut, holders, threshold) -> tuple[int, float] | None:
    """Return the training text that holds most of the pieces, if it holds enough."""
    if len(pieces) < _SHORT:
        return None
    needed = threshold * len(pieces)
    by_rarity = sorted(pieces, key=lambda p: len(holders.get(p, ())))
    # whoever shares `needed` of them lacks at most the rest: one of these is shared
    first = by_rarity[: len(pieces) - int(-(-needed // 1)) + 1]
    candidates = Counter(place for p in first for place in holders.get(p, ()))
    best, most = None, 0
    for place in candidates:
        shared = len(pieces & cut[place])
        if shared > most:
            best, most = place, shared
    return (best, most / len(pieces)) if best is not None and most >= needed else None


def _sentence(pairs, train, test) -> str:
    if not pairs:
        return (
            f"No overlap: none of {len(test)} test texts stands in the {len(train)} "
            "training texts, not even nearly."
        )
    copies = sum(share == 1.0 for _, _, share in pairs)
    told = "; ".join(
        f"test {i} in train {j} ({share:.0%}): {_brief(test[i])}"
        for i, j, share in pairs[:3]
    )
    more = f"; and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    return (
        f"{len(pairs)} of {len(test)} test texts also stand in the training set, "
        f"{copies} of them whole: {told}{more}. Take them out of one of the two."
    )


def _brief(text) -> str:
    told = text if isinstance(text, str) else " ".join(str(int(i)) for i in text)
    told = " ".join(told.split())
    return repr(told if len(told) <= 50 else told[:49] + "…")
