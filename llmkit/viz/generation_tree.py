"""The generation tree: every token that a decoding method looked at, and its fate.

Columns are places in the text, boxes are tokens. Boxes that were dropped are grey and
dashed, each fate has a sign of its own, and a slider goes back in time. A view that
stands on a model (`explore.generation_tree`) grows a new tree when a knob is turned or
when the reader continues from a token. Home notebook: 09_decoding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import traitlets

from llmkit.checks import check_choice
from llmkit.viz.figure import new_figure, short_labels
from llmkit.viz.growth import DROPPED, SIGNS, Growth, rows_of
from llmkit.viz.labels import visible
from llmkit.viz.view import View

MODES = ("greedy", "sampling", "beam", "speculative")
KNOBS = {
    "tokens": 12,
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "beams": 3,
    "length_penalty": 1.0,
    "guesses": 4,
    "seed": 0,
}
# the most that a still picture shows
_COLUMNS, _ROWS = 12, 8


class GenerationTree(View):
    """A tree of tokens, from left to right.

    `selection` is {"node", "token", "depth", "log_prob", "total", "score", "fate"}.

    Args:
        grow: called with the mode and the knobs, and with `text=` to begin anew,
            `path=` (indices of nodes) to continue from a token, or `back=True`;
            returns a `Growth`. None: the tree is fixed.
        growth: the first tree; None: `grow` is asked for it.
        modes: which of `MODES` can be chosen.
        **traits: a state to begin with, such as `mode="beam"`.
    """

    source = "generation_tree"
    sweep: ClassVar = {
        "mode": list(MODES),
        "knobs": [KNOBS | {"tokens": 3, "beams": 1}, KNOBS | {"beams": 5, "seed": 3}],
        "time": [0, 2, -1],
        "measure": ["log_prob", "total", "score"],
        "text": ["", "a", "</script> 🦊"],
        "@messages": [{"do": "continue", "node": 0}, {"do": "back"}],
    }

    mode = traitlets.Unicode("greedy").tag(sync=True)
    modes = traitlets.List(list(MODES)).tag(sync=True)
    knobs = traitlets.Dict().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    prompt = traitlets.List().tag(sync=True)
    # [time, depth, row, parent, label, log-prob, total, fate]
    nodes = traitlets.List().tag(sync=True)
    texts = traitlets.List().tag(sync=True)  # [text, score, node]
    time = traitlets.Int(-1).tag(sync=True)  # -1: the end
    measure = traitlets.Unicode("log_prob").tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    can_back = traitlets.Bool(False).tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        grow: Callable | None = None,
        growth: Growth | None = None,
        modes=MODES,
        **traits,
    ):
        if grow is None and growth is None:
            raise ValueError("give a growth to show, or grow to make one; got neither")
        self._grow, self._growing = grow, True
        knobs = dict(traits.pop("knobs", {}))
        if set(knobs) - set(KNOBS):
            raise ValueError(
                f"knobs knows {', '.join(KNOBS)}; got "
                + ", ".join(sorted(set(knobs) - set(KNOBS)))
            )
        knobs = KNOBS | knobs
        if growth is None:
            check_choice("mode", traits.get("mode", "greedy"), modes)
        super().__init__(
            live=grow is not None, modes=list(modes), knobs=knobs, **traits
        )
        check_choice("mode", self.mode, self.modes)
        check_choice("measure", self.measure, ("log_prob", "total", "score"))
        if growth is None:
            growth = grow(self.mode, dict(self.knobs), text=self.text)
        self._show(growth)
        self._growing = False
        self.on_msg(self._heard)

    # --- growing -----------------------------------------------------------------
    @traitlets.observe("mode", "knobs", "text")
    def _changed(self, change):
        with self.lock:
            if self._growing or self._grow is None:
                return
            self._regrow(**({"text": self.text} if change["name"] == "text" else {}))

    def continue_from(self, node: int) -> None:
        """Take the text up to a token as the new prompt, and grow from there.

        Args:
            node: its index in `nodes`.
        """
        if not 0 <= node < len(self.nodes):
            raise ValueError(
                f"node must lie between 0 and {len(self.nodes) - 1}; got {node!r}"
            )
        with self.lock:
            self._regrow(path=self.path(node))

    def back(self) -> None:
        """Return to the prompt before the last continuation."""
        with self.lock:
            self._regrow(back=True)

    def path(self, node: int) -> list[int]:
        """Return the indices of the tokens from the first one to this one."""
        found = []
        while node != -1:
            found.append(node)
            node = self.nodes[node][3]
        return found[::-1]

    def _heard(self, _, content, __):
        if self._grow is None:
            return
        with self.lock:
            if content.get("do") == "continue" and content.get("node", -1) in range(
                len(self.nodes)
            ):
                self.continue_from(int(content["node"]))
            elif content.get("do") == "back":
                self.back()

    def _regrow(self, **request) -> None:
        """Grow anew, and tell the reader what went wrong where no cell would."""
        self._growing = True
        try:
            check_choice("mode", self.mode, self.modes)
            with self.hold_sync():
                self._show(self._grow(self.mode, dict(self.knobs), **request))
                self.time, self.selection = -1, {}
        # RuntimeError: among others, no memory left on the device
        except (ValueError, RuntimeError) as error:
            self.note = f"Not grown: {error}"
        finally:
            self._growing = False

    def _show(self, found: Growth) -> None:
        self.text, self.prompt = found.text, [visible(t, 40) for t in found.prompt]
        rows = rows_of(found.nodes)
        self.nodes = [
            [
                *(n.time, n.depth, row, n.parent, visible(n.token, 24)),
                *(_short(n.log_prob), _short(n.total), n.fate),
            ]
            for n, row in zip(found.nodes, rows, strict=True)
        ]
        self.texts = [[text, _short(score), node] for text, score, node in found.texts]
        self.note, self.can_back = found.note, found.can_back

    # --- reading back ------------------------------------------------------------
    def score(self, node: int) -> float | None:
        """Return a branch's sum divided by its length to the power of the penalty."""
        _, depth, *_, total, _ = self.nodes[node]
        penalty = self.knobs["length_penalty"]
        return None if total is None else total / (depth + 1) ** penalty

    # --- the other outputs -------------------------------------------------------
    def summary(self) -> str:
        """Say what is shown, in a few words."""
        dropped = sum(n[-1] in DROPPED for n in self.nodes)
        return (
            f"{self.mode}, {len(self.nodes)} tokens looked at, {dropped} of them not "
            "taken"
        )

    @property
    def alt(self) -> str:
        """One sentence that says what the picture shows."""
        best = repr(self.texts[0][0]) if self.texts else "nothing"
        return f"Tree of tokens ({self.summary()}); the text found is {best}."

    def table(self):
        """Return the tokens that were taken, and those of the last turn that were not.

        Returns:
            A pandas DataFrame, one row for each token.
        """
        import pandas as pd

        last = max((n[0] for n in self.nodes), default=0)
        rows = [
            (i, depth, token, log_prob, total, self.score(i), fate, parent)
            for i, (time, depth, _, parent, token, log_prob, total, fate) in enumerate(
                self.nodes
            )
            if fate not in DROPPED or time == last or len(self.nodes) < 140
        ]
        columns = "node place token log_prob sum score fate parent".split()
        return pd.DataFrame(rows, columns=columns).set_index("node")

    def figure(self):
        """Return a `matplotlib.figure.Figure` of the whole tree."""
        shown = [
            (i, n) for i, n in enumerate(self.nodes) if n[1] < _COLUMNS and n[2] < _ROWS
        ]
        depth = max((n[1] for _, n in shown), default=0) + 1
        tall = max((n[2] for _, n in shown), default=0) + 1
        figure, axes = new_figure(1.6 + 0.95 * depth, 0.8 + 0.36 * tall)
        best = set(self.path(self.texts[0][2])) if self.texts else set()
        for i, node in shown:
            self._draw(axes, node, i in best)
        axes.set_xlim(-1.2, depth - 0.4)
        axes.set_ylim(tall - 0.4, -0.7)
        axes.axis("off")
        start = short_labels([self.prompt[-1]], 12)[0] if self.prompt else ""
        axes.text(-0.75, 0, f"… {start}", ha="center", va="center", fontsize=9)
        if len(shown) < len(self.nodes):
            title = f"{len(shown)} of {len(self.nodes)} tokens"
            axes.set_title(title, fontsize=9, loc="left")
        return figure

    def _draw(self, axes, node: list, best: bool) -> None:
        _, depth, row, parent, token, log_prob, _, fate = node
        dropped = fate in DROPPED
        grey, style = ("#50555e", "--") if dropped else ("black", "-")
        x, y = (-0.75, 0) if parent == -1 else self.nodes[parent][1:3]
        line = {"color": "#0b5cad" if best else "#767b85", "linestyle": style}
        axes.plot([x, depth], [y, row], lw=2 if best else 0.8, zorder=1, **line)
        number = "" if log_prob is None else f"\n{log_prob:.2f}"
        axes.text(
            *(depth, row, f"{SIGNS[fate]} {short_labels([token], 9)[0]}{number}"),
            **{"ha": "center", "va": "center", "fontsize": 7.5, "color": grey},
            bbox={
                **{"boxstyle": "round,pad=0.2", "facecolor": "white"},
                **{"edgecolor": line["color"], "linestyle": style},
                "linewidth": 1.6 if best else 0.8,
            },
        )


def _short(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
