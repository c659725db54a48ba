"""A sick run beside a healthy one, and what the doctor says.

The reader chooses what goes wrong; the run is trained then and there. Home notebook:
06_loss_and_optimization.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import traitlets

from llmkit.viz.figure import new_figure
from llmkit.viz.palette import PALETTE
from llmkit.viz.view import View

HEALTHY = "healthy"


class SickRun(View):
    """Two loss curves, level lines to compare with, and the doctor's notes.

    `selection` is {"case", "step", "loss", "healthy"} at the cursor.

    Args:
        train: from the key of a case to {"losses": [...], "notes": [[name, what,
            advice], ...]}; a loss that is no number is None.
        cases: key and label of each; the key "healthy" stands for no fault.
        lines: losses to compare with, by name, such as "bigram".
        case: the one to begin with.
    """

    source = "sick_run"
    sweep: ClassVar[dict[str, list]] = {
        "case": ["healthy"],
        "told": [False, True],
        "step": [0, 10],
    }

    cases = traitlets.List().tag(sync=True)
    case = traitlets.Unicode(HEALTHY).tag(sync=True)
    told = traitlets.Bool(True).tag(sync=True)  # whether the notes are shown
    step = traitlets.Int(0).tag(sync=True)
    now = traitlets.Dict().tag(sync=True)
    healthy = traitlets.List().tag(sync=True)
    lines = traitlets.Dict().tag(sync=True)
    answers = traitlets.Dict().tag(sync=True)  # filled for a page only

    def __init__(
        self,
        train: Callable[[str], dict],
        cases: Sequence[Sequence[str]],
        lines: dict[str, float],
        case: str = HEALTHY,
        **traits,
    ):
        self._train = train
        self._known: dict[str, dict] = {}
        super().__init__(
            cases=[list(pair) for pair in cases], lines=dict(lines), **traits
        )
        self.healthy = self._ask(HEALTHY)["losses"]
        self.case = case
        self._follow(None)
        self.observe(self._follow, names="case")

    @traitlets.validate("case")
    def _known_case(self, proposal):
        keys = [key for key, _ in self.cases]
        if proposal["value"] not in keys:
            raise traitlets.TraitError(
                f"case must be one of {', '.join(keys)}; got {proposal['value']!r}"
            )
        return proposal["value"]

    @traitlets.validate("step")
    def _within(self, proposal):
        return min(max(0, proposal["value"]), max(0, len(self.healthy) - 1))

    def _ask(self, case: str) -> dict:
        if case not in self._known:
            self._known[case] = self._train(case) | {"case": case}
        return self._known[case]

    def _follow(self, change) -> None:
        with self.lock:
            self.now = self._ask(self.case)

    @property
    def notes(self) -> list[list[str]]:
        """What the doctor says: name, what was seen, what to do."""
        return self.now["notes"]

    @property
    def label(self) -> str:
        """The chosen case in words."""
        return dict(self.cases)[self.case]

    def static_state(self) -> dict[str, Any]:
        """Return the state of a page: the runs that were trained so far."""
        return super().static_state() | {"answers": self._known}

    # --- outputs -----------------------------------------------------------------
    def summary(self) -> str:
        """Return the case and the first diagnosis."""
        said = self.notes[0][0] if self.notes else "nothing wrong"
        return f"{self.label}: {said}"

    @property
    def alt(self) -> str:
        """One sentence that says what the picture shows."""
        known = [x for x in self.now["losses"] if x is not None]
        went = f"from {known[0]:.2f} to {known[-1]:.2f}" if known else "to no number"
        said = "; ".join(note[0] for note in self.notes) or "nothing wrong"
        return (
            f"{self.label}: the loss goes {went} in {len(known)} steps, that of the "
            f"healthy run from {self.healthy[0]:.2f} to {self.healthy[-1]:.2f}. The "
            f"doctor says: {said}."
        )

    def figure(self):
        """Return both curves with the level lines."""
        figure, axis = new_figure(7.4, 3.4)
        both = [*self.healthy, *self.now["losses"]]
        losses = [math.nan if x is None else x for x in self.now["losses"]]
        axis.plot(self.healthy, color="#50555e", linestyle="--", label="healthy")
        axis.plot(losses, color=PALETTE[5], linewidth=2, label=self.label)
        for name, level in self.lines.items():
            axis.axhline(level, color=PALETTE[0], linewidth=0.8, linestyle=":")
            axis.annotate(
                name,
                (1.01, level),
                xycoords=axis.get_yaxis_transform(),
                fontsize=8,
                va="center",
            )
        axis.set_ylim(min(0, *(x for x in both if x is not None)), self.top())
        axis.set(xlabel="step", ylabel="loss (nats)", title=self.summary())
        axis.legend(fontsize=8, loc="upper right")
        return figure

    def top(self) -> float:
        """Return the greatest loss that is drawn: a run that blows up goes beyond."""
        known = [x for x in self.now["losses"] if x is not None]
        return min(max([*known, *self.healthy]), 2 * self.healthy[0]) * 1.05

    def table(self):
        """Return every tenth step as a pandas DataFrame."""
        import pandas as pd

        steps = range(0, len(self.healthy), 10)
        mine = self.now["losses"]
        frame = pd.DataFrame(
            {
                "healthy": [self.healthy[i] for i in steps],
                self.label if self.case != HEALTHY else "now": [
                    mine[i] if i < len(mine) else None for i in steps
                ],
            },
            index=pd.Index(steps, name="step"),
        )
        return frame.round(3)
