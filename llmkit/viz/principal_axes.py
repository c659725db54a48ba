"""The few axes along which a table of vectors is spread out most.

Pearson 1901, "On lines and planes of closest fit to systems of points in space". Home
notebook: 02_embeddings_and_positions.
"""

from __future__ import annotations

import numpy as np

from llmkit.checks import check_shape


def principal_axes(table: np.ndarray, count: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Turn the vectors so that the first axes hold as much of the spread as can be.

    Args:
        table: (V, D).
        count: how many axes are wanted, K.

    Returns:
        The places on those axes, (V, K), and each axis's share of the spread, (K,).
        The sign of an axis is fixed by its largest weight, which is positive.
    """
    size = check_shape("table", table, "V D")
    if not 1 <= count <= min(size["V"], size["D"]):
        raise ValueError(
            f"count must lie between 1 and {min(size['V'], size['D'])} for a table of "
            f"{size['V']} x {size['D']}; got {count}"
        )
    centred = np.asarray(table, np.float64)
    centred = centred - centred.mean(0)
    spread = centred.T @ centred / max(1, size["V"] - 1)  # (D, D)
    sizes, axes = np.linalg.eigh(spread)  # from small to large
    axes = axes[:, ::-1][:, :count]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), range(count)])
    return centred @ axes, sizes[::-1][:count] / max(sizes.sum(), 1e-300)
