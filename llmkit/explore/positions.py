"""Move the width, the base and the position, and watch what a model is told.

Home notebook: 02_embeddings_and_positions.
"""

from __future__ import annotations

import numpy as np
import torch

from llmkit.nn import (
    alibi_bias,
    apply_rotary,
    rotary_angles,
    sinusoidal_positions,
)
from llmkit.viz.positions import LENGTH, Positions


def positions(
    kind: str = "sinusoidal",
    width: int = 32,
    base: float = 10000.0,
    position: int = 0,
    heads: int = 8,
    head: int = 0,
    learned=None,
) -> Positions:
    """Show sinusoidal, learned, rotary and ALiBi positions, with every setting.

    Args:
        kind: which one first.
        width: D, even.
        base: of the clocks.
        position: the one whose similarity to all others is drawn.
        heads: H, for ALiBi.
        head: which of them.
        learned: a table of learned positions, (T, D), such as
            `bert.position_embedding.weight`; None: sinusoidal, rotary and ALiBi only.

    Returns:
        The widget; `widget.values()` and `widget.similarity()` are what it shows.
    """
    table = None
    if learned is not None:
        table = torch.as_tensor(learned).detach().float().cpu().numpy()

    def compute(kind, width, base, heads, head) -> np.ndarray:
        if kind == "learned":
            return table
        if kind == "alibi":
            return alibi_bias(heads, LENGTH)[head].numpy()
        if kind == "sinusoidal":
            return sinusoidal_positions(LENGTH, width, base).numpy()
        # the same vector at each position, turned: pairs (1, 0) show cosine and sine
        one = torch.cat([torch.ones(width // 2), torch.zeros(width // 2)])
        same = one.expand(1, 1, LENGTH, width)
        return apply_rotary(same, *rotary_angles(LENGTH, width, base))[0, 0].numpy()

    return Positions(compute, table, kind, width, base, position, heads, head)
