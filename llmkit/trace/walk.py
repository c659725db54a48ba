"""Walk through one layer and one head of a real model, number by number.

Each step keeps what goes in, what comes out, and the line of the kit that computes it,
so that a reader can point at any cell and see the sum behind it. Home notebook:
03_attention; the parts around attention are met in 05_transformer_block.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from llmkit import nn as parts
from llmkit.checks import check_type
from llmkit.models import BERT, DECODERS, ModelOutput, ModernNGrams
from llmkit.models.bert import MLMHead
from llmkit.models.decoder import looking
from llmkit.trace.running import running
from llmkit.trace.steps import Walk
from llmkit.trace.tokens import labels_of
from llmkit.trace.walk_block import block_steps
from llmkit.viz.labels import visible_all


def walk(
    model, tokenizer, text: str, layer: int = 0, head: int = 0, top: int = 10
) -> Walk:
    """Compute one layer in the open, from the tokens to the next word's scores.

    Args:
        model: a decoder of the kit or a `BERT` (`hub.from_hf` turns others into
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
        "model", model, (*DECODERS, BERT), "Turn it into one with hub.from_hf(model)."
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
        look = (None, None) if isinstance(model, BERT) else looking(model, ids)
        block_steps(w, model.blocks[layer], out.hidden_states[layer], *look)
        _words(w, model, tokenizer, out, top)
    return w


def _embedding(w: Walk, model, ids: Tensor, encoding, out: ModelOutput) -> None:
    """Token vectors, and what is added to them before the first block."""
    where = getattr(type(model), "embed", type(model).forward)
    w.add("tokens", model.token_embedding(ids)[0])
    w.step(
        "embed",
        "Token vectors",
        "Each token's id picks one row of the token table.",
        [],
        "tokens",
        "lookup",
        (where, "token_embedding(ids)"),
    )
    if isinstance(model, ModernNGrams):
        w.add("n-grams", model.ngrams(ids)[0])
        w.add("x", out.hidden_states[0][0])
        w.step(
            "ngrams",
            "Add the n-grams",
            "The pair of tokens that ends here, the three, the four: each has a vector "
            "of its own. Their sum is added: what a table of them knows need not be "
            "found by attention.",
            ["tokens", "n-grams"],
            "x",
            "add",
            (where, "token_embedding(ids) + ngrams"),
        )
    if hasattr(model, "position_embedding"):
        _positions(w, model, ids, encoding, out, where)


def _positions(
    w: Walk, model, ids: Tensor, encoding, out: ModelOutput, where: Callable
) -> None:
    """Vectors of the places, where a model adds them; BERT adds more, and norms."""
    added, places = ["tokens"], torch.arange(ids.shape[1], device=ids.device)
    added.append(w.add("positions", model.position_embedding(places)))
    if isinstance(model, BERT) and model.segment_embedding is not None:
        kinds = torch.tensor(
            getattr(encoding, "type_ids", None) or [0] * ids.shape[1], device=ids.device
        )
        added.append(w.add("segments", model.segment_embedding(kinds)))
    w.add("x", sum(w.tensors[name] for name in added))
    w.step(
        "position",
        "Add the position",
        "A vector for the place is added to the vector for the word: from here on, "
        "the same word in two places is two different vectors.",
        added,
        "x",
        "add",
        (where, "position_embedding(positions)"),
    )
    if isinstance(model, BERT):
        w.keep_norm("embedding_norm", model.embedding_norm)
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
    w.keep_linear("words", head, best)
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
