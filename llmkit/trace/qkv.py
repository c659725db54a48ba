"""Read the queries, keys and values of every head while a model runs.

They are what the dot product really meets: after the norm that some models give them,
and after rotary positions have turned them. Home notebook: 03_attention.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from llmkit.trace.hooks import Heard, listen_to_attention
from llmkit.trace.interventions import attention_layers


@dataclass(frozen=True)
class LayerQKV:
    """What one layer's heads compute with; None until the model has run."""

    heard: Heard

    @property
    def q(self) -> Tensor | None:
        """Queries, (B, H, T, Dh)."""
        return self.heard.tensors.get("q")

    @property
    def k(self) -> Tensor | None:
        """Keys, (B, H, T, Dh), shared heads repeated."""
        return self.heard.tensors.get("k")

    @property
    def v(self) -> Tensor | None:
        """Values, (B, H, T, Dh), shared heads repeated."""
        return self.heard.tensors.get("v")

    @property
    def mask(self) -> Tensor | None:
        """Who may look, bool, broadcastable to (B, H, T, T); None: all may."""
        return self.heard.tensors.get("mask")


@contextmanager
def recorded_qkv(model: nn.Module) -> Iterator[list[LayerQKV]]:
    """Record queries, keys, values and masks for the length of a `with` block.

    Args:
        model: a `GPT`, `Llama` or `BERT`, or any module with `.blocks`.

    Yields:
        One `LayerQKV` for each layer, filled anew whenever the model is called.

    Raises:
        TypeError: the model has no `.blocks`.
    """
    with ExitStack() as stack:
        records = []
        for layer in attention_layers(model):
            heard = listen_to_attention(layer)
            stack.callback(heard.stop)
            records.append(LayerQKV(heard))
        yield records
