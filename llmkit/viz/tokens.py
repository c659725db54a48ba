"""The tokenizer playground: text in, tokens out, several tokenizers side by side.

Python cuts the text with the real tokenizers and the browser draws the strips. The
replay of byte-level BPE (the same text after fewer merges) and pages without a kernel
use the merges themselves, in the browser. Home notebook: 01_tokenization.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import traitlets

from llmkit.checks import check_range
from llmkit.viz.figure import new_figure
from llmkit.viz.labels import visible
from llmkit.viz.palette import PALETTE
from llmkit.viz.view import View

LONGEST = 50_000  # characters that the playground takes


@dataclass(frozen=True)
class Pieces:
    """A text cut into T tokens."""

    ids: Sequence[int]  # T
    spans: Sequence[tuple[int, int]]  # T; first character and one past the last
    labels: Sequence[str]  # T
    data: Sequence[bytes]  # T; the bytes that each token stands for


@dataclass(frozen=True, kw_only=True)
class Cutter:
    """A tokenizer as the playground needs it.

    `pieces` is "text" where tokens are pieces of the text as written (byte-level BPE),
    so that the text itself is drawn, and "name" where a token has a name of its own.
    """

    name: str
    vocab_size: int
    cut: Callable[[str], Pieces]
    explain: Callable[[str, int], list[str]]  # text, index of a token -> sentences
    pieces: str = "name"
    rules: dict | None = None  # pattern, specials, byte_ids, merges: BPE in the browser


class TokenPlayground(View):
    """Strips of tokens, one for each tokenizer, over one text.

    `selection` is {"tokenizer", "n", "index", "id", "token", "start", "end"} of the
    pinned token; `start` and `end` count characters of `text`.

    Args:
        cutters: one to four tokenizers.
        text: the first text.
        samples: pairs of a name and a text to choose from.
        languages: for each language its name and the number of tokens that each
            tokenizer needs for the same sentences; the first row is the measure.
    """

    source = "tokens"
    sweep: ClassVar = {
        "text": ["", "a", "naïve 東京 👩‍👩‍👧 </script>\n\t\u202e", "word " * 400],
        "replay": [-1, 0],
        "step": [0, 3, 100_000],
        "selection": [{}, {"n": 0, "index": 0, "id": 0, "start": 0, "end": 1}],
    }

    text = traitlets.Unicode().tag(sync=True)
    tokenizers = traitlets.List().tag(sync=True)
    frames = traitlets.List().tag(sync=True)
    rules = traitlets.List().tag(sync=True)
    samples = traitlets.List().tag(sync=True)
    languages = traitlets.List().tag(sync=True)
    why = traitlets.List().tag(sync=True)
    replay = traitlets.Int(-1).tag(sync=True)  # which tokenizer is replayed
    step = traitlets.Int(0).tag(sync=True)  # after how many of the merges it needs

    def __init__(
        self,
        cutters: Sequence[Cutter],
        text: str = "",
        samples: Sequence[tuple[str, str]] = (),
        languages: Sequence[tuple[str, Sequence[int]]] = (),
    ):
        check_range("number of tokenizers", len(cutters), 1, 4)
        self._cutters = list(cutters)
        self._cuts: list[Pieces] = []
        text = self._clean(text)
        self._cut(text)
        super().__init__(
            text=text,
            tokenizers=[
                {"name": c.name, "vocab_size": c.vocab_size, "pieces": c.pieces}
                for c in self._cutters
            ],
            frames=[_frame(cut) for cut in self._cuts],
            rules=[c.rules for c in self._cutters],
            samples=[[name, self._clean(sample)] for name, sample in samples],
            languages=[[name, list(counts)] for name, counts in languages],
        )

    # --- reading back ------------------------------------------------------------
    def cut(self, tokenizer: int = 0) -> Pieces:
        """Return the tokens of the present text.

        Args:
            tokenizer: which tokenizer, from 0.
        """
        return self._cuts[tokenizer]

    def counts(self) -> dict[str, int]:
        """Return how many tokens each tokenizer makes of the present text."""
        return {
            c.name: len(cut.ids)
            for c, cut in zip(self._cutters, self._cuts, strict=True)
        }

    # --- what the browser asks ---------------------------------------------------
    @traitlets.validate("text")
    def _valid_text(self, proposal):
        return self._clean(proposal["value"])

    @traitlets.observe("text")
    def _on_text(self, change):
        if not self.tokenizers:
            return  # under construction: the text is cut already
        with self.lock:
            self._cut(self.text)
            with self.hold_sync():
                self.selection = {}
                self.frames = [_frame(cut) for cut in self._cuts]

    @traitlets.observe("selection")
    def _on_selection(self, change):
        if not self.tokenizers:
            return
        with self.lock:
            chosen = change["new"]
            n, index = chosen.get("n", -1), chosen.get("index", -1)
            known = 0 <= n < len(self._cuts) and 0 <= index < len(self._cuts[n].ids)
            self.why = self._cutters[n].explain(self.text, index) if known else []

    def _cut(self, text: str) -> None:
        self._cuts = [cutter.cut(text) for cutter in self._cutters]

    @staticmethod
    def _clean(text: str) -> str:
        """Shorten a text, and replace lone surrogates, which no browser can be sent."""
        text = text[:LONGEST]
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    # --- outputs -----------------------------------------------------------------
    def summary(self) -> str:
        """Return the number of tokens for each tokenizer."""
        counts = ", ".join(f"{name}: {n} tokens" for name, n in self.counts().items())
        return f"{len(self.text)} characters, {counts}"

    @property
    def alt(self) -> str:
        """Say how many tokens each tokenizer makes of the text."""
        counts = ", ".join(f"{n} tokens by {name}" for name, n in self.counts().items())
        return f"The text {visible(self.text, 60)} cut into {counts}."

    def figure(self, most: int = 60):
        """Return a matplotlib figure: the first tokens of each strip, in boxes.

        Args:
            most: how many tokens to draw for each tokenizer.
        """
        rows = [_lines(cut, most) for cut in self._cuts]
        lines = sum(map(len, rows))
        figure, ax = new_figure(8, 0.34 * lines + 0.42 * len(rows) + 0.1)
        ax.set_axis_off()
        ax.set_xlim(0, WIDE)
        y = 0.0
        for cutter, cut, strip in zip(self._cutters, self._cuts, rows, strict=True):
            more = "" if len(cut.ids) <= most else f", the first {most} of them here"
            title = f"{cutter.name}: {len(cut.ids)} tokens{more}"
            ax.text(0, y, title, va="center", weight="bold", size=9)
            y -= 1.1
            for line in strip:
                for x, width, label, number in line:
                    colour = PALETTE[number % 6]
                    box = {"facecolor": colour, "alpha": 0.3, "edgecolor": "none"}
                    ax.barh(y, width, 0.8, left=x, **box)
                    shown = label.replace("$", r"\$")
                    ax.text(x + 0.4, y, shown, va="center", size=8, family="monospace")
                y -= 1
            y -= 0.3
        ax.set_ylim(y + 0.5, 0.7)
        return figure

    def table(self):
        """Return every token of every tokenizer.

        Returns:
            A pandas DataFrame with the columns tokenizer, token, id, bytes, start, end.
        """
        import pandas as pd

        rows = [
            (cutter.name, visible(label), int(token_id), data.hex(" "), *span)
            for cutter, cut in zip(self._cutters, self._cuts, strict=True)
            for label, token_id, data, span in zip(
                cut.labels, cut.ids, cut.data, cut.spans, strict=True
            )
        ]
        names = ["tokenizer", "token", "id", "bytes", "start", "end"]
        return pd.DataFrame(rows, columns=names)


WIDE = 100  # characters on a line of the figure


def _lines(cut: Pieces, most: int) -> list[list[tuple]]:
    """Break tokens into lines; each is (x, width, label, number)."""
    lines: list[list[tuple]] = [[]]
    x = 0.0
    for number, label in enumerate(cut.labels[:most]):
        shown = visible(label, 24)
        width = 1.25 * len(shown) + 0.8
        if x + width > WIDE and lines[-1]:
            lines.append([])
            x = 0.0
        lines[-1].append((x, width, shown, number))
        x += width + 0.4
    return lines


def _frame(cut: Pieces) -> dict:
    """Pack a cut for the browser: each different token is named once."""
    named = dict(zip(cut.ids, zip(cut.labels, cut.data, strict=True), strict=True))
    names = {
        str(i): [visible(label), data.hex(" ")] for i, (label, data) in named.items()
    }
    return {
        "ids": np.asarray(cut.ids, np.uint32).tobytes(),
        "spans": np.asarray(cut.spans, np.uint32).tobytes(),
        "names": names,
    }
