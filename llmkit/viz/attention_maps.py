"""Attention weights with everything a view needs to know about their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from llmkit.checks import check_shape
from llmkit.viz import codec
from llmkit.viz.labels import visible_all
from llmkit.viz.painters import as_weights, pool

ALL_AT_ONCE = 256  # beyond so many tokens, layers travel one at a time
THUMB = 40  # rows and columns of a head's thumbnail beyond that length
KEPT = 16  # weights of a row that a page without a kernel keeps beyond that length


@dataclass(kw_only=True)
class Side:
    """The tokens along one side of the weights.

    `special` marks tokens such as `[CLS]`, `words` numbers the word that each token
    belongs to (None for none), `segments` the sentence, 0 or 1 (None for neither).
    """

    labels: Sequence[str]
    special: Sequence[bool] | None = None
    words: Sequence[int | None] | None = None
    segments: Sequence[int] | None = None

    def __post_init__(self):
        self.labels = visible_all(self.labels)
        for name in ("special", "words", "segments"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.labels):
                raise ValueError(
                    f"{name} must have one entry for each of the {len(self.labels)} "
                    f"tokens; got {len(given)}"
                )

    def groups(
        self,
        hide_special: bool = False,
        group_words: bool = False,
        segment: int | None = None,
        containing: str = "",
    ) -> list[list[int]]:
        """Return the tokens to show, each as a list of the places it is made of.

        Args:
            hide_special: leave special tokens out.
            group_words: join the tokens of a word.
            segment: keep only this sentence.
            containing: keep only labels with one of these comma-separated texts.

        Returns:
            Lists of places, in order.
        """
        wanted = [w.strip().lower() for w in containing.split(",") if w.strip()]
        groups: list[list[int]] = []
        for at in range(len(self.labels)):
            if hide_special and self.special is not None and self.special[at]:
                continue
            if segment is not None and self.segments is not None:
                if self.segments[at] != segment:
                    continue
            if group_words and groups and self._same_word(groups[-1][-1], at):
                groups[-1].append(at)
            else:
                groups.append([at])
        if not wanted:
            return groups
        return [g for g in groups if any(w in self.name(g).lower() for w in wanted)]

    def name(self, group: Sequence[int]) -> str:
        """Return the label of a group of places."""
        first, *rest = (self.labels[i] for i in group)
        return first + "".join(r.removeprefix("##") for r in rest)

    def plain(self) -> dict:
        """Return it as JSON for the browser."""
        return {
            "labels": list(self.labels),
            "special": self.special and [int(x) for x in self.special],
            "words": self.words and [None if w is None else int(w) for w in self.words],
            "segments": self.segments
            and [None if x is None else int(x) for x in self.segments],
        }

    def _same_word(self, a: int, b: int) -> bool:
        words = self.words
        return words is not None and words[a] is not None and words[a] == words[b]


@dataclass(kw_only=True)
class AttentionMaps:
    """Weights of every head of one kind of attention.

    Args:
        weights: (L, H, T, S), numbers from 0 to 1; an array or a tensor.
        rows: the tokens that look; T labels, or a `Side`.
        columns: the tokens looked at; S labels, a `Side`, or None if they are `rows`.
        scores: name to (L, H): numbers by which the grid of heads can be sorted.
        queries: (L, H, T, Dh), the query vectors as they enter the product.
        keys: (L, H, S, Dh), the key vectors likewise.
        scale: what the product of a query and a key is multiplied by; None stands for
            1 / sqrt(Dh).
    """

    weights: np.ndarray
    rows: Side | Sequence[str]
    columns: Side | Sequence[str] | None = None
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    queries: np.ndarray | None = None
    keys: np.ndarray | None = None
    scale: float | None = None

    def __post_init__(self):
        self.shared = self.columns is None
        self.rows = _side(self.rows)
        self.columns = self.rows if self.shared else _side(self.columns)
        size = {"T": len(self.rows.labels), "S": len(self.columns.labels)}
        self.weights = as_weights("weights", self.weights, "L H T S", **size)
        layers, heads, t, s = self.weights.shape
        for name, scores in self.scores.items():
            check_shape(f"scores[{name!r}]", np.asarray(scores), f"{layers} {heads}")
        if (self.queries is None) != (self.keys is None):
            raise ValueError("queries and keys must be given together; got only one")
        if self.queries is not None:
            self.queries, self.keys = _vectors(self.queries), _vectors(self.keys)
            shape = f"{layers} {heads} T Dh"
            found = check_shape("queries", self.queries, shape, T=t)
            check_shape("keys", self.keys, shape, T=s, Dh=found["Dh"])
            self.scale = self.scale or found["Dh"] ** -0.5
        square = t == s and t > 1
        self.causal = bool(square and not np.triu(self.weights[:, :, :, :], 1).any())
        self.large = max(t, s) > ALL_AT_ONCE

    def plain(self, name: str) -> dict:
        """Return all but the weights as JSON for the browser."""
        layers, heads, t, s = self.weights.shape
        scores = {
            k: [None if np.isnan(x) else round(float(x), 5) for x in np.ravel(v)]
            for k, v in self.scores.items()
        }
        return {
            "name": name,
            "shape": [layers, heads, t, s],
            "causal": self.causal,
            "large": self.large,
            "thumb": [min(t, THUMB), min(s, THUMB)],
            "rows": self.rows.plain(),
            "columns": None if self.shared else self.columns.plain(),
            "scores": scores,
            "width": 0 if self.queries is None else self.queries.shape[-1],
            "scale": self.scale or 0,
        }

    def packed(self) -> bytes:
        """Return all weights packed, or thumbnails of the heads of a long text."""
        if self.large:
            return codec.pack_weights(pool(self.weights, THUMB))
        return codec.pack_weights(self.weights, self.causal)

    def layer(self, layer: int) -> bytes:
        """Return the packed weights of one layer."""
        return codec.pack_weights(self.weights[layer], self.causal)

    def strongest(self) -> bytes:
        """Return the KEPT largest weights of each row: places, then packed weights.

        Returns:
            uint16 places, (L, H, T, KEPT), followed by as many bytes of weights.
        """
        kept = min(KEPT, self.weights.shape[-1])
        places = np.argpartition(-self.weights, kept - 1, axis=-1)[..., :kept]
        weights = np.take_along_axis(self.weights, places, -1)
        return places.astype("<u2").tobytes() + codec.pack_weights(weights)

    def merged(
        self, heads, rows: list[list[int]], columns: list[list[int]], renormalise: bool
    ) -> np.ndarray:
        """Return the weights of some heads between groups of tokens.

        A group of keys receives the sum of what its tokens receive; a group of queries
        gives the mean of what its tokens give.

        Args:
            heads: pairs of layer and head.
            rows: groups of queries.
            columns: groups of keys.
            renormalise: make each row sum to 1 again.

        Returns:
            (number of heads, number of rows, number of columns).
        """
        t, s = self.weights.shape[2:]
        gather_rows = np.zeros((len(rows), t), np.float32)
        gather_columns = np.zeros((s, len(columns)), np.float32)
        for r, group in enumerate(rows):
            gather_rows[r, group] = 1 / len(group)
        for c, group in enumerate(columns):
            gather_columns[group, c] = 1
        picked = np.stack([self.weights[layer, head] for layer, head in heads])
        merged = gather_rows @ picked @ gather_columns
        if renormalise:
            merged /= np.maximum(merged.sum(-1, keepdims=True), 1e-9)
        return np.minimum(merged, 1)


def _side(given) -> Side:
    return given if isinstance(given, Side) else Side(labels=given)


def _vectors(given) -> np.ndarray:
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    return np.asarray(given, dtype=np.float32)
