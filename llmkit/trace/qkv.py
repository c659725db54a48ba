"""Read the queries, keys and values of every head while a model runs.

They are what the dot product really meets: after the norm that some models give them,
and after rotary positions have turned them. Home notebook: 03_attention.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from llmkit.trace.hooks import listen_to_attention
from llmkit.trace.interventions import attention_layers


@contextmanager
def recorded_qkv(model: nn.Module) -> Iterator[list[dict[str, Tensor | None]]]:
    """Record queries, keys, values and masks for the length of a `with` block.

    Args:
        model: a decoder of the kit, a `BERT`, or any module with `.blocks`.

    Yields:
        For each layer a dict, empty until the model has run and filled anew whenever
        it runs: `q`, (B, H, T, Dh); `k` and `v`, (B, H, S, Dh), shared heads repeated;
        `mask`, bool, broadcastable to (B, H, T, S), None where all may look; and
        what else a `Heard` of the attention has.

    Raises:
        TypeError: the model has no `.blocks`.
    """
    with ExitStack() as stack:
        records = []
        for layer in attention_layers(model):
            heard = listen_to_attention(layer)
            stack.callback(heard.stop)
            records.append(heard.tensors)
        yield records
