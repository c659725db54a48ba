"""Change how a model attends while it runs: hide a cell, rescale, silence a head.

`changed_attention` is a context manager. Inside it every call of the model computes
with the change; when it ends, however it ends, the model is as it was. Nothing is
patched: the change rides on PyTorch's own hooks, which see what goes into a layer and
may pass on something else. Home notebooks: 03_attention, 17_interpretability.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from llmkit.checks import check_positive


@dataclass(frozen=True, kw_only=True)
class AttentionChange:
    """What is changed in one layer, or in several.

    Args:
        layers: the layers; None means all.
        heads: the heads in which cells are hidden and scores changed; None means all.
        hidden: cells (query, key) that become "may not look", counted from the
            start of the text; cells that a text does not have are passed over.
        scale: a factor for the scores, before bias, mask and softmax.
        temperature: what scores and bias are divided by, before the softmax.
        silent: heads whose output becomes 0.
    """

    layers: tuple[int, ...] | None = None
    heads: tuple[int, ...] | None = None
    hidden: tuple[tuple[int, int], ...] = ()
    scale: float = 1.0
    temperature: float = 1.0
    silent: tuple[int, ...] = ()

    def __post_init__(self):
        if isinstance(self.scale, bool) or not self.scale >= 0:
            raise ValueError(f"scale must be a number of at least 0; got {self.scale}")
        check_positive("temperature", self.temperature)
        for query, key in self.hidden:
            if query < 0 or key < 0:
                raise ValueError(
                    "hidden holds pairs (query, key) of positions from 0 on; got "
                    f"({query}, {key})"
                )


@contextmanager
def changed_attention(model: nn.Module, *changes: AttentionChange) -> Iterator[None]:
    """Run a model with another attention, for the length of a `with` block.

    Args:
        model: a decoder of the kit, a `BERT`, or any module with `.blocks` whose
            blocks have an `.attention`.
        *changes: what to change; several add up.

    Yields:
        Nothing; call the model inside.

    Raises:
        TypeError: the model has no `.blocks`.
        ValueError: a layer or head does not exist.
    """
    layers = attention_layers(model)
    with ExitStack() as stack:
        for change in changes:
            for index in _chosen("layers", change.layers, len(layers)):
                for handle in _attach(layers[index], change):
                    stack.callback(handle.remove)
        yield


def attention_layers(model: nn.Module) -> list[nn.Module]:
    """Return the self-attention of every block, first layer first.

    Args:
        model: a model with `.blocks`.

    Returns:
        The `MultiHeadAttention` modules.

    Raises:
        TypeError: the model has no `.blocks`.
    """
    blocks = getattr(model, "blocks", None)
    if blocks is None:
        raise TypeError(
            "this needs a model with .blocks, such as GPT, Llama or BERT; "
            f"got {type(model).__name__}. Bring a transformers model over with "
            "llmkit.hub.from_hf."
        )
    return [block.attention for block in blocks]


def _attach(layer: nn.Module, change: AttentionChange) -> list:
    """Attach the hooks of one change to one attention layer."""
    heads = list(_chosen("heads", change.heads, layer.n_heads))
    silent = list(_chosen("silent", change.silent, layer.n_heads))
    handles = []

    def before(module, args, kwargs):
        x, kwargs = args[0], dict(kwargs)
        if change.hidden:
            keys = _keys_seen(x, kwargs)
            mask = kwargs.get("mask")
            kwargs["mask"] = _hide(mask, change.hidden, heads, module, x, keys)
        if kwargs.get("bias") is not None:
            divisor = torch.ones(layer.n_heads, 1, 1, device=x.device)
            divisor[heads] = change.temperature
            kwargs["bias"] = kwargs["bias"] / divisor
        return args, kwargs

    def rescale(module, args, q):
        # q . k is linear in q: a factor on q, after its norm, is a factor on the score
        q = q.clone()  # (B, H, T, Dh)
        q[:, heads] *= change.scale / change.temperature
        return q

    def mute(module, args):
        (mixed,) = args  # (B, T, H * Dh), one head beside the other
        mixed = mixed.unflatten(-1, (layer.n_heads, layer.d_head)).clone()
        mixed[..., silent, :] = 0
        return (mixed.flatten(-2),)

    if change.hidden or change.temperature != 1:
        handles.append(layer.register_forward_pre_hook(before, with_kwargs=True))
    if change.scale != 1 or change.temperature != 1:
        handles.append(layer.q_norm.register_forward_hook(rescale))
    if silent:
        handles.append(layer.o_proj.register_forward_pre_hook(mute))
    return handles


def _keys_seen(x: Tensor, kwargs: dict) -> int:
    """Count the keys: those of a cache, and those of the context or of x itself."""
    source = x if kwargs.get("context") is None else kwargs["context"]
    cache = kwargs.get("cache")
    past = 0 if cache is None else cache.length
    return past + source.shape[1]


def _hide(
    mask: Tensor | None,
    hidden: Iterable[tuple[int, int]],
    heads: list[int],
    layer: nn.Module,
    x: Tensor,
    n_keys: int,
) -> Tensor:
    """Return a copy of the mask, (B, H, T, S), in which some cells are False."""
    shape = (x.shape[0], layer.n_heads, x.shape[1], n_keys)
    whole = torch.ones(shape, dtype=torch.bool, device=x.device)
    mask = whole if mask is None else whole & mask
    first = n_keys - shape[2]  # with a cache, the first row is a later position
    for query, key in hidden:
        if first <= query < n_keys and key < n_keys:
            mask[:, heads, query - first, key] = False
    return mask


def _chosen(name: str, indices: Iterable[int] | None, size: int) -> Iterator[int]:
    for index in range(size) if indices is None else indices:
        if not 0 <= index < size:
            raise ValueError(f"{name} must lie between 0 and {size - 1}; got {index}")
        yield index
