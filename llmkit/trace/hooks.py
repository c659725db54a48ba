"""Listen to the parts of a block of the kit while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from llmkit.nn import MultiHeadAttention, apply_rotary, repeat_kv, split_heads
from llmkit.trace.record import Parts


@dataclass
class Heard:
    """What one attention layer and its block said; batch axis included."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    handles: list = field(default_factory=list)

    def stop(self) -> None:
        """Take the hooks off."""
        for handle in self.handles:
            handle.remove()


def listen(block: nn.Module) -> Heard:
    """Hear a block's self-attention, its MLP and the stream between them.

    Args:
        block: a `Block`.

    Returns:
        A `Heard`, filled when the block runs; call its `stop` afterwards.
    """
    heard = listen_to_attention(block.attention)
    said, add = heard.tensors, heard.handles.append

    def attention_wrote(module, args, out):
        said["attention_outputs"] = out[0]

    def mlp_wrote(module, args, out):
        said["mlp_outputs"] = out

    def mid_in(module, args):
        said["mid_states"] = args[0]

    def mid_out(module, args, out):
        said["mid_states"] = out

    add(block.attention.register_forward_hook(attention_wrote))
    add(block.mlp.register_forward_hook(mlp_wrote))
    if block.norm_first:
        after = block.norm2 if block.cross_norm is None else block.cross_norm
        add(after.register_forward_pre_hook(mid_in))
    else:
        add(block.norm1.register_forward_hook(mid_out))
    return heard


def listen_across(block: nn.Module) -> Heard:
    """Hear a block's cross-attention.

    Args:
        block: a `Block` with `cross_attention`.

    Returns:
        A `Heard`, filled when the block runs; call its `stop` afterwards.
    """
    return listen_to_attention(block.cross_attention)


def listen_to_attention(layer: MultiHeadAttention) -> Heard:
    """Hear what the heads of one attention layer compute with.

    Args:
        layer: the attention alone.

    Returns:
        A `Heard`, filled when the layer runs; call its `stop` afterwards. `mask` is
        what the layer was given, None where all may look.
    """
    heard = Heard()
    said, add = heard.tensors, heard.handles.append
    rotary = {}

    def before(module, args, kwargs):
        rotary["angles"] = kwargs.get("rotary")
        said["mask"] = kwargs.get("mask")

    def turned(x: Tensor) -> Tensor:
        angles = rotary["angles"]
        return x if angles is None else apply_rotary(x, *angles)

    def heard_q(module, args, q):
        said["q_before"], said["q"] = q, turned(q)

    def heard_k(module, args, k):
        said["k_before"] = repeat_kv(k, layer.n_heads)
        said["k"] = repeat_kv(turned(k), layer.n_heads)

    def heard_v(module, args, v):
        said["v"] = repeat_kv(split_heads(v, layer.n_kv_heads), layer.n_heads)

    def mixed(module, args):
        said["head_outputs"] = split_heads(args[0], layer.n_heads)

    add(layer.register_forward_pre_hook(before, with_kwargs=True))
    # these two norms always run, as an identity where a model has none
    add(layer.q_norm.register_forward_hook(heard_q))
    add(layer.k_norm.register_forward_hook(heard_k))
    add(layer.v_proj.register_forward_hook(heard_v))
    add(layer.o_proj.register_forward_pre_hook(mixed))
    return heard


def as_parts(layers: list[dict[str, Tensor]]) -> Parts:
    """Stack what the layers said.

    Args:
        layers: for each layer, name -> tensor with a batch axis of 1.

    Returns:
        The `Parts`.
    """
    names = [n for n in Parts.__dataclass_fields__ if all(n in x for x in layers)]
    return Parts(**{n: stack([x[n] for x in layers]) for n in names})


def stack(layers) -> Tensor:
    """Put layers on a first axis, without the batch axis, as float32 on the CPU.

    Args:
        layers: L tensors, (1, ...).

    Returns:
        (L, ...), in memory of its own.
    """
    return torch.stack([x[0].detach().to("cpu", torch.float32) for x in layers])
