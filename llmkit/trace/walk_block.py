"""The steps of a walk through one block: norms, attention, MLP, and what is added.

Home notebook: 05_transformer_block.
"""

from __future__ import annotations

from torch import Tensor

from llmkit import nn as parts
from llmkit.models import BERT
from llmkit.models.decoder import run_blocks
from llmkit.trace.steps import Walk
from llmkit.trace.walk_attention import attention_steps


def block_steps(w: Walk, block: parts.Block, x: Tensor, mask=None, rotary=None) -> None:
    """Open one block: attention, residual, MLP, residual, with norms in their place.

    Args:
        w: the walk, which says what layer and head this is.
        block: of that layer.
        x: the stream that goes into it, (1, T, D).
        mask: bool, (T, T), True where a token may look; None: all may.
        rotary: cosines and sines for the T positions, or None.
    """
    layer = w.layer
    w.add("stream", x[0])
    previous = w.steps[-1].output
    w.step(
        "enter",
        f"Enter layer {layer}",
        "The residual stream as this layer finds it"
        + ("", ", after the layer before it", f", after {layer} layers")[min(layer, 2)]
        + ".",
        [previous] if layer == 0 else [],
        "stream",
        "copy" if layer == 0 else "given",
        (run_blocks, "in enumerate(blocks)")
        if block.norm_first
        else (BERT.forward, "for block in self.blocks"),
    )
    first = block.norm_first
    read = x
    if first:
        read = _norm_step(w, block.norm1, "norm1", "stream", x, "Norm before attention")
    written = attention_steps(w, read, block.attention, w.head, mask, rotary)
    x = _add_step(w, "stream", "attention out", x + written, "after attention")
    if not first:
        x = _norm_step(
            w, block.norm1, "norm1", "after attention", x, "Norm after attention"
        )
    read = x
    stream = w.steps[-1].output
    if first:
        read = _norm_step(w, block.norm2, "norm2", stream, x, "Norm before the MLP")
    written = _mlp_steps(w, read, block.mlp)
    x = _add_step(w, stream, "MLP out", x + written, "after MLP")
    if not first:
        _norm_step(w, block.norm2, "norm2", "after MLP", x, "Norm after the MLP")


def _mlp_steps(w: Walk, x: Tensor, mlp) -> Tensor:
    """Widen, bend, narrow."""
    read = w.steps[-1].output
    gated = isinstance(mlp, parts.SwiGLU)
    hidden = mlp.up_proj(x)
    w.keep_linear("up", mlp.up_proj)
    w.add("hidden", hidden[0])
    kind = parts.SwiGLU if gated else parts.MLP
    line = (kind.forward, "return self.down_proj(")
    wide = f"From {x.shape[-1]} to {hidden.shape[-1]} features, each token by itself."
    w.step("up", "Widen", wide, [read], "hidden", "linear:up", line)
    if gated:
        gate = mlp.gate_proj(x)
        w.keep_linear("gate", mlp.gate_proj)
        w.add("gate", gate[0])
        note = "A second view of the same input, which will open and close the first."
        w.step("gate", "Gate", note, [read], "gate", "linear:gate", line)
        bent = parts.silu(gate) * hidden
        note = "The gate is bent (SiLU) and multiplies the hidden features."
        inputs, how = ["gate", "hidden"], "gated"
    else:
        bent = mlp.activation(hidden)
        note = "Negative features are nearly switched off: without this bend, the "
        note += "two layers would be one."
        inputs, how = ["hidden"], f"bend:{mlp.activation.__name__}"
    w.add("bent", bent[0])
    w.step("bend", "Bend", note, inputs, "bent", how, line)
    written = mlp.down_proj(bent)
    w.keep_linear("down", mlp.down_proj)
    w.add("MLP out", written[0])
    note = f"Back to {written.shape[-1]} features."
    w.step("down", "Narrow", note, ["bent"], "MLP out", "linear:down", line)
    return written


def _norm_step(w: Walk, norm, name: str, read: str, x: Tensor, title: str) -> Tensor:
    y = norm(x)
    w.keep_norm(name, norm)
    w.add(f"{name} out", y[0])
    rms = isinstance(norm, parts.RMSNorm)
    note = (
        "Each row is scaled to root mean square 1, then sized by a learned vector."
        if rms
        else "Each row is shifted to mean 0 and scaled to variance 1, then sized by "
        "two learned vectors."
    )
    source = (
        (type(norm).forward, "return x * torch.rsqrt")
        if rms
        else (type(norm).in_the_open, "return (x - mean)")
    )
    how = f"{'rms' if rms else 'norm'}:{name}"
    w.step(name, title, note, [read], f"{name} out", how, source)
    return y


def _add_step(w: Walk, stream: str, written: str, total: Tensor, name: str) -> Tensor:
    w.add(name, total[0])
    first = parts.Block._add
    piece = "return x + self.dropout"
    w.step(
        name.replace(" ", "_"),
        "Add to the stream",
        "What was written is added to what was there: nothing is overwritten.",
        [stream, written],
        name,
        "add",
        (first, piece),
    )
    return total
