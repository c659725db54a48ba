"""The next-token playground: a distribution, and every knob that reshapes it.

The browser computes each filter over the whole vocabulary from the exact logits, so a
knob answers at once; text goes to Python, which asks the model and hands logits back.
Home notebook: 09_decoding; met first in 00_tour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import traitlets

from llmkit.checks import check_range, check_shape
from llmkit.viz.labels import visible
from llmkit.viz.next_token_figure import draw_bars, sentence_alone
from llmkit.viz.next_token_scores import (
    TEMPERATURES,
    Scores,
    compress,
    frame_of,
    stops_with,
)
from llmkit.viz.view import View

OFF = {
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
}


class NextToken(View):
    """Bars of the next token before and after each filter.

    `selection` is {"id", "token", "before", "after"} of the token pointed at.

    Args:
        scores: the first text and its logits.
        vocab: a label for every token, V of them.
        filters: a function of logits (V,), ids and settings that returns a list of
            (name of the filter, probabilities (V,)), one for each filter that is on.
        ask: a function of a text or of a list of ids that returns their `Scores`; None
            makes a view whose text is fixed.
        settings: temperature, top_k, top_p, min_p, repetition_penalty; those left out
            are off.
        seed: of the dice.
    """

    source = "next_token"
    sweep: ClassVar = {
        "settings": [
            OFF,
            OFF | {"temperature": 0.05, "top_k": 1, "repetition_penalty": 3.0},
            OFF | {"temperature": 5.0, "top_p": 0.5, "min_p": 0.2},
        ],
        "text": ["", "a", "def f(x):\n\treturn </script> \u202e 🦊"],
        "action": [{"do": "undo"}, {"do": "redo"}, {"do": "append", "id": 1, "p": 0.5}],
    }

    text = traitlets.Unicode().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    vocab = traitlets.List().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    temperatures = traitlets.List(list(TEMPERATURES)).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    rolls = traitlets.Int(0).tag(sync=True)
    history = traitlets.List().tag(sync=True)
    can = traitlets.Dict({"undo": False, "redo": False}).tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)
    action = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        scores: Scores,
        vocab: Sequence[str],
        filters: Callable,
        ask: Callable | None = None,
        settings: dict | None = None,
        seed: int = 0,
    ):
        if scores.logits is not None:
            check_shape("scores.logits", scores.logits, "V", V=len(vocab))
        self._filters, self._ask = filters, ask
        self._scores, self._writing = scores, True
        self._past: list[tuple] = []
        self._future: list[tuple] = []
        super().__init__(
            text=scores.text,
            frame=frame_of(scores),
            vocab=[visible(t, 40) for t in vocab],
            settings=settings or {},
            seed=seed,
            live=ask is not None,
        )
        self._writing = False

    # --- reading back ------------------------------------------------------------
    @property
    def ids(self) -> list[int]:
        """The tokens of the text, T ids."""
        return list(self._scores.ids)

    @property
    def logits(self) -> np.ndarray:
        """The model's scores for the next token, float32, (V,)."""
        if self._scores.logits is None:
            why = self._scores.note or "the text is empty"
            raise ValueError(f"there are no logits: {why}")
        return self._scores.logits

    @property
    def distribution(self) -> np.ndarray:
        """What the dice are rolled with: probabilities after all filters, (V,)."""
        return self.steps()[-1][1]

    def steps(self) -> list[tuple[str, np.ndarray]]:
        """Return the distribution before any filter and after each one that is on.

        Returns:
            Pairs of a name ("model", then the filter's) and probabilities, (V,).
        """
        raw = np.exp(self.logits - self.logits.max(), dtype=np.float64)
        rest = self._filters(self.logits, self.ids, dict(self.settings))
        return [("model", raw / raw.sum()), *rest]

    # --- writing -----------------------------------------------------------------
    def append(self, token_id: int, how: str = "chosen") -> None:
        """Append a token to the text, as a click on its bar does.

        Args:
            token_id: 0 to V - 1.
            how: a word for the history.
        """
        check_range("token_id", token_id, 0, len(self.vocab) - 1)
        with self.lock:
            p = round(float(self.distribution[token_id]), 6)
            step = {"token": self.vocab[token_id], "p": p, "how": how}
            self._remember()
            self._write([*self.ids, token_id], [*self.history, step])

    def undo(self) -> None:
        """Take the last change of the text back."""
        self._step(self._past, self._future)

    def redo(self) -> None:
        """Make the change that was taken back once more."""
        self._step(self._future, self._past)

    @traitlets.observe("text")
    def _typed(self, change):
        with self.lock:
            if self._writing or self._ask is None:
                return
            # a whole burst of typing is one step for undo
            if not self._past or self._past[-1][-1] != "typing":
                self._remember("typing")
            self._future.clear()
            with self._noting():
                self._write(change["new"], [])

    @traitlets.observe("action")
    def _acted(self, change):
        what = change["new"]
        if self._ask is None:
            return
        with self._noting():
            if what.get("do") == "append" and self._scores.logits is not None:
                self.append(int(what["id"]), str(what.get("how", "clicked")))
            elif what.get("do") == "undo":
                self.undo()
            elif what.get("do") == "redo":
                self.redo()

    @contextmanager
    def _noting(self):
        """Tell the reader what went wrong where no cell would show it."""
        try:
            yield
        # RuntimeError: among others, no memory left on the device
        except (ValueError, RuntimeError) as error:
            self.frame = self.frame | {"note": f"Not read: {error}"}

    @traitlets.validate("settings")
    def _valid(self, proposal):
        unknown = set(proposal["value"]) - set(OFF)
        if unknown:
            raise traitlets.TraitError(
                f"settings knows {', '.join(OFF)}; got {', '.join(sorted(unknown))}"
            )
        new = {**OFF, **proposal["value"]}
        if not new["temperature"] > 0 or not new["repetition_penalty"] > 0:
            raise traitlets.TraitError(
                "temperature and repetition_penalty must be above 0; got "
                f"{new['temperature']!r} and {new['repetition_penalty']!r}"
            )
        for name in ("top_p", "min_p"):
            check_range(name, new[name], 0, 1)
        return new

    def _remember(self, why: str = "") -> None:
        self._past.append((self.text, self.ids, list(self.history), why))
        self._future.clear()

    def _step(self, source: list, target: list) -> None:
        with self.lock:
            if not source:
                return
            text, ids, history, _ = source.pop()
            target.append((self.text, self.ids, list(self.history), ""))
            self._write(ids or text, history)

    def _write(self, source, history: list) -> None:
        """Ask the model about a text or ids, and show its answer in one message."""
        if self._ask is None:
            raise ValueError("this view has no model behind it: its text is fixed")
        self._scores = self._ask(source)
        self._writing = True
        try:
            with self.hold_sync():
                self.text = self._scores.text
                self.frame = frame_of(self._scores)
                self.history = history
                self.can = {"undo": bool(self._past), "redo": bool(self._future)}
        finally:
            self._writing = False

    # --- the other outputs -------------------------------------------------------
    def summary(self) -> str:
        """Say what is shown, in a few words."""
        on = [f"{k}={v}" for k, v in self.settings.items() if v != OFF[k]]
        return ", ".join(
            [f"{len(self.ids)} tokens read, {len(self.vocab)} to choose from", *on]
        )

    @property
    def alt(self) -> str:
        """Say what the bars show."""
        if self._scores.logits is None:
            return "No next token yet: the text is empty."
        before, after = self.steps()[0][1], self.distribution
        best = np.argsort(-after)[:3]
        kept = int((after > 0).sum())
        odds = [(self.vocab[i], after[i], before[i]) for i in best]
        tops = ", ".join(f"{name} {p:.0%} (model {q:.0%})" for name, p, q in odds)
        return (
            f"Next token after {visible(self.text, 60)}: {tops}; "
            f"{kept} of {len(after)} tokens can be drawn."
        )

    def figure(self, most: int = 12):
        """Return a matplotlib figure: bars before and after all filters.

        Args:
            most: how many tokens get bars of their own.
        """
        if self._scores.logits is None:
            return sentence_alone(self.alt, most)
        return draw_bars(self.table(most), most)

    def table(self, most: int = 12):
        """Return the likeliest tokens and all others, before and after each filter.

        Args:
            most: how many tokens get rows of their own.

        Returns:
            A pandas DataFrame: a row for each token, a column for each filter.
        """
        import pandas as pd

        if self._scores.logits is None:
            return pd.DataFrame()
        steps = self.steps()
        top = np.argsort(-steps[0][1], kind="stable")[:most]
        names = [self.vocab[i] for i in top]
        data = {name: [*probs[top]] for name, probs in steps}
        if len(self.vocab) > most:
            names.append(f"{len(self.vocab) - most} others")
            for name, probs in steps:
                data[name].append(max(0.0, 1 - probs[top].sum()))
        return pd.DataFrame(data, index=pd.Index(names, name="token"))

    def static_state(self):
        """Return what a page without a kernel needs: 512 tokens, and bands."""
        state = super().static_state()
        grid = stops_with(self.settings["temperature"])
        frame = dict(state["frame"])
        if self._scores.logits is not None:
            listed, bands = compress(self.logits, self.ids, grid)
            frame |= {"listed": listed.astype(np.uint32).tobytes(), "bands": bands}
            frame["logits"] = self.logits[listed].tobytes()
            state["vocab"] = [self.vocab[i] for i in listed]
        empty = {"action": {}, "live": False, "can": {"undo": False, "redo": False}}
        return state | empty | {"frame": frame, "temperatures": grid}
