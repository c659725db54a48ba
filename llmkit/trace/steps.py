"""The record of a walk through one layer: steps, tensors, and lines of source.

Home notebook: 03_attention.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Step:
    """One step: what is read, what is written, and how a cell of it comes about."""

    key: str  # such as "scores"
    title: str
    note: str  # one or two sentences in plain words
    inputs: tuple[str, ...]  # names of tensors
    output: str  # the name of a tensor
    how: str  # the arithmetic: lookup add norm rms linear rotate dot scale …
    code: str  # the line of llmkit that does it
    where: str  # the function it stands in


@dataclass
class Walk:
    """The steps of one layer and one head on one text, with every number in them.

    `tensors` are float32 on the CPU, one row for each token; `masked` and `weights`
    have one column for each token too. `labels` names the columns of `logits`.
    """

    tokens: list[str]
    layer: int
    head: int
    n_layers: int
    n_heads: int
    steps: list[Step] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)

    def add(self, name: str, value: Tensor) -> str:
        """Keep a tensor under a name, without its batch axis."""
        self.tensors[name] = value.detach().float().cpu()
        return name

    def keep_linear(self, name: str, linear: nn.Linear, rows=slice(None)) -> None:
        """Keep the rows of a weight matrix that the shown columns are computed with."""
        self.add(f"{name}.weight", linear.weight[rows])
        if linear.bias is not None:
            self.add(f"{name}.bias", linear.bias[rows])

    def keep_norm(self, name: str, norm: nn.Module) -> None:
        """Keep what a norm sizes its rows with."""
        self.add(f"{name}.weight", norm.weight)
        if hasattr(norm, "bias"):
            self.add(f"{name}.bias", norm.bias)
        self.add(f"{name}.eps", torch.tensor([norm.eps]))

    def step(self, key, title, note, inputs, output, how, source) -> None:
        """Append a step; `source` is a function and a piece of one of its lines."""
        function, piece = source
        self.steps.append(
            Step(
                key,
                title,
                note,
                tuple(inputs),
                output,
                how,
                code_line(function, piece),
                f"{function.__module__}.{function.__qualname__}",
            )
        )


def code_line(function, piece: str) -> str:
    """Find the line of a function that contains a piece of text.

    Args:
        function: a function or class.
        piece: what the line contains.

    Returns:
        The line, without indentation and comment.

    Raises:
        LookupError: no line does.
    """
    for line in inspect.getsource(function).splitlines():
        if piece in line and not line.strip().startswith("#"):
            return line.split("  #")[0].strip()
    raise LookupError(f"{function.__qualname__} has no line with {piece!r}")
