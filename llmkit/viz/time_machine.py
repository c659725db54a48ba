"""The training time machine: a slider over the snapshots of one run.

The view holds, for each snapshot, the attention of one sentence, what the model writes,
scores of the model and of each head. Everything is computed before; moving the slider
only draws. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import traitlets

from llmkit.checks import check_count, check_shape
from llmkit.viz import codec
from llmkit.viz.dashboard_figure import machine_figure, machine_table
from llmkit.viz.labels import visible_all
from llmkit.viz.painters import as_weights
from llmkit.viz.view import View


@dataclass(frozen=True)
class Recording:
    """What is known about N moments of a run.

    Attributes:
        steps: how many steps were taken at each.
        tokens: T labels of the sentence.
        attentions: its attention, numbers from 0 to 1, (N, L, H, T, T).
        causal: whether no token looks at a later one.
        head_scores: name to a score of each head, (N, L, H).
        scores: name to a score of the model at each moment, None where unknown; the
            name "loss" is drawn.
        samples: what the model wrote at each, or empty.
        odds: the likeliest next tokens at each, [label, probability], or empty.
    """

    steps: Sequence[int]
    tokens: Sequence[str]
    attentions: np.ndarray
    causal: bool
    head_scores: dict[str, np.ndarray]
    scores: dict[str, list[float | None]] = field(default_factory=dict)
    samples: Sequence[str] = ()
    odds: Sequence[list] = ()


class TimeMachine(View):
    """A slider over snapshots: loss, heads, samples, scores, and what changed.

    `selection` is {"layer", "head"} of the head that is shown large; `index` is the
    snapshot.

    Args:
        recording: what is known about each snapshot.
        curve: the loss of each step, (n, 2): step and loss.
        lines: what the loss is compared with, such as `{"floor": 1.2}`.
        load: returns the model as it was at one snapshot; None: there is none.
        **traits: a state to begin with, such as `index=3`.
    """

    source = "time_machine"
    sweep: ClassVar[dict[str, list]] = {
        "index": [0, 1, 10_000],
        "shown": ["change", "attention"],
        "score": ["entropy", "sink"],
        "early": [True, False],
        "selection": [{"layer": 0, "head": 1}],
        "@messages": [{"do": "load", "index": 0}],
    }

    title = traitlets.Unicode("Training time machine").tag(sync=True)
    index = traitlets.Int(0).tag(sync=True)
    shown = traitlets.Enum(["attention", "change"], "attention").tag(sync=True)
    steps = traitlets.List(traitlets.Int()).tag(sync=True)
    scores = traitlets.Dict().tag(sync=True)
    lines = traitlets.List().tag(sync=True)
    curve = traitlets.Bytes().tag(sync=True)  # float32, (n, 2)
    early = traitlets.Bool(True).tag(sync=True)
    score = traitlets.Unicode().tag(sync=True)
    head_names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    head_numbers = traitlets.Bytes().tag(sync=True)  # float32, (K, N, L, H)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    sizes = traitlets.List([1, 1, 1, 1]).tag(sync=True)  # N, L, H, T
    causal = traitlets.Bool(False).tag(sync=True)
    attention = traitlets.Bytes().tag(sync=True)  # codec.pack_weights
    samples = traitlets.List(traitlets.Unicode()).tag(sync=True)
    odds = traitlets.List().tag(sync=True)  # for each snapshot [label, probability]
    can_load = traitlets.Bool(False).tag(sync=True)
    loaded = traitlets.Int(-1).tag(sync=True)

    def __init__(
        self,
        recording: Recording,
        curve=None,
        lines: dict[str, float] | None = None,
        load: Callable[[int], object] | None = None,
        **traits,
    ):
        weights = as_weights("attentions", recording.attentions, "N L H T T")
        n, n_layers, n_heads, t = weights.shape[:4]
        _check_recording(recording, n, n_layers, n_heads, t)
        names = [k for k, v in recording.head_scores.items() if np.isfinite(v).all()]
        numbers = [np.asarray(recording.head_scores[k], "<f4") for k in names]
        points = np.asarray([] if curve is None else curve, "<f4").reshape(-1, 2)
        self._load, self.model = load, None
        traits.setdefault("index", n - 1)
        traits.setdefault("score", names[0])
        super().__init__(
            sizes=[n, n_layers, n_heads, t],
            steps=[int(step) for step in recording.steps],
            scores={k: [_plain(v) for v in s] for k, s in recording.scores.items()},
            lines=[[name, float(loss)] for name, loss in (lines or {}).items()],
            curve=points.tobytes(),
            head_names=names,
            head_numbers=np.stack(numbers).tobytes(),
            tokens=visible_all(recording.tokens, 24),
            causal=recording.causal,
            attention=codec.pack_weights(weights, recording.causal),
            samples=[s.encode("utf-8", "replace").decode() for s in recording.samples],
            odds=[[[str(k), float(p)] for k, p in o] for o in recording.odds],
            can_load=load is not None,
            **traits,
        )
        self.on_msg(self._hear)

    @traitlets.validate("index")
    def _known_index(self, proposal):
        return int(np.clip(proposal["value"], 0, max(0, self.sizes[0] - 1)))

    @traitlets.validate("score")
    def _known_score(self, proposal):
        if self.head_names and proposal["value"] not in self.head_names:
            raise traitlets.TraitError(
                f"score must be one of {', '.join(self.head_names)}; "
                f"got {proposal['value']!r}"
            )
        return proposal["value"]

    # --- reading back ----------------------------------------------------------------
    def attention_at(self, index: int) -> np.ndarray:
        """Return the attention at one snapshot, (L, H, T, T)."""
        n, n_layers, n_heads, t = self.sizes
        shape, each = (n_layers, n_heads, t, t), len(self.attention) // n
        index = range(n)[index]
        data = self.attention[index * each : (index + 1) * each]
        return codec.unpack_weights(data, shape, self.causal)

    def change_at(self, index: int) -> np.ndarray:
        """Return how the attention changed since the snapshot before, (L, H, T, T)."""
        index = range(self.sizes[0])[index]
        return self.attention_at(index) - self.attention_at(max(0, index - 1))

    def head_score(self, name: str | None = None) -> np.ndarray:
        """Return a score of each head at each snapshot, (N, L, H).

        Args:
            name: such as "induction"; None: the one that is chosen.
        """
        n, n_layers, n_heads, _ = self.sizes
        numbers = np.frombuffer(self.head_numbers, "<f4")
        numbers = numbers.reshape(len(self.head_names), n, n_layers, n_heads)
        return numbers[self.head_names.index(name or self.score)]

    def model_at(self, index: int | None = None):
        """Return a model with the weights of one snapshot.

        Args:
            index: which snapshot; None: the one that is chosen.

        Returns:
            A copy; the model that was given is left as it is.

        Raises:
            ValueError: the view was made without a model.
        """
        if self._load is None:
            raise ValueError("this view holds no weights; make it from snapshots")
        index = self.index if index is None else range(self.sizes[0])[index]
        with self.lock:
            self.model = self._load(index)
            self.loaded = index
        return self.model

    def _hear(self, _, content, buffers) -> None:
        if content.get("do") == "load" and self._load is not None:
            self.model_at(int(np.clip(content.get("index", 0), 0, self.sizes[0] - 1)))

    # --- outputs ---------------------------------------------------------------------
    def summary(self) -> str:
        """Return the sizes and the chosen step."""
        n, n_layers, n_heads, _ = self.sizes
        at = self.steps[self.index]
        return f"{n} snapshots, {n_layers} layers of {n_heads} heads, at step {at}"

    @property
    def alt(self) -> str:
        """One sentence: the chosen snapshot beside the first."""
        found = self.head_score().max(axis=(1, 2))
        text = f"A run seen at {self.summary()}: "
        losses = self.scores.get("loss") or [None]
        if losses[0] is not None and losses[self.index] is not None:
            text += f"the loss is {losses[self.index]:.2f}, at first {losses[0]:.2f}; "
        return text + (
            f"the highest {self.score} score of a head is {found[self.index]:.2f}, "
            f"at first {found[0]:.2f}."
        )

    def figure(self):
        """Return the loss with the chosen snapshot, the score, and the heads."""
        curve = np.frombuffer(self.curve, "<f4").reshape(-1, 2)
        found = self.head_score().max(axis=(1, 2))
        return machine_figure(
            self.steps, self.index, curve, self.scores.get("loss"), self.lines,
            self.score, found, self.attention_at(self.index),
        )  # fmt: skip

    def table(self):
        """Return one row for each snapshot: its scores, and what it wrote."""
        best = {
            name: self.head_score(name).max(axis=(1, 2)) for name in self.head_names
        }
        return machine_table(self.steps, self.scores, best, self.samples)


def _plain(value) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _check_recording(recording: Recording, n: int, *sizes: int) -> None:
    n_layers, n_heads, t = sizes
    check_count("the number of snapshots", n, 2)
    parts = {"steps": recording.steps, "samples": recording.samples}
    parts |= {"odds": recording.odds, **recording.scores}
    for name, values in parts.items():
        empty = name in ("samples", "odds") and not len(values)
        if len(values) != n and not empty:
            raise ValueError(
                f"{name} must have one entry for each of {n} snapshots; "
                f"got {len(values)}"
            )
    if len(recording.tokens) != t:
        raise ValueError(
            f"tokens must name each of the {t} tokens; got {len(recording.tokens)}"
        )
    if not recording.head_scores:
        raise ValueError("head_scores must hold at least one score; got none")
    for name, values in recording.head_scores.items():
        check_shape(name, values, "N L H", N=n, L=n_layers, H=n_heads)
