"""Does the second sentence follow the first? Change either and see what BERT says.

Home notebook: 08_pretraining_bert.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import traitlets

from llmkit.viz.figure import new_figure, short_labels
from llmkit.viz.labels import visible
from llmkit.viz.view import View

_KEPT = 12  # pairs in the history


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a model says about one pair.

    Attributes:
        follows: the probability that the second passage follows; None if there is
            nothing to judge.
        swapped: the same with the two passages exchanged.
        tokens: labels of what the model reads.
        segments: 0 or 1 for each of them.
        note: a sentence for the reader.
    """

    follows: float | None
    swapped: float | None = None
    tokens: Sequence[str] = ()
    segments: Sequence[int] = ()
    note: str = ""


def _shown(text: str, longest: int) -> str:
    """Return a passage in which nothing is invisible but its spaces."""
    return visible(text, longest).replace("·", " ")


class SentencePair(View):
    """Two passages, how surely the second follows, and what was tried before.

    `selection` is {"first", "second", "follows"} of the pair last taken from a list.

    Args:
        ask: from two passages to a `Judged`.
        first: the first passage.
        second: the second one.
        others: passages that could stand in the second's place.
        live: whether the reader can change the passages.
    """

    source = "sentence_pair"
    sweep: ClassVar = {
        "first": ["Anna sang.", "", "</script> 🦊"],
        "second": ["She slept.", "\u202e"],
        "action": [{"do": "swap"}, {"do": "other", "at": 0}, {"do": "back", "at": 0}],
    }

    first = traitlets.Unicode().tag(sync=True)
    second = traitlets.Unicode().tag(sync=True)
    others = traitlets.List(traitlets.Unicode()).tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    history = traitlets.List().tag(sync=True)
    action = traitlets.Dict().tag(sync=True)
    live = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self,
        ask: Callable[[str, str], Judged],
        first: str,
        second: str,
        others: Sequence[str] = (),
        live: bool = True,
    ):
        self._ask, self._answering = ask, True
        super().__init__(first=first, second=second, others=list(others), live=live)
        self._show(keep=True)
        self._answering = False
        self.observe(self._changed, names=("first", "second", "others", "action"))

    # --- reading back ------------------------------------------------------------
    @property
    def score(self) -> float | None:
        """The probability that the second passage follows the first."""
        return self._judged.follows

    def swap(self) -> None:
        """Exchange the two passages."""
        self.action = {"do": "swap", "turn": self.action.get("turn", 0) + 1}

    # --- following the reader ----------------------------------------------------
    def _changed(self, change) -> None:
        self.answer_change(lambda: self._follow(change), self._not_read)

    def _not_read(self, error: Exception) -> None:
        self.frame = self.frame | {"note": f"Not read: {error}"}

    def _follow(self, change) -> None:
        typed = change["name"] != "action"
        if not typed:
            self._act(change["new"])
        self._show(keep=not typed)

    def _act(self, what: dict) -> None:
        do, at = what.get("do"), what.get("at", -1)
        if do == "swap":
            self.first, self.second = self.second, self.first
        elif do == "other" and 0 <= at < len(self.others):
            # what stood there stays within reach
            others = list(self.others)
            others[at], self.second = self.second, others[at]
            self.others = others
        elif do == "back" and 0 <= at < len(self.history):
            self.first, self.second = self.history[at][:2]

    def _show(self, keep: bool) -> None:
        self._judged = self._ask(self.first, self.second)
        score = self._judged.follows
        self.frame = {
            "follows": score,
            "swapped": self._judged.swapped,
            "tokens": [visible(t, 24) for t in self._judged.tokens],
            "segments": list(self._judged.segments),
            "others": [self._ask(self.first, other).follows for other in self.others],
            "note": self._judged.note,
        }
        if score is None:
            return
        row = [self.first, self.second, score]
        past = [r for r in self.history if r[:2] != row[:2]]
        # typing makes a pair at every key: only the last of them is kept
        if not keep and past and self._typing:
            past = past[:-1]
        self._typing = not keep
        self.history = [*past, row][-_KEPT:]

    _typing = False

    # --- the other outputs -------------------------------------------------------
    def summary(self) -> str:
        """Say what is shown, in a few words."""
        return "nothing to judge" if self.score is None else f"follows {self.score:.2f}"

    @property
    def alt(self) -> str:
        """Say what the bars show."""
        first, second = _shown(self.first, 60), _shown(self.second, 60)
        if self.score is None:
            return "Two passages are needed; one is empty."
        return f"After “{first}” comes “{second}”: follows with {self.score:.0%}."

    def figure(self):
        """Return a matplotlib figure: a bar for the pair and for each other passage."""
        table = self.table()
        figure, ax = new_figure(6.4, 0.4 * max(len(table), 2) + 1.1)
        if not len(table):
            ax.set_axis_off()
            ax.text(0.5, 0.5, self.alt, ha="center")
            return figure
        y = range(len(table))[::-1]
        colours = ["#0b5cad", *["#56B4E9"] * (len(table) - 1)]
        ax.barh(y, table["follows"], 0.6, color=colours)
        for at, p in zip(y, table["follows"], strict=True):
            ax.text(p, at, f" {p:.0%}", va="center", size=8)
        ax.axvline(0.5, color="#50555e", lw=1, ls=":")
        ax.set_yticks(y, short_labels(list(table["second"]), 42))
        ax.set_xlim(0, 1.12)
        ax.set_xlabel("probability that it follows")
        ax.set_title("After: " + _shown(self.first, 90), size=9, loc="left", wrap=True)
        ax.spines[["top", "right"]].set_visible(False)
        return figure

    def table(self):
        """Return the pair, the pair exchanged and the other passages as a DataFrame."""
        import pandas as pd

        if self.score is None:
            return pd.DataFrame(columns=["first", "second", "follows"])
        rows = [[self.first, self.second, self.score]]
        for other, p in zip(self.others, self.frame["others"], strict=True):
            if p is not None:
                rows.append([self.first, other, p])
        if self._judged.swapped is not None:
            rows.append([self.second, self.first, self._judged.swapped])
        rows = [[_shown(a, 90), _shown(b, 90), round(p, 4)] for a, b, p in rows]
        return pd.DataFrame(rows, columns=["first", "second", "follows"])

    def static_state(self):
        """Return the state; the scores of swapping and of the others are in it."""
        return super().static_state() | {"live": False, "action": {}}
