"""What each layer would say at each position, as a grid to point at.

Home notebook: 17_interpretability.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import traitlets

from llmkit.checks import check_shape
from llmkit.viz.figure import new_figure, short_labels
from llmkit.viz.view import View

METRICS = ("probability", "rank", "entropy", "kl")


class LogitLens(View):
    """A grid of layers × positions with the likeliest token in each cell.

    `selection` is the kept cell: `{"row", "layer", "query", "position", "token",
    "says", "probability"}`. Linked with an `AttentionExplorer` (`view.link`), a click
    here shows there what that layer's position looks at.

    Args:
        tokens: T labels of what was read.
        rows: R names of layers, the first one lowest in the model.
        words: labels of the tokens that occur in the grid.
        top: index into `words` of the likeliest tokens, (R, C, k).
        probs: their probabilities, (R, C, k).
        entropy: in bits, (R, C).
        kl: in bits, from the last row's answer, (R, C).
        rank: of the last row's first choice, (R, C).
        columns: which positions the C columns are; None: all T.
        watch: up to two followed tokens.
        watched: their probabilities, (R, C, w).
        text: the sentence.
        on_change: called with `(text, watch, columns)`; returns keyword arguments of
            `load`. None: nothing can be changed.
    """

    source = "logit_lens"
    sweep: ClassVar[dict[str, list]] = {
        "metric": list(METRICS),
        "text": ["a", "", "é 🙂"],
        "watch_text": ["", "a", "no such token at all"],
    }

    tokens = traitlets.List().tag(sync=True)
    rows = traitlets.List().tag(sync=True)
    words = traitlets.List().tag(sync=True)
    columns = traitlets.List().tag(sync=True)
    watch = traitlets.List().tag(sync=True)
    k = traitlets.Int(1).tag(sync=True)
    top = traitlets.Bytes().tag(sync=True)  # uint16, (R, C, k)
    probs = traitlets.Bytes().tag(sync=True)  # uint16 of sqrt(p), (R, C, k)
    numbers = traitlets.Bytes().tag(sync=True)  # float32, (R, C, 3 + w)
    metric = traitlets.Unicode("probability").tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    watch_text = traitlets.Unicode().tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)
    version = traitlets.Int(0).tag(sync=True)

    def __init__(self, *, text: str = "", on_change: Callable | None = None, **data):
        super().__init__(text=text, live=on_change is not None)
        self._on_change = on_change
        self.load(**data)
        with self.hold_trait_notifications():
            self.watch_text = ", ".join(self.watch)
        if on_change is not None:
            self.observe(self._changed, names=["text", "watch_text"])
            self.on_msg(self._asked)

    def load(
        self,
        tokens: Sequence[str],
        rows: Sequence[str],
        words: Sequence[str],
        top: np.ndarray,
        probs: np.ndarray,
        entropy: np.ndarray,
        kl: np.ndarray,
        rank: np.ndarray,
        columns: Sequence[int] | None = None,
        watch: Sequence[str] = (),
        watched: np.ndarray | None = None,
    ) -> None:
        """Show another lens; the arguments are those of the class."""
        top, probs = np.asarray(top), np.asarray(probs, np.float32)
        sizes = check_shape("top", top, "R C k", R=len(rows))
        check_shape("probs", probs, "R C k", **sizes)
        if top.size and (top.max() >= len(words) or len(words) > 65535):
            raise ValueError(
                f"top must index the {len(words)} words (65535 at most); "
                f"got up to {top.max()}"
            )
        parts = [np.asarray(a, np.float32)[..., None] for a in (entropy, kl, rank)]
        if len(watch):
            parts.append(np.asarray(watched, np.float32))
        self.lens = {
            "top": top,
            "probs": probs,
            "numbers": np.concatenate(parts, axis=-1),
        }
        with self.hold_sync():
            self.tokens, self.rows, self.words = list(tokens), list(rows), list(words)
            self.columns = list(range(len(tokens)) if columns is None else columns)
            self.watch, self.k = list(watch), sizes["k"]
            self.top = top.astype("<u2").tobytes()
            self.probs = np.rint(np.sqrt(probs) * 65535).astype("<u2").tobytes()
            self.numbers = self.lens["numbers"].astype("<f4").tobytes()
            self.version += 1

    def summary(self) -> str:
        """Return the size of the grid and what it ends in."""
        last = self.words[int(self.lens["top"][-1, -1, 0])] if self.words else "nothing"
        return (
            f"{len(self.rows)} rows, {len(self.tokens)} tokens, {self._where()}: {last}"
        )

    def _where(self) -> str:
        """Name the position that the words, the sentence and the table tell of."""
        if not self.columns or self.columns[-1] == len(self.tokens) - 1:
            return "after the last token"
        at = self.columns[-1]
        return f"after token {at} ({self.tokens[at]})"

    @property
    def alt(self) -> str:
        """One sentence: where the last column's answer appears for the first time."""
        first = self.lens["top"][:, -1, 0]
        settled = next(i for i in range(len(first)) if (first[i:] == first[-1]).all())
        return (
            f"Logit lens: {self._where()} the model says "
            f"{self.words[int(first[-1])]}, and has said so since "
            f"{self.rows[settled]}."
        )

    def table(self):
        """Return each row's first choice and its probability in the last column."""
        import pandas as pd

        numbers = self.lens["numbers"][:, -1]
        columns = {
            "first choice": [self.words[int(i)] for i in self.lens["top"][:, -1, 0]],
            "probability": self.lens["probs"][:, -1, 0].round(4),
            "entropy (bits)": numbers[:, 0].round(3),
            "KL to last (bits)": numbers[:, 1].round(3),
            "rank of last choice": numbers[:, 2].astype(int),
        }
        for at, word in enumerate(self.watch):
            columns[f"p({word})"] = numbers[:, 3 + at].round(4)
        index = pd.Index(self.rows, name=self._where())
        return pd.DataFrame(columns, index=index)

    def figure(self):
        """Return the grid, the last layer on top, coloured by probability."""
        first, probs = self.lens["top"][..., 0], self.lens["probs"][..., 0]
        shown = slice(max(0, first.shape[1] - 12), None)
        tokens = short_labels([self.tokens[c] for c in self.columns][shown])
        height = 0.28 * len(self.rows) + 0.9
        figure, axes = new_figure(1.0 + 0.85 * len(tokens), height)
        axes.imshow(probs[:, shown], cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.invert_yaxis()
        axes.set_yticks(range(len(self.rows)), self.rows, fontsize=8)
        axes.set_xticks(range(len(tokens)), tokens, rotation=40, fontsize=8)
        axes.xaxis.tick_top()
        for row, line in enumerate(first[:, shown]):
            for column, word in enumerate(line):
                light = probs[:, shown][row, column] < 0.5
                axes.text(
                    column,
                    row,
                    self.words[int(word)][:9],
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="black" if light else "white",
                    parse_math=False,
                )
        return figure

    def _changed(self, _change) -> None:
        with self.lock:
            wanted = [word for word in self.watch_text.split(",") if word.strip()]
            self._answer(self.text, [w.strip() for w in wanted[:2]], None)

    def _asked(self, _widget, content, _buffers) -> None:
        """Compute one more column of a model too large for all at once."""
        column = content.get("column")
        if isinstance(column, int) and 0 <= column < len(self.tokens):
            with self.lock:
                self._answer(self.text, list(self.watch), [column])

    def _answer(self, text, watch, columns) -> None:
        try:
            self.load(**self._on_change(text, watch, columns))
        # RuntimeError: among others, no memory left on the device
        except (ValueError, RuntimeError) as error:
            self.send({"error": str(error)})
