"""Read the queries, keys and values of every head while a model runs.

They are what the dot product really meets: after the norm that some models give them,
and after rotary positions have turned them. Home notebook: 03_attention.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from llmkit.nn import apply_rotary, repeat_kv, split_heads
from llmkit.trace.interventions import attention_layers


@dataclass
class LayerQKV:
    """What one layer's heads compute with; None until the model has run."""

    q: Tensor | None = None  # (B, H, T, Dh)
    k: Tensor | None = None  # (B, H, T, Dh), shared heads repeated
    v: Tensor | None = None  # (B, H, T, Dh), shared heads repeated
    mask: Tensor | None = (
        None  # bool, broadcastable to (B, H, T, T); None: all may look
    )


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
    layers = attention_layers(model)
    records = [LayerQKV() for _ in layers]
    with ExitStack() as stack:
        for layer, record in zip(layers, records, strict=True):
            for handle in _attach(layer, record):
                stack.callback(handle.remove)
        yield records


def _attach(layer: nn.Module, record: LayerQKV) -> list:
    seen = {}

    def before(module, args, kwargs):
        seen["rotary"] = kwargs.get("rotary")
        record.mask = kwargs.get("mask")

    def turned(x: Tensor) -> Tensor:
        return x if seen["rotary"] is None else apply_rotary(x, *seen["rotary"])

    def after_q(module, args, q):
        record.q = turned(q)

    def after_k(module, args, k):
        record.k = repeat_kv(turned(k), layer.n_heads)

    def after_v(module, args, v):
        record.v = repeat_kv(split_heads(v, layer.n_kv_heads), layer.n_heads)

    return [
        layer.register_forward_pre_hook(before, with_kwargs=True),
        layer.q_norm.register_forward_hook(after_q),
        layer.k_norm.register_forward_hook(after_k),
        layer.v_proj.register_forward_hook(after_v),
    ]
