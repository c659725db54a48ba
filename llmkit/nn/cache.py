"""Keys and values that were already computed, kept for the next step.

While a decoder writes, earlier tokens never change, so neither do their keys and
values. Pope et al. 2022, "Efficiently Scaling Transformer Inference", section 2.1.
Home notebook: 04_multi_head_attention.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llmkit.checks import check_positive


class LayerCache:
    """Keys and values of one attention layer."""

    def __init__(self):
        self._k: Tensor | None = None  # (B, Hkv, room, Dh), filled up to `length`
        self._v: Tensor | None = None
        self.length = 0

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add the newest keys and values, and return all of them.

        Room grows by doubling, so that a long text costs no copy at most steps.

        Args:
            k: (B, Hkv, T, Dh).
            v: (B, Hkv, T, Dh).

        Returns:
            All keys and all values so far, (B, Hkv, S, Dh) each.
        """
        if torch.is_grad_enabled() and k.requires_grad:
            # writing in place would break the gradient: join instead
            k = (
                k
                if self._k is None
                else torch.cat([self._k[:, :, : self.length], k], 2)
            )
            v = (
                v
                if self._v is None
                else torch.cat([self._v[:, :, : self.length], v], 2)
            )
            self._k, self._v, self.length = k, v, k.shape[2]
            return k, v
        end = self.length + k.shape[2]
        if self._k is None or end > self._k.shape[2]:
            self._grow(k, max(end, 2 * self.length, 64))
        self._k[:, :, self.length : end] = k
        self._v[:, :, self.length : end] = v
        self.length = end
        return self._k[:, :, :end], self._v[:, :, :end]

    def crop(self, length: int) -> None:
        """Forget everything after the first `length` positions."""
        if length < 0:
            raise ValueError(f"length must be at least 0; got {length}")
        self.length = min(self.length, length)

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order (beam search reorders them)."""
        if self._k is not None:
            self._k, self._v = self._k[rows], self._v[rows]

    def n_bytes(self) -> int:
        """Return how many bytes the kept keys and values take."""
        if self._k is None:
            return 0
        return 2 * self._k[:, :, : self.length].numel() * self._k.element_size()

    def _grow(self, like: Tensor, room: int) -> None:
        batch, heads, _, width = like.shape
        k = like.new_empty(batch, heads, room, width)
        v = like.new_empty(batch, heads, room, width)
        if self._k is not None:
            k[:, :, : self.length] = self._k[:, :, : self.length]
            v[:, :, : self.length] = self._v[:, :, : self.length]
        self._k, self._v = k, v


class KVCache:
    """One `LayerCache` for each layer of a decoder.

    Args:
        n_layers: L.
    """

    def __init__(self, n_layers: int):
        check_positive("n_layers", n_layers)
        self.layers = [LayerCache() for _ in range(n_layers)]

    def __getitem__(self, layer: int) -> LayerCache:
        return self.layers[layer]

    @property
    def length(self) -> int:
        """How many positions are kept."""
        return self.layers[0].length

    def crop(self, length: int) -> None:
        """Forget everything after the first `length` positions."""
        for layer in self.layers:
            layer.crop(length)

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""
        for layer in self.layers:
            layer.select(rows)

    def n_bytes(self) -> int:
        """Return how many bytes all layers take."""
        return sum(layer.n_bytes() for layer in self.layers)
