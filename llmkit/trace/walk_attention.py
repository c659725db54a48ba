"""The steps of a walk inside attention, from queries and keys to what is written.

Home notebook: 03_attention.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llmkit import nn as parts
from llmkit.trace.steps import Walk


def attention_steps(
    w: Walk, x: Tensor, layer: parts.MultiHeadAttention, head: int, mask, rotary
) -> Tensor:
    """Queries, keys, values, scores, scale, mask, softmax, mix, heads, projection.

    Args:
        w: the walk, whose last step wrote `x`.
        x: what the attention reads, (1, T, D).
        layer: the attention.
        head: which head is shown.
        mask: bool, (T, T), True where a token may look; None: all may.
        rotary: cosines and sines for the T positions, or None.

    Returns:
        What the attention writes, (1, T, D).
    """
    kv = head // (layer.n_heads // layer.n_kv_heads)
    q, k, v = _projections(w, x, layer, head, kv)
    names = {"q": "q", "k": "k"}
    if rotary is not None:
        w.add("cos", rotary[0])
        w.add("sin", rotary[1])
        q, k = parts.apply_rotary(q, *rotary), parts.apply_rotary(k, *rotary)
        for name, value, at in (("q", q, head), ("k", k, kv)):
            names[name] = w.add(f"{name} turned", value[0, at])
            w.step(
                f"{name}_rotary",
                f"Turn the {'queries' if name == 'q' else 'keys'}",
                "Pairs of features are turned by an angle that grows with the place.",
                [name],
                names[name],
                "rotate",
                (parts.apply_rotary, "return x * cos"),
            )
    _scores(w, q[0, head], k[0, kv], names, mask)
    keys, values = (parts.repeat_kv(y, layer.n_heads) for y in (k, v))
    mixed, _ = parts.attention(q, keys, values, mask)  # (1, H, T, Dh)
    return _mixing(w, mixed, layer, head)


def _projections(w: Walk, x: Tensor, layer, head: int, kv: int) -> tuple[Tensor, ...]:
    """Queries, keys and values of all heads; those of one head are shown."""
    read, width = w.steps[-1].output, layer.d_head
    q = layer.q_norm(parts.split_heads(layer.q_proj(x), layer.n_heads))
    k = layer.k_norm(parts.split_heads(layer.k_proj(x), layer.n_kv_heads))
    v = parts.split_heads(layer.v_proj(x), layer.n_kv_heads)
    normed = not isinstance(layer.q_norm, torch.nn.Identity)
    for name, title, note, value, at, projection in (
        ("q", "Queries", "What each token looks for.", q, head, layer.q_proj),
        ("k", "Keys", "What each token offers to be found by.", k, kv, layer.k_proj),
        ("v", "Values", "What each token hands over when found.", v, kv, layer.v_proj),
    ):
        w.keep_linear(name, projection, slice(at * width, (at + 1) * width))
        w.add(name, value[0, at])
        how = f"linear:{name}" if name == "v" or not normed else "given"
        source = (parts.MultiHeadAttention.forward, f"self.{name}_proj(")
        w.step(name, title, note, [read], name, how, source)
    return q, k, v


def _scores(w: Walk, q: Tensor, k: Tensor, names: dict, mask: Tensor | None) -> None:
    """From queries and keys to weights."""
    line = (parts.attention, "scores = q @ k")
    scores = q @ k.T
    w.add("raw", scores)
    w.step(
        "scores",
        "Scores",
        "Every query meets every key: a dot product says how well they match.",
        [names["q"], names["k"]],
        "raw",
        "dot",
        line,
    )
    w.add("scores", scores / q.shape[-1] ** 0.5)
    w.step(
        "scale",
        "Scale",
        f"Divided by √{q.shape[-1]}, so that the scores do not grow with the width "
        "of a head.",
        ["raw"],
        "scores",
        f"scale:{q.shape[-1]}",
        line,
    )
    last = "scores"
    if mask is not None:
        hidden = w.tensors["scores"].masked_fill(~mask.cpu(), float("-inf"))
        last = w.add("masked", hidden)
        w.step(
            "mask",
            "Mask",
            "The future is hidden: its scores become −∞ before the softmax.",
            ["scores"],
            "masked",
            "mask",
            (parts.attention, "scores.masked_fill"),
        )
    w.add("weights", w.tensors[last].softmax(dim=-1))
    w.step(
        "softmax",
        "Softmax",
        "Each row becomes positive and sums to 1: the attention weights.",
        [last],
        "weights",
        "softmax",
        (parts.attention, "weights = scores.softmax"),
    )


def _mixing(w: Walk, mixed: Tensor, layer, head: int) -> Tensor:
    """From the mixed values, (1, H, T, Dh), to what is written, (1, T, D)."""
    w.add("mixed", mixed[0, head])
    w.step(
        "mix",
        "Weighted sum of values",
        "Each row of weights says how much of each value goes into the mix.",
        ["weights", "v"],
        "mixed",
        "mix",
        (parts.attention, "return weights @ v"),
    )
    merged, first = parts.merge_heads(mixed), head * layer.d_head
    w.add("all heads", merged[0])
    w.step(
        "concat",
        "All heads side by side",
        f"The mixes of all {layer.n_heads} heads are put in one row; this head's is "
        f"columns {first} to {first + layer.d_head - 1}.",
        ["mixed"],
        "all heads",
        f"place:{first}",
        (parts.merge_heads, "return x.transpose"),
    )
    w.keep_linear("o", layer.o_proj)
    written = layer.o_proj(merged)
    w.add("attention out", written[0])
    w.step(
        "project",
        "Projection",
        "One matrix mixes what the heads found and writes it in the stream's terms.",
        ["all heads"],
        "attention out",
        "linear:o",
        (parts.MultiHeadAttention.forward, "self.o_proj("),
    )
    return written
