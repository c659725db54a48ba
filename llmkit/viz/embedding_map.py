"""A map of a table of vectors: two axes to look at, all axes to judge by.

The places on the map are an exact PCA; neighbours are found by the cosine in the full
space, because two axes of several hundred show only a little of it, and the map says
how much. Home notebook: 02_embeddings_and_positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import traitlets

from llmkit.checks import check_shape
from llmkit.viz.figure import new_figure, short_labels
from llmkit.viz.labels import visible
from llmkit.viz.palette import PALETTE
from llmkit.viz.principal_axes import principal_axes
from llmkit.viz.view import View

MARKS = ("o", "^", "s", "D", "v", "P", "X", "*")
_ALONE = 3000  # a page without a kernel gets the neighbours of so many words at most
_NEAR = 8


def unit_rows(table: np.ndarray) -> np.ndarray:
    """Divide each row by its length; float32, (V, D)."""
    table = np.asarray(table, np.float32)
    return table / np.maximum(np.linalg.norm(table, axis=-1, keepdims=True), 1e-12)


class EmbeddingMap(View):
    """Points to pan, zoom, search and circle; neighbours from the full space.

    `selection` is {"indices": [...], "words": [...]}: one point that was clicked or
    searched for, or all that were circled. `nearest(word)` and `analogy(a, b, c)` ask
    the full space from Python.

    Args:
        words: a label for each row, V.
        table: the vectors, (V, D).
        groups: name -> words; they are drawn with a shape and a colour of their own.
        places: where to draw, (V, 2); None: the first two principal axes.
    """

    source = "embedding_map"
    sweep: ClassVar[dict[str, list]] = {
        "selection": [{}, {"indices": [0]}, {"indices": [0, 1, 2]}],
        "search": ["", "the", "no such word at all"],
    }

    names = traitlets.Bytes().tag(sync=True)  # UTF-8, one word on each line
    points = traitlets.Bytes().tag(sync=True)  # int16, (V, 2)
    near = traitlets.Dict().tag(sync=True)  # the clicked word's neighbours
    near_all = traitlets.Bytes().tag(sync=True)  # uint16, (V, 8): in a page only
    near_cosine = traitlets.Bytes().tag(sync=True)  # uint8 of the cosine, (V, 8)
    groups = traitlets.Dict().tag(sync=True)
    share = traitlets.Float().tag(sync=True)
    search = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int().tag(sync=True)  # D

    def __init__(
        self,
        words: Sequence[str],
        table: np.ndarray,
        groups: Mapping[str, Sequence[str]] | None = None,
        places: np.ndarray | None = None,
    ):
        size = check_shape("table", table, "V D", V=len(words))
        self.words = [visible(word, 40).replace("\n", " ") for word in words]
        self._place = {word: i for i, word in reversed(list(enumerate(words)))}
        self.unit = unit_rows(table)  # (V, D)
        share = 0.0
        if places is None:
            places, shares = principal_axes(table)
            share = float(shares.sum())
        self.places = np.asarray(places, np.float64)
        check_shape("places", self.places, "V 2", V=size["V"])
        middle = (self.places.max(0) + self.places.min(0)) / 2
        reach = float(np.abs(self.places - middle).max()) or 1.0
        steps = np.rint((self.places - middle) / reach * 32767).astype("<i2")
        super().__init__(
            names="\n".join(self.words).encode(),
            points=steps.tobytes(),
            groups={n: self._known(words) for n, words in (groups or {}).items()},
            share=share,
            width=size["D"],
        )

    # --- asking the full space ---------------------------------------------------
    def index(self, word: str) -> int:
        """Return the row of a word.

        Raises:
            ValueError: the map has no such word.
        """
        if word not in self._place:
            raise ValueError(f"the map has no word {word!r}; it has {len(self.words)}")
        return self._place[word]

    def nearest(self, word: str, count: int = _NEAR):
        """Return the words nearest to one by the cosine in the full space.

        Args:
            word: on the map.
            count: how many.

        Returns:
            A pandas DataFrame of words and cosines.
        """
        return self._ranked(self.unit[self.index(word)], [word], count)

    def analogy(self, a: str, b: str, c: str, count: int = _NEAR):
        """Answer "a is to b as c is to …?" by the direction b - a + c.

        Args:
            a: such as "man".
            b: such as "king".
            c: such as "woman".
            count: how many answers.

        Returns:
            A pandas DataFrame of words and cosines, without a, b and c.
        """
        one, two, three = (self.unit[self.index(word)] for word in (a, b, c))
        return self._ranked(two - one + three, [a, b, c], count)

    def _ranked(self, direction: np.ndarray, without: Sequence[str], count: int):
        import pandas as pd

        cosine = self.unit @ (direction / max(np.linalg.norm(direction), 1e-12))
        cosine[[self.index(word) for word in without]] = -np.inf
        best = _best(cosine, count)
        return pd.DataFrame(
            {"word": [self.words[i] for i in best], "cosine": cosine[best].round(4)}
        )

    @property
    def selected(self) -> list[str]:
        """The words that are selected."""
        return [self.words[i] for i in self._indices()]

    def _indices(self) -> list[int]:
        """Return the selected rows that the table has."""
        given = self.selection.get("indices", [])
        return [i for i in given if 0 <= i < len(self.words)]

    @traitlets.observe("selection")
    def _selected(self, change):
        indices = change["new"].get("indices", [])
        with self.lock:
            found = {}
            if len(indices) == 1 and 0 <= indices[0] < len(self.words):
                cosine = self.unit @ self.unit[indices[0]]
                cosine[indices[0]] = -np.inf
                best = _best(cosine, _NEAR)
                found = {
                    "of": indices[0],
                    "indices": best.tolist(),
                    "cosines": [round(float(c), 4) for c in cosine[best]],
                }
            self.near = found

    @traitlets.observe("search")
    def _searched(self, change):
        if change["new"] in self._place:
            self.select(change["new"])

    def select(self, *words: str) -> None:
        """Select words from Python, as a click does.

        Args:
            *words: on the map.
        """
        indices = [self.index(word) for word in words]
        self.selection = {"indices": indices, "words": [self.words[i] for i in indices]}

    def _known(self, words: Sequence[str]) -> list[int]:
        missing = [word for word in words if word not in self._place]
        if missing:
            raise ValueError(f"groups names words that the map lacks: {missing[:8]}")
        return [self._place[word] for word in words]

    # --- outputs -----------------------------------------------------------------
    def static_state(self):
        """Add every word's neighbours, if they are few enough to travel."""
        state = super().static_state()
        if len(self.words) <= _ALONE:
            count = min(_NEAR, len(self.words) - 1)
            cosine = self.unit @ self.unit.T
            np.fill_diagonal(cosine, -np.inf)
            best = np.argsort(-cosine, axis=-1, kind="stable")[:, :count]
            found = np.take_along_axis(cosine, best, axis=-1)
            state["near_all"] = best.astype("<u2").tobytes()
            state["near_cosine"] = (
                np.rint(found.clip(0, 1) * 255).astype(np.uint8).tobytes()
            )
        return state

    def summary(self) -> str:
        """Return the size of the table and how much the map shows."""
        shown = f", the map shows {self.share:.1%} of the spread" if self.share else ""
        return f"{len(self.words)} words in {self.width} dimensions{shown}"

    @property
    def alt(self) -> str:
        """One sentence: the size, the groups and what is selected."""
        groups = ", ".join(self.groups)
        text = f"A map of {self.summary()}"
        if groups:
            text += f"; marked are {groups}"
        if self.near:
            near = ", ".join(self.words[i] for i in self.near["indices"][:4])
            text += f". Nearest to {self.words[self.near['of']]!r}: {near}"
        return text + "."

    def table(self):
        """Return the selected word's neighbours, else the groups', else some places."""
        import pandas as pd

        if self.near:
            return self.nearest(self.selected[0])
        if self.selected:
            return pd.DataFrame({"selected": self.selected[:50]})
        if not self.groups:
            x, y = self.places[:20].T.round(3)
            return pd.DataFrame({"word": self.words[:20], "across": x, "up": y})
        rows = [
            (name, ", ".join(self.words[i] for i in members))
            for name, members in self.groups.items()
        ]
        return pd.DataFrame(rows, columns=["group", "words"])

    def figure(self):
        """Return the map, with the groups and the selection named."""
        figure, axes = new_figure(6.4, 4.6)
        x, y = self.places.T
        axes.scatter(x, y, s=3, color="#b8bcc6", linewidths=0)
        named: dict[int, str] = {}
        for n, (name, members) in enumerate(self.groups.items()):
            colour, mark = PALETTE[n % 8], MARKS[n % 8]
            label = name.replace("$", r"\$")  # a dollar sign begins no formula
            axes.scatter(
                x[members], y[members], s=34, color=colour, marker=mark, label=label
            )
            named |= dict.fromkeys(members[:12], colour)
        chosen = [
            *self._indices()[:20],
            *self.near.get("indices", []),
        ]
        if chosen:
            axes.scatter(x[chosen], y[chosen], s=46, facecolors="none", edgecolors="k")
            named |= dict.fromkeys(chosen, "black")
        labels = short_labels([self.words[i] for i in named])
        for (i, colour), label in zip(named.items(), labels, strict=True):
            axes.annotate(
                label,
                (x[i], y[i]),
                xytext=(4, 3),
                textcoords="offset points",
                fontsize=7,
                color=colour if colour != PALETTE[7] else "black",
            )
        if self.groups:
            axes.legend(fontsize=8, loc="best", framealpha=0.9)
        axes.set(xlabel="first axis", ylabel="second axis", title=self.summary())
        axes.title.set_fontsize(9)
        return figure


def _best(cosine: np.ndarray, count: int) -> np.ndarray:
    """Return where the largest cosines are; those that are -inf do not take part."""
    best = np.argsort(-cosine, kind="stable")[:count]
    return best[np.isfinite(cosine[best])]
