"""Four ways to tell a model where a token stands.

Sinusoidal: Vaswani et al. 2017, section 3.5. Learned: Gehring et al. 2017, section
3.1. Rotary: Su et al. 2021, "RoFormer", section 3.2. ALiBi: Press et al. 2022, "Train
Short, Test Long", section 3. Home notebook: 02_embeddings_and_positions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from llmkit.checks import check_positive, check_shape


def sinusoidal_positions(length: int, d_model: int, base: float = 10000.0) -> Tensor:
    """Write each position as the hands of D/2 clocks, from fast to slow.

    Column 2i holds `sin(t / base**(2i/D))`, column 2i + 1 the cosine of the same.

    Args:
        length: T, how many positions.
        d_model: D, an even width.
        base: the slowest clock takes about `2 * pi * base` positions for one turn.

    Returns:
        float32, (T, D).

    Raises:
        ValueError: the width is odd.
    """
    check_positive("length", length)
    angles = _angles(torch.arange(length), d_model, base)  # (T, D/2)
    # sine and cosine of one clock stand side by side: (T, D/2, 2) -> (T, D)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).float()


class LearnedPositions(nn.Module):
    """A table with one learned vector for each position.

    Args:
        context_length: how many positions the table has.
        d_model: D.
        offset: rows kept free before position 0 (RoBERTa and BART have 2).
    """

    def __init__(self, context_length: int, d_model: int, offset: int = 0):
        super().__init__()
        check_positive("context_length", context_length)
        check_positive("d_model", d_model)
        self.weight = nn.Parameter(torch.randn(context_length + offset, d_model) * 0.02)
        self.offset = offset

    def forward(self, positions: Tensor) -> Tensor:
        """Look the positions up.

        Args:
            positions: int64, (T,) or (B, T), counted from 0.

        Returns:
            (T, D) or (B, T, D).

        Raises:
            ValueError: a position lies past the end of the table.
        """
        last = len(self.weight) - self.offset
        if positions.numel() and int(positions.max()) >= last:
            raise ValueError(
                f"position {int(positions.max())} is past the end of the table, which "
                f"has context_length={last}; give a shorter text or a longer table"
            )
        return self.weight[positions + self.offset]


def rotary_angles(
    positions: int | Tensor, d_head: int, base: float = 10000.0
) -> tuple[Tensor, Tensor]:
    """Compute how far each pair of features is turned at each position.

    Feature i is paired with feature i + Dh/2 (the "half" layout of Llama, Qwen and
    `transformers`), so the angles are written twice.

    Args:
        positions: T, for positions 0 to T - 1, or a tensor of positions, (T,) or
            (B, T).
        d_head: Dh, even.
        base: the slowest pair takes about `2 * pi * base` positions for one turn.

    Returns:
        cosines and sines, each (T, Dh) or (B, T, Dh), float32.

    Raises:
        ValueError: the width is odd.
    """
    if isinstance(positions, int):
        positions = torch.arange(positions)
    angles = _angles(positions, d_head, base)  # (..., T, Dh/2)
    angles = torch.cat([angles, angles], dim=-1)  # (..., T, Dh)
    return angles.cos().float(), angles.sin().float()


def apply_rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of features by its angle.

    The dot product of a turned query and a turned key depends on how far apart they
    stand, not on where.

    Args:
        x: queries or keys, (B, H, T, Dh).
        cos: from `rotary_angles`, (T, Dh) or (B, T, Dh).
        sin: the same shape.

    Returns:
        (B, H, T, Dh), each vector as long as before.
    """
    sizes = check_shape("x", x, "B H T Dh")
    check_shape("cos", cos, "... T Dh", T=sizes["T"], Dh=sizes["Dh"])
    if cos.dim() == 3:
        cos, sin = cos[:, None], sin[:, None]  # (B, 1, T, Dh): the same for all heads
    cos, sin = cos.to(x), sin.to(x)
    first, second = x.chunk(2, dim=-1)
    # (a, b) turned by t is (a cos t - b sin t, b cos t + a sin t)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def alibi_bias(
    n_heads: int, query_length: int, key_length: int | None = None, device=None
) -> Tensor:
    """Take points off a score for each step that the key lies away from the query.

    Each head has its own slope, from 1/2 down to 1/256 with eight heads: some heads
    look close by, some look far. The distance is taken without its sign, which equals
    the paper's rule wherever a causal mask hides the future.

    Args:
        n_heads: H.
        query_length: T.
        key_length: S, at least T; the queries are the last T positions.
        device: where it is made.

    Returns:
        float32, (H, T, S), 0 on the diagonal and negative elsewhere; add it to the
        scores.
    """
    check_positive("n_heads", n_heads)
    key_length = query_length if key_length is None else key_length
    keys = torch.arange(key_length, device=device)
    queries = torch.arange(key_length - query_length, key_length, device=device)
    distance = (queries[:, None] - keys[None, :]).abs()  # (T, S)
    slopes = torch.tensor(_alibi_slopes(n_heads), device=device)
    return -slopes[:, None, None] * distance


def _alibi_slopes(n_heads: int) -> list[float]:
    """Return the paper's slopes: a geometric row when H is a power of two.

    Otherwise the row of the next lower power of two, filled up with every other slope
    of the row twice as long, as the authors' code does.
    """
    lower = 2 ** math.floor(math.log2(n_heads))
    slopes = [2 ** (-8 * (i + 1) / lower) for i in range(lower)]
    finer = [2 ** (-8 * (i + 1) / (2 * lower)) for i in range(2 * lower)]
    return slopes + finer[::2][: n_heads - lower]


def _angles(positions: Tensor, width: int, base: float) -> Tensor:
    """Return position × frequency, (..., T, width/2), in float64 for far positions.

    On Apple's GPU, which has no float64, it is float32.
    """
    check_positive("base", base)
    if width < 2 or width % 2:
        raise ValueError(
            f"positions work on pairs: the width must be even; got {width}"
        )
    device = positions.device
    kind = torch.float32 if device.type == "mps" else torch.float64
    exponents = torch.arange(0, width, 2, device=device).to(kind) / width
    return positions[..., None].to(kind) / base**exponents
