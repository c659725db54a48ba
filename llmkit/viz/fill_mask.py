"""Fill in the blank: hide words, and see what a two-sided reader would put there.

Each word of the text is a button that hides it. For one blank at a time the bars show
the likeliest words, read from both sides, from the left alone and from the right alone,
and under each other word how much it helped. Home notebook: 08_pretraining_bert.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import traitlets

from llmkit.viz.figure import new_figure, short_labels
from llmkit.viz.filled import READINGS, Filled, moved
from llmkit.viz.labels import visible
from llmkit.viz.view import View


class FillMask(View):
    """Blanks, their likeliest words, and what each neighbour contributes.

    `selection` is {"id", "token", "both sides", "left only", "right only"} of the
    candidate pointed at.

    Args:
        ask: from a text, the places to hide, the place to look at and whether the
            influence is wanted, to a `Filled`.
        put: from a text, a place and a token id to the text with that word there.
        vocab: a label for every token, V of them.
        text: the first text.
        masked: the first blanks.
        neighbours: whether to measure what each other word contributes.
        live: whether the reader can change the text and the blanks.
    """

    source = "fill_mask"
    sweep: ClassVar = {
        "masked": [[1], [1, 2], []],
        "neighbours": [False, True],
        "pinned": [True, False],
        "text": ["", "a b", "</script> \u202e 🦊 [MASK] c"],
        "action": [{"do": "fill", "id": 1}],
    }

    text = traitlets.Unicode().tag(sync=True)
    masked = traitlets.List(traitlets.Int()).tag(sync=True)
    slot = traitlets.Int(-1).tag(sync=True)
    neighbours = traitlets.Bool(True).tag(sync=True)
    pinned = traitlets.Bool(False).tag(sync=True)
    action = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    prepared = traitlets.Dict().tag(sync=True)  # frames of a page without a kernel
    live = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self,
        ask: Callable[[str, list[int], int, bool], Filled],
        put: Callable[[str, int, int], str],
        vocab: Sequence[str],
        text: str = "",
        masked: Sequence[int] = (),
        neighbours: bool = True,
        live: bool = True,
    ):
        self._ask, self._put = ask, put
        self._vocab = [visible(label, 24) for label in vocab]
        self._pin: tuple[str, np.ndarray] | None = None
        self._filled = Filled(text="")
        self._answering = True
        super().__init__(text=text, neighbours=neighbours, live=live)
        self._show(list(masked), masked[-1] if masked else -1)
        self._answering = False
        names = ("text", "masked", "slot", "neighbours", "pinned", "action")
        self.observe(self._changed, names=names)

    # --- reading back ------------------------------------------------------------
    @property
    def filled(self) -> Filled:
        """Everything that the model said about the present text."""
        return self._filled

    def distribution(self, reading: str = "both sides") -> np.ndarray:
        """Return the probabilities at the blank that is looked at, (V,).

        Args:
            reading: one of `READINGS`.

        Raises:
            ValueError: no word is hidden.
        """
        if self._filled.slot < 0:
            raise ValueError(
                "there is no blank: hide a word first, by a click or "
                "with view.masked = [place]"
            )
        return self._filled.readings[reading]

    def candidates(self, most: int = 8) -> list[int]:
        """Return the likeliest tokens of the slot, and the one that stood there.

        Args:
            most: how many of the likeliest.

        Returns:
            Ids, likeliest first; the answer is last if it is not among them.
        """
        if self._filled.slot < 0:
            return []
        top = np.argsort(-self.distribution(), kind="stable")[:most].tolist()
        answer = self._filled.answer
        return top if answer < 0 or answer in top else [*top, answer]

    # --- following the reader ----------------------------------------------------
    def _changed(self, change) -> None:
        self.answer_change(
            lambda: self._follow(change["name"], change["new"], change["old"]),
            self._not_read,
        )

    def _not_read(self, error: Exception) -> None:
        self.frame = self.frame | {"note": f"Not read: {error}"}

    def _follow(self, name: str, new, old) -> None:
        if name == "pinned":
            blank = self._filled.slot < 0
            self._pin = None if blank or not new else (self._now(), self.distribution())
            self.pinned = self._pin is not None
            self.frame = self._frame(self._filled)
        elif name == "action":
            if new.get("do") == "fill" and self._filled.slot >= 0:
                place = self._filled.slot
                self.text = self._put(self.text, place, int(new["id"]))
                kept = [at for at in self.masked if at != place]
                self._show(kept, kept[-1] if kept else -1)
        elif name == "text":
            before = self._filled
            now = self._ask(new, [], -1, False)
            kept = moved(before.tokens, now.tokens, [*self.masked, self.slot])
            self._show([at for at in kept[:-1] if at is not None], kept[-1] or -1)
        elif name == "masked":
            added = [at for at in new if at not in old]
            self._show(list(new), added[-1] if added else self.slot)
        else:
            self._show(list(self.masked), self.slot)

    def _show(self, masked: list[int], slot: int) -> None:
        filled = self._ask(self.text, masked, slot, self.neighbours)
        self._filled = filled
        self.masked, self.slot = filled.masked, filled.slot
        self.frame = self._frame(filled)

    def _now(self) -> str:
        """Say which text the pinned bars come from."""
        hidden = set(self._filled.masked)
        words = [
            "[MASK]" if i in hidden else visible(token, 24)
            for i, token in enumerate(self._filled.tokens)
            if self._filled.free[i]
        ]
        return " ".join(words[:24]) + (" …" if len(words) > 24 else "")

    def _frame(self, filled: Filled) -> dict:
        frame = {
            "tokens": [visible(t, 24) for t in filled.tokens],
            "free": list(filled.free),
            "masked": list(filled.masked),
            "slot": filled.slot,
            "note": filled.note,
            "influence": filled.influence,
            "others": [[self._vocab[i], round(p, 5)] for i, p in filled.others],
            "answer": filled.answer,
            "rows": [],
        }
        if filled.slot < 0:
            return frame
        columns = [
            filled.readings[name] for name in READINGS if name in filled.readings
        ]
        if self._pin is not None:
            columns.append(self._pin[1])
            frame["pin"] = self._pin[0]
        for i in self.candidates():
            numbers = [round(float(p[i]), 5) for p in columns]
            frame["rows"].append([i, self._vocab[i], *numbers])
        if filled.answer >= 0:
            both = columns[0]
            frame["rank"] = int((both > both[filled.answer]).sum()) + 1
        return frame

    # --- the other outputs -------------------------------------------------------
    def summary(self) -> str:
        """Say what is shown, in a few words."""
        return f"{len(self._filled.tokens)} tokens, {len(self.masked)} hidden"

    @property
    def alt(self) -> str:
        """Say what the bars show."""
        if self._filled.slot < 0:
            return f"No word is hidden in: {self._now() or 'an empty text'}"
        both = self.distribution()
        tops = ", ".join(
            f"{self._vocab[i]} {both[i]:.0%}" for i in self.candidates()[:3]
        )
        answer = self._filled.answer
        told = f"; the text has {self._vocab[answer]} ({both[answer]:.0%})"
        return f"In “{self._now()}”: {tops}{told if answer >= 0 else ''}."

    def figure(self):
        """Return a matplotlib figure: the candidates' bars, read in three ways."""
        table = self.table()
        figure, ax = new_figure(6.4, 0.36 * max(len(table), 3) + 1.2)
        if not len(table):
            ax.set_axis_off()
            ax.text(0.5, 0.5, self.alt, ha="center", wrap=True)
            return figure
        y = np.arange(len(table))[::-1]
        looks = (("#0b5cad", None), ("#E69F00", "//"), ("#009E73", ".."))
        for k, (name, (colour, hatch)) in enumerate(zip(READINGS, looks, strict=True)):
            values = table[name]
            ax.barh(
                y + 0.27 * (1 - k),
                values,
                0.25,
                color=colour,
                hatch=hatch,
                ec="white",
                label=name,
            )
        for at, p in zip(y, table[READINGS[0]], strict=True):
            ax.text(p, at + 0.27, f" {p:.0%}", va="center", size=8)
        ax.set_yticks(y, short_labels([str(i) for i in table.index], 18))
        ax.set_xlabel("probability")
        ax.margins(x=0.1)
        ax.set_title(self._now(), size=9, loc="left", wrap=True)
        ax.legend(frameon=False, loc="lower right", fontsize=8)
        ax.spines[["top", "right"]].set_visible(False)
        return figure

    def table(self):
        """Return the candidates and their probabilities as a pandas DataFrame."""
        import pandas as pd

        ids = self.candidates()
        readings = self._filled.readings
        data = {name: [float(p[i]) for i in ids] for name, p in readings.items()}
        if self._pin is not None and ids:
            data["pinned"] = [float(self._pin[1][i]) for i in ids]
        names = [
            self._vocab[i] + (" (the text)" if i == self._filled.answer else "")
            for i in ids
        ]
        return pd.DataFrame(data, index=pd.Index(names, name="word"))

    def static_state(self):
        """Return the state, with an answer ready for each word that can be hidden."""
        state = super().static_state() | {"live": False, "action": {}}
        pin, self._pin = self._pin, None
        try:
            places = [i for i, free in enumerate(self._filled.free) if free][:48]
            asked = [self._ask(self.text, [at], at, self.neighbours) for at in places]
            filled, self._filled = self._filled, None
            state["prepared"] = {}
            for at, one in zip(places, asked, strict=True):
                self._filled = one
                state["prepared"][str(at)] = self._frame(one)
            self._filled = filled
        finally:
            self._pin = pin
        return state
