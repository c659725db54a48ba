"""Walk through one layer and one head of a real model, number by number.

Each step keeps what goes in, what comes out, and the line of the kit that computes it,
so that a reader can point at any cell and see the sum behind it. Home notebook:
03_attention; the parts around attention are met in 05_transformer_block.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llmkit import nn as parts
from llmkit.checks import check_type
from llmkit.models import BERT, GPT, Llama, ModelOutput
from llmkit.models.bert import MLMHead
from llmkit.models.decoder import decoder_mask, run_blocks
from llmkit.trace.running import running
from llmkit.trace.steps import Walk
from llmkit.trace.tokens import labels_of
from llmkit.viz.labels import visible_all


def walk(
    model, tokenizer, text: str, layer: int = 0, head: int = 0, top: int = 10
) -> Walk:
    """Compute one layer in the open, from the tokens to the next word's scores.

    Args:
        model: a `GPT`, `Llama` or `BERT` of the kit (`hub.from_hf` turns others into
            one).
        tokenizer: its tokenizer.
        text: what it reads.
        layer: which layer is opened, from 0.
        head: which head, from 0.
        top: how many of the likeliest tokens the last step shows.

    Returns:
        The `Walk`.

    Raises:
        TypeError: the model is of another kind.
        ValueError: the text gives no token, or layer or head does not exist.
    """
    check_type(
        "model", model, (GPT, Llama, BERT), "Turn it into one with hub.from_hf(model)."
    )
    encoding = tokenizer(text)
    if not encoding.ids:
        raise ValueError("text must give at least one token; got an empty text")
    n_heads = model.blocks[0].attention.n_heads
    for name, value, size in (
        ("layer", layer, len(model.blocks)),
        ("head", head, n_heads),
    ):
        if not 0 <= value < size:
            raise ValueError(f"{name} must lie between 0 and {size - 1}; got {value}")
    device = next(model.parameters()).device
    ids = torch.tensor([encoding.ids], device=device)
    w = Walk(labels_of(tokenizer, encoding), layer, head, len(model.blocks), n_heads)
    with running(model), torch.inference_mode():
        out = model(ids, output_hidden_states=True)
        _embedding(w, model, ids, encoding, out)
        _block(w, model, ids, out.hidden_states[layer], layer, head)
        _words(w, model, tokenizer, out, top)
    return w


def _embedding(w: Walk, model, ids: Tensor, encoding, out: ModelOutput) -> None:
    """Token vectors, positions, and what else is added before the first block."""
    added = [w.add("tokens", model.token_embedding(ids)[0])]
    w.step(
        "embed",
        "Token vectors",
        "Each token's id picks one row of the token table.",
        [],
        "tokens",
        "lookup",
        (type(model).forward, "token_embedding(ids)")
        if not isinstance(model, BERT)
        else (BERT.embed, "token_embedding(ids)"),
    )
    if isinstance(model, Llama):
        return
    positions = torch.arange(ids.shape[1], device=ids.device)
    added.append(w.add("positions", model.position_embedding(positions)))
    if isinstance(model, BERT) and model.segment_embedding is not None:
        kinds = torch.tensor(
            getattr(encoding, "type_ids", None) or [0] * ids.shape[1], device=ids.device
        )
        added.append(w.add("segments", model.segment_embedding(kinds)))
    total = sum(w.tensors[name] for name in added)
    source = (type(model).forward, "position_embedding(positions)")
    if isinstance(model, BERT):
        source = (BERT.embed, "position_embedding(positions)")
    w.add("x", total)
    w.step(
        "position",
        "Add the position",
        "A vector for the place is added to the vector for the word: from here on, "
        "the same word in two places is two different vectors.",
        added,
        "x",
        "add",
        source,
    )
    if isinstance(model, BERT):
        _keep_norm(w, "embedding_norm", model.embedding_norm)
        w.add("x normed", out.hidden_states[0][0])
        w.step(
            "embed_norm",
            "Norm of the sum",
            "Each row is shifted to mean 0 and scaled to variance 1; two learned "
            "vectors then set a size for each feature.",
            ["x"],
            "x normed",
            "norm:embedding_norm",
            (parts.LayerNorm.in_the_open, "return (x - mean)"),
        )


def _block(w: Walk, model, ids: Tensor, x: Tensor, layer: int, head: int) -> None:
    """Open one block: attention, residual, MLP, residual, with norms in their place."""
    block = model.blocks[layer]
    w.add("stream", x[0])
    previous = w.steps[-1].output
    w.step(
        "enter",
        f"Enter layer {layer}",
        "The residual stream as this layer finds it"
        + (f", after the {layer} layers before it." if layer else "."),
        [previous] if layer == 0 else [],
        "stream",
        "copy" if layer == 0 else "given",
        (run_blocks, "in enumerate(blocks)")
        if not isinstance(model, BERT)
        else (BERT.forward, "for block in self.blocks"),
    )
    first = block.norm_first
    read = x
    if first:
        read = _norm_step(w, block.norm1, "norm1", "stream", x, "Norm before attention")
    written = _attention_steps(w, model, ids, read, block.attention, head)
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


def _attention_steps(w: Walk, model, ids, x, layer, head: int) -> Tensor:
    """Queries, keys, values, scores, scale, mask, softmax, mix, heads, projection."""
    read = w.steps[-1].output
    width, kv = layer.d_head, head // (layer.n_heads // layer.n_kv_heads)
    q = layer.q_norm(parts.split_heads(layer.q_proj(x), layer.n_heads))
    k = layer.k_norm(parts.split_heads(layer.k_proj(x), layer.n_kv_heads))
    v = parts.split_heads(layer.v_proj(x), layer.n_kv_heads)
    rotary = None
    if isinstance(model, Llama):
        c = model.config
        rotary = parts.rotary_angles(ids.shape[1], c.head_width, c.rotary_base)
    words = {
        "q": ("Queries", "What each token looks for.", q, head, layer.q_proj),
        "k": ("Keys", "What each token offers to be found by.", k, kv, layer.k_proj),
        "v": ("Values", "What each token hands over when found.", v, kv, layer.v_proj),
    }
    source = parts.MultiHeadAttention.forward
    normed = not isinstance(layer.q_norm, torch.nn.Identity)
    for name, (title, note, value, at, projection) in words.items():
        rows = slice(at * width, (at + 1) * width)
        _keep_linear(w, name, projection, rows)
        w.add(name, value[0, at])
        how = f"linear:{name}" if name == "v" or not normed else "given"
        piece = f"self.{name}_proj("
        w.step(name, title, note, [read], name, how, (source, piece))
    names = {"q": "q", "k": "k"}
    if rotary is not None:
        q, k = parts.apply_rotary(q, *rotary), parts.apply_rotary(k, *rotary)
        w.add("cos", rotary[0])
        w.add("sin", rotary[1])
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
    mask = None
    if not isinstance(model, BERT):
        window = getattr(model.config, "window", None)
        mask = decoder_mask(ids.shape[1], None, None, ids.device, window)
        if mask is None:
            mask = torch.ones(1, 1, dtype=torch.bool, device=ids.device)
    _scores_steps(w, q[0, head], k[0, kv], names, mask)
    values = parts.repeat_kv(v, layer.n_heads)
    keys = parts.repeat_kv(k, layer.n_heads)
    mixed, _ = parts.attention(q, keys, values, mask)
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
    merged = parts.merge_heads(mixed)
    w.add("all heads", merged[0])
    w.step(
        "concat",
        "All heads side by side",
        f"The mixes of all {layer.n_heads} heads are put in one row; this head's is "
        f"columns {head * width} to {(head + 1) * width - 1}.",
        ["mixed"],
        "all heads",
        f"place:{head * width}",
        (parts.merge_heads, "return x.transpose"),
    )
    _keep_linear(w, "o", layer.o_proj)
    written = layer.o_proj(merged)
    w.add("attention out", written[0])
    w.step(
        "project",
        "Projection",
        "One matrix mixes what the heads found and writes it in the stream's terms.",
        ["all heads"],
        "attention out",
        "linear:o",
        (source, "self.o_proj("),
    )
    return written


def _scores_steps(w: Walk, q, k, names: dict, mask: Tensor | None) -> None:
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


def _mlp_steps(w: Walk, x: Tensor, mlp) -> Tensor:
    """Widen, bend, narrow."""
    read = w.steps[-1].output
    gated = isinstance(mlp, parts.SwiGLU)
    hidden = mlp.up_proj(x)
    _keep_linear(w, "up", mlp.up_proj)
    w.add("hidden", hidden[0])
    kind = parts.SwiGLU if gated else parts.MLP
    line = (kind.forward, "return self.down_proj(")
    wide = f"From {x.shape[-1]} to {hidden.shape[-1]} features, each token by itself."
    w.step("up", "Widen", wide, [read], "hidden", "linear:up", line)
    if gated:
        gate = mlp.gate_proj(x)
        _keep_linear(w, "gate", mlp.gate_proj)
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
    _keep_linear(w, "down", mlp.down_proj)
    w.add("MLP out", written[0])
    note = f"Back to {written.shape[-1]} features."
    w.step("down", "Narrow", note, ["bent"], "MLP out", "linear:down", line)
    return written


def _words(w: Walk, model, tokenizer, out: ModelOutput, top: int) -> None:
    """Scores of the likeliest tokens, where the model has an output layer."""
    if out.logits is None:
        return
    head = model.lm_head if not isinstance(model, BERT) else model.mlm_head
    logits = out.logits[0]
    best = logits[-1].topk(min(top, logits.shape[-1])).indices
    w.labels = visible_all([tokenizer.decode([int(i)]) for i in best])
    stream = out.last_hidden_state[0]
    if isinstance(head, MLMHead):
        stream = head.norm(head.activation(head.transform(stream)))
        head = head.decoder
    w.add("last norm", stream)
    _keep_linear(w, "words", head, best)
    w.add("logits", logits[:, best])
    source = type(model).forward
    piece = "self.mlm_head(x)" if isinstance(model, BERT) else "self.lm_head(x)"
    w.step(
        "read_out",
        "After the last layer",
        "The stream after all layers and the last norm.",
        [],
        "last norm",
        "given",
        (source, "self.final_norm(x)" if hasattr(model, "final_norm") else piece),
    )
    w.step(
        "logits",
        "Scores of words",
        "Each token of the vocabulary has a vector; its dot product with the stream "
        "is its score. The columns are the likeliest after the last token.",
        ["last norm"],
        "logits",
        "linear:words",
        (source, piece),
    )


def _norm_step(w: Walk, norm, name: str, read: str, x: Tensor, title: str) -> Tensor:
    y = norm(x)
    _keep_norm(w, name, norm)
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


def _keep_norm(w: Walk, name: str, norm) -> None:
    w.add(f"{name}.weight", norm.weight)
    if hasattr(norm, "bias"):
        w.add(f"{name}.bias", norm.bias)
    w.add(f"{name}.eps", torch.tensor([norm.eps]))


def _keep_linear(w: Walk, name: str, linear, rows=slice(None)) -> None:
    """Keep the rows of a weight matrix that the shown columns are computed with."""
    w.add(f"{name}.weight", linear.weight[rows])
    if linear.bias is not None:
        w.add(f"{name}.bias", linear.bias[rows])
