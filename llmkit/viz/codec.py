"""Pack attention weights into few bytes without losing the small ones.

A weight w in [0, 1] becomes the byte round(255 * sqrt(w)). The square root spends the
256 steps where attention needs them: at 512 tokens a plain 8-bit scale turns four
weights of five into 0. Every weight comes back within half a step, 0.5/255, on the
scale of the square root. Causal weights keep only their lower triangle.
"""

from __future__ import annotations

import base64
import zlib

import numpy as np

from llmkit.checks import check_shape


def pack_weights(weights: np.ndarray, causal: bool = False) -> bytes:
    """Pack weights into one byte each.

    Args:
        weights: numbers from 0 to 1, (..., T, S).
        causal: keep only the entries on and below the diagonal; then T must equal S.

    Returns:
        The bytes, in the order of the array; with `causal`, row after row of each
        triangle.

    Raises:
        ValueError: a weight is not in [0, 1] or is not a number, or `causal` is asked
            for weights that are not square.
    """
    weights = np.asarray(weights)
    size = check_shape("weights", weights, "... T S")
    low, high = (weights.min(), weights.max()) if weights.size else (0, 0)
    if not (low >= 0 and high <= 1 + 1e-4):
        raise ValueError(
            "weights must be numbers from 0 to 1, such as a softmax gives; "
            f"got a range of {low:.4g} to {high:.4g}"
        )
    steps = np.rint(np.sqrt(np.clip(weights, 0, 1), dtype=np.float32) * 255)
    steps = steps.astype(np.uint8)
    if causal:
        if size["T"] != size["S"]:
            raise ValueError(
                f"causal weights must be square; got {size['T']} queries and "
                f"{size['S']} keys. Pass causal=False."
            )
        steps = steps[(..., *np.tril_indices(size["T"]))]
    return steps.tobytes()


def unpack_weights(
    data: bytes, shape: tuple[int, ...], causal: bool = False
) -> np.ndarray:
    """Undo `pack_weights`.

    Args:
        data: the packed bytes.
        shape: the shape of the weights, (..., T, S).
        causal: whether only the lower triangle was packed.

    Returns:
        The weights as float32, of that shape.

    Raises:
        ValueError: the number of bytes does not fit the shape.
    """
    t, s = shape[-2:]
    lead = tuple(shape[:-2])
    each = t * (t + 1) // 2 if causal else t * s
    need = int(np.prod(lead, dtype=int)) * each
    if len(data) != need:
        raise ValueError(
            f"data must hold {need} bytes for the shape {tuple(shape)}"
            f"{' with causal=True' if causal else ''}; got {len(data)}"
        )
    steps = np.frombuffer(data, np.uint8).astype(np.float32) / 255
    if not causal:
        return (steps**2).reshape(shape)
    weights = np.zeros(shape, np.float32)
    weights[(..., *np.tril_indices(t))] = (steps**2).reshape((*lead, each))
    return weights


def pack_numbers(numbers: np.ndarray, scale: float = 10_000) -> bytes:
    """Round numbers to steps of `1 / scale` and lay them out so that they compress.

    Each becomes a whole number, written with its sign in the lowest bit; all first
    bytes come first, then all second bytes, and so on. Minus infinity has a code of
    its own.

    Args:
        numbers: any shape, not beyond 2**31 / scale.
        scale: steps in 1; with 10,000 a number comes back within 0.00005.

    Returns:
        Four bytes for each number, before compression.

    Raises:
        ValueError: a number is not finite (and not minus infinity), or too large.
    """
    numbers = np.asarray(numbers, np.float64).reshape(-1)
    hidden = np.isneginf(numbers)
    steps = np.rint(np.where(hidden, 0, numbers) * scale)
    if not (np.abs(steps) < 2**31 - 1).all():
        raise ValueError(
            f"numbers must be finite and below {2**31 / scale:.0f}; "
            f"got up to {np.abs(numbers[~hidden]).max():.4g}"
        )
    whole = steps.astype(np.int64)
    zigzag = np.where(whole < 0, -2 * whole - 1, 2 * whole).astype(np.uint32)
    zigzag[hidden] = 0xFFFFFFFF
    return zigzag.astype("<u4").view(np.uint8).reshape(-1, 4).T.tobytes()


def unpack_numbers(data: bytes, scale: float = 10_000) -> np.ndarray:
    """Undo `pack_numbers`.

    Args:
        data: the packed bytes.
        scale: as it was packed with.

    Returns:
        The numbers as float64, (n,).
    """
    planes = np.frombuffer(data, np.uint8).reshape(4, -1)
    zigzag = planes.T.copy().view("<u4").reshape(-1).astype(np.int64)
    whole = np.where(zigzag % 2, -(zigzag + 1) // 2, zigzag // 2)
    return np.where(zigzag == 0xFFFFFFFF, -np.inf, whole / scale)


def to_text(data: bytes) -> str:
    """Compress bytes with zlib and write them as base64.

    Args:
        data: any bytes.

    Returns:
        ASCII text, safe inside HTML.
    """
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")


def from_text(text: str) -> bytes:
    """Undo `to_text`.

    Args:
        text: base64 of zlib data.

    Returns:
        The bytes.
    """
    return zlib.decompress(base64.b64decode(text))
