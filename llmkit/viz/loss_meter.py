"""The loss of one guess: move the scores of a few tokens and watch it answer.

Bars show the softmax, the loss is minus the log of the right token's share, and arrows
show its gradient, share minus target. Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import traitlets

from llmkit.viz.figure import new_figure
from llmkit.viz.labels import visible
from llmkit.viz.palette import PALETTE
from llmkit.viz.view import View

LOW, HIGH = -8.0, 8.0  # how far a score can be moved


class LossMeter(View):
    """Scores, shares, loss and gradient of one guess.

    `selection` is {"token", "logit", "share", "gradient"} of the chosen row.

    Args:
        tokens: the candidates; 2 to 12.
        logits: a score for each.
        target: which of them is right.
        smoothing: the share of the target that is spread over all.
        prompt: what stands before the guess.
        among: how many tokens an even guess is among; None: the candidates. More than
            there are rows if one row stands for many.
    """

    source = "loss_meter"
    sweep: ClassVar[dict[str, list]] = {
        "logits": [[8.0] * 12, [-8.0, 8.0, 0.5]],
        "target": [1, 0],
        "smoothing": [0.0, 0.3],
    }

    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    logits = traitlets.List(traitlets.Float()).tag(sync=True)
    first = traitlets.List(traitlets.Float()).tag(sync=True)  # to come back to
    target = traitlets.Int(0).tag(sync=True)
    smoothing = traitlets.Float(0.0).tag(sync=True)
    prompt = traitlets.Unicode("").tag(sync=True)
    among = traitlets.Int(2).tag(sync=True)

    def __init__(
        self,
        tokens: Sequence[str],
        logits: Sequence[float],
        target: int = 0,
        smoothing: float = 0.0,
        prompt: str = "",
        among: int | None = None,
    ):
        if not 2 <= len(tokens) <= 12 or len(tokens) != len(logits):
            raise ValueError(
                "tokens must be 2 to 12 candidates with a logit for each; got "
                f"{len(tokens)} tokens and {len(logits)} logits"
            )
        names = [visible(str(token)) for token in tokens]
        scores = [float(x) for x in logits]
        super().__init__(
            tokens=names,
            logits=scores,
            first=scores,
            target=target,
            smoothing=smoothing,
            prompt=" ".join(visible(word) for word in prompt.split()),
            among=len(names) if among is None else max(among, len(names)),
        )

    @traitlets.validate("logits")
    def _as_many(self, proposal):
        """Keep one score for each token, within what the sliders reach."""
        given = [
            min(HIGH, max(LOW, x)) if math.isfinite(x) else 0.0
            for x in proposal["value"]
        ]
        count = len(self.tokens) or len(given)
        return (given + [0.0] * count)[:count]

    @traitlets.validate("target")
    def _one_of_them(self, proposal):
        return min(max(0, proposal["value"]), max(0, len(self.tokens) - 1))

    @traitlets.validate("smoothing")
    def _a_share(self, proposal):
        return min(0.9, max(0.0, proposal["value"]))

    # --- numbers -----------------------------------------------------------------
    @property
    def shares(self) -> list[float]:
        """The softmax of the scores."""
        top = max(self.logits)
        sizes = [math.exp(x - top) for x in self.logits]
        return [s / sum(sizes) for s in sizes]

    @property
    def wanted(self) -> list[float]:
        """The target: 1 for the right token, or softened by `smoothing`."""
        spread = self.smoothing / len(self.tokens)
        right = 1 - self.smoothing
        return [spread + right * (i == self.target) for i in range(len(self.tokens))]

    @property
    def loss(self) -> float:
        """The cross-entropy, in nats."""
        top = max(self.logits)
        total = top + math.log(sum(math.exp(x - top) for x in self.logits))
        pairs = zip(self.wanted, self.logits, strict=True)
        return sum(w * (total - x) for w, x in pairs)

    @property
    def gradient(self) -> list[float]:
        """How the loss changes with each score: share minus target."""
        return [p - w for p, w in zip(self.shares, self.wanted, strict=True)]

    @property
    def even_guess(self) -> float:
        """The loss of who gives every token the same share."""
        return math.log(self.among)

    # --- outputs -----------------------------------------------------------------
    def summary(self) -> str:
        """Return the right token and the loss."""
        return f"{self.tokens[self.target]!r} is right, loss {self.loss:.3f}"

    @property
    def alt(self) -> str:
        """One sentence that says what the picture shows."""
        share = self.shares[self.target]
        return (
            f"{len(self.tokens)} candidates; the right one, "
            f"{self.tokens[self.target]!r}, has a share of {share:.1%}, so the loss is "
            f"{self.loss:.3f} nats; an even guess has "
            f"{self.even_guess:.3f}."
        )

    def figure(self):
        """Return shares and gradients as bars."""
        figure, axes = new_figure(8.4, 0.9 + 0.32 * len(self.tokens), columns=2)
        places = range(len(self.tokens))
        names = [
            f"{token} (right)" if i == self.target else token
            for i, token in enumerate(self.tokens)
        ]
        for axis, values, title in (
            (axes[0], self.shares, "share (softmax)"),
            (axes[1], self.gradient, "gradient: share minus target"),
        ):
            colours = [PALETTE[0] if v >= 0 else PALETTE[5] for v in values]
            axis.barh(places, values, color=colours)
            axis.set_title(title, fontsize=10)
            axis.invert_yaxis()
        axes[0].set_yticks(list(places), names)
        axes[0].set_xlim(0, 1)
        axes[1].set_yticks([])
        axes[1].set_xlim(-1, 1)
        axes[1].axvline(0, color="#50555e", linewidth=0.8)
        figure.suptitle(
            f"loss {self.loss:.3f} nats = {self.loss / math.log(2):.3f} bits, "
            f"perplexity {math.exp(self.loss):.2f}",
            fontsize=11,
        )
        return figure

    def table(self):
        """Return one row for each token as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(
            {
                "logit": self.logits,
                "share": self.shares,
                "target": self.wanted,
                "gradient": self.gradient,
            },
            index=pd.Index(self.tokens, name="token"),
        ).round(4)
