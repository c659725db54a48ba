"""The metric meter: edit a sentence and watch every score move.

The words of the candidate and of each reference are marked by whether a run of n words
around them stands on the other side too. Scores and marks come from Python
(`explore.metrics`); a page without a kernel gets them for every example. Home notebook:
11_evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import traitlets

from llmkit.viz.figure import new_figure
from llmkit.viz.labels import visible
from llmkit.viz.palette import PALETTE
from llmkit.viz.view import View

LONGEST = 2000  # characters of a text
ORDERS = (1, 2, 3, 4)
# what a word's run of n is: matched; matched too often; not there; too short for a run
STATES = {"hit": "matches", "clip": "over-used", "miss": "no match", "none": "no run"}


class MetricMeter(View):
    """Scores of a candidate against references, with the matching runs marked.

    `selection` is {"word", "text", "state", "order"} of the chosen candidate word.

    Args:
        measure: from a candidate, references and the name of a splitter to a dict:
            `scores` (rows of name, value, most), `words` and `states` of the
            candidate (for each n one of `STATES` for each word), `references` (rows
            of {"words", "states"}), `runs` (rows of n, matches, total) and `note`.
        candidate: the first text.
        references: one or more right texts.
        samples: rows of name, candidate, references, lesson to choose from.
        splitters: rows of name, label; the first is used first.
    """

    source = "metric_meter"
    sweep: ClassVar[dict[str, list]] = {
        "candidate": ["", "a", "naïve 東京 </script>\n\u202e", "word " * 300],
        "references": ["", "one\ntwo three", "🙂 " * 90],
        "order": [1, 4],
        "splitter": ["char", "13a"],
        "sample": [1, 0],
        "selection": [{}, {"word": 0}],
    }

    candidate = traitlets.Unicode().tag(sync=True)
    references = traitlets.Unicode().tag(sync=True)  # one on each line
    splitter = traitlets.Unicode("13a").tag(sync=True)
    splitters = traitlets.List().tag(sync=True)
    order = traitlets.Int(1).tag(sync=True)  # n of the runs that are marked
    samples = traitlets.List().tag(sync=True)
    sample = traitlets.Int(-1).tag(sync=True)  # which is shown; -1: one's own text
    now = traitlets.Dict().tag(sync=True)
    before = traitlets.List().tag(sync=True)  # scores to compare with
    answers = traitlets.List().tag(sync=True)  # filled for a page only

    def __init__(
        self,
        measure: Callable[[str, list[str], str], dict[str, Any]],
        candidate: str,
        references: Sequence[str],
        samples: Sequence[Sequence] = (),
        splitters: Sequence[Sequence[str]] = (("13a", "13a"),),
        **traits,
    ):
        self._measure = measure
        self._busy = True
        rows = [[n, _clean(c), _lines(r), lesson] for n, c, r, lesson in samples]
        super().__init__(
            candidate=_clean(candidate),
            references=_lines(references),
            splitters=[list(s) for s in splitters],
            splitter=traits.pop("splitter", splitters[0][0]),
            samples=rows,
            **traits,
        )
        self.sample = self._which()
        self._busy = False
        self._recount()
        self.before = self.now["scores"]

    # --- what the browser asks ---------------------------------------------------
    @traitlets.validate("candidate", "references")
    def _shorten(self, proposal):
        return _clean(proposal["value"])

    @traitlets.validate("order")
    def _known_order(self, proposal):
        return min(max(proposal["value"], ORDERS[0]), ORDERS[-1])

    @traitlets.validate("splitter")
    def _known_splitter(self, proposal):
        known = [name for name, _ in self.splitters]
        return proposal["value"] if proposal["value"] in known else self.splitter

    @traitlets.observe("candidate", "references", "splitter")
    def _follow(self, change):
        with self.lock:
            if not self._busy:
                with self.hold_sync():
                    self.sample = self._which()
                    self._recount()

    @traitlets.observe("sample")
    def _take_sample(self, change):
        with self.lock:
            if self._busy or not 0 <= self.sample < len(self.samples):
                return
            _, candidate, references, _ = self.samples[self.sample]
            if (candidate, references) == (self.candidate, self.references):
                return
            self._busy = True
            with self.hold_sync():
                self.candidate, self.references = candidate, references
                self.selection = {}
                self._busy = False
                self._recount()
                # another example is no change to the one before
                self.before = self.now["scores"]

    def keep(self) -> None:
        """Compare with the present scores from now on."""
        self.before = self.now["scores"]

    def scores(self) -> dict[str, float]:
        """Return the present scores by name."""
        return {name: value for name, value, _ in self.now["scores"]}

    def _recount(self) -> None:
        others = self.references.split("\n")
        self.now = self._measure(self.candidate, others, self.splitter)

    def _which(self) -> int:
        texts = [(c, r) for _, c, r, _ in self.samples]
        here = (self.candidate, self.references)
        return texts.index(here) if here in texts else -1

    def static_state(self) -> dict[str, Any]:
        """Return the state of a page, with the answer to every example."""
        answers = [
            self._measure(candidate, references.split("\n"), self.splitter)
            for _, candidate, references, _ in self.samples
        ]
        return super().static_state() | {"answers": answers}

    # --- outputs -----------------------------------------------------------------
    def summary(self) -> str:
        """Return the main scores."""
        said = ", ".join(f"{n} {v:.{_digits(m)}f}" for n, v, m in self.now["scores"])
        return f"{len(self.now['words'])} words: {said}"

    @property
    def alt(self) -> str:
        """Say what is compared and what it scores."""
        said = ", ".join(f"{n} {v:.{_digits(m)}f}" for n, v, m in self.now["scores"])
        right = visible(self.references, 60)
        return f"“{visible(self.candidate, 60)}” against “{right}”: {said}."

    def figure(self):
        """Return a matplotlib figure: the marked words, and a bar for each score."""
        strips = [("candidate", self.now["words"], self.now["states"])]
        for number, row in enumerate(self.now["references"]):
            strips.append((f"reference {number + 1}", row["words"], row["states"]))
        scores = self.now["scores"]
        lines = [self._wrap(words, states) for _, words, states in strips]
        tall = 0.27 * (sum(map(len, lines)) + len(lines)) + 0.2
        figure, axes = new_figure(
            8, tall + 0.25 * len(scores) + 0.5, 2, 1, height_ratios=[tall, 2.6]
        )
        _draw_words(axes[0], [name for name, _, _ in strips], lines)
        names = [name for name, _, _ in scores][::-1]
        parts = [value / most for _, value, most in scores][::-1]
        axes[1].barh(names, parts, color=PALETTE[0])
        for at, (_, value, most) in enumerate(scores[::-1]):
            axes[1].text(1.01, at, f"{value:.{_digits(most)}f}", va="center", size=8)
        axes[1].set_xlim(0, 1)
        axes[1].set_xlabel("share of the best score")
        axes[1].tick_params(labelsize=8)
        return figure

    def _wrap(self, words, states, wide=86):
        rows, x = [[]], 0.0
        for word, state in zip(words, states[self.order - 1], strict=True):
            shown = visible(word, 24)
            width = 1.15 * len(shown) + 1
            if x + width > wide and rows[-1]:
                rows.append([])
                x = 0.0
            if len(rows) > 4:
                return rows[:4]
            rows[-1].append((x, width, shown, state))
            x += width + 0.5
        return rows

    def table(self):
        """Return the scores, and matches and totals of each length of run.

        Returns:
            A pandas DataFrame with the columns what, value, before.
        """
        import pandas as pd

        rows = [
            (name, value, old)
            for (name, value, _), (_, old, _) in zip(
                self.now["scores"], self.before, strict=True
            )
        ]
        rows += [
            (f"runs of {n} that match", f"{hits} of {total}", "")
            for n, hits, total in self.now["runs"]
        ]
        return pd.DataFrame(rows, columns=["what", "value", "before"])


def _draw_words(ax, names, lines) -> None:
    ax.set_axis_off()
    ax.set_xlim(0, 100)
    colours = {"hit": PALETTE[4], "clip": PALETTE[1]}
    y = 0.0
    for name, rows in zip(names, lines, strict=True):
        ax.text(0, y, name, va="center", size=8, weight="bold")
        for row in rows:
            for x, width, word, state in row:
                fill = colours.get(state, "none")
                style = {"facecolor": fill, "alpha": 0.45}
                edge = "#1a1c20" if state == "clip" else "none"
                ax.barh(y, width, 0.8, left=13 + x, edgecolor=edge, **style)
                weight = "bold" if state == "hit" else "normal"
                shown = word.replace("$", r"\$")
                ax.text(13.5 + x, y, shown, va="center", size=8, weight=weight)
            y -= 1
        y -= 0.4
    ax.set_ylim(y + 0.3, 0.6)


def _digits(most: float) -> int:
    return 1 if most > 1 else 3


def _lines(references: Sequence[str] | str) -> str:
    if isinstance(references, str):
        return _clean(references)
    return _clean("\n".join(r.replace("\n", " ") for r in references))


def _clean(text: str) -> str:
    """Shorten a text, and replace lone surrogates, which no browser can be sent."""
    text = text[:LONGEST]
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
