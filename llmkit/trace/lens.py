"""Read every layer with the last layer's eyes: what would the model say by now?

nostalgebraist 2020, "interpreting GPT: the logit lens". The stream after each part is
given to the model's own output layer, as if no further layer followed. Home notebook:
17_interpretability.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from llmkit.checks import check_positive, check_type
from llmkit.models import BERT, DECODERS
from llmkit.trace.running import running
from llmkit.trace.tokens import labels_of
from llmkit.viz.labels import visible


@dataclass(frozen=True)
class Lens:
    """What each layer would say at each position. R rows, T positions, k tokens."""

    tokens: list[str]  # T labels of what was read
    rows: list[str]  # R names: "embedding", "0 attention", "0 MLP", …
    columns: list[int]  # the positions that were computed, in order
    top_ids: Tensor  # int64, (R, C, k), the likeliest tokens
    top_probs: Tensor  # float32, (R, C, k)
    entropy: Tensor  # float32, (R, C), in bits
    kl: Tensor  # float32, (R, C), bits from the last row's answer to this one's
    rank: Tensor  # int64, (R, C), of the last row's first choice; 1 is the best
    watched: Tensor  # float32, (R, C, w), probabilities of the watched tokens
    label: dict[int, str]  # a visible label for each id in `top_ids`


def logit_lens(
    model,
    tokenizer,
    text: str,
    top: int = 5,
    watch: Sequence[str] = (),
    columns: Sequence[int] | None = None,
    streams: tuple[list[str], list[Tensor]] | None = None,
) -> Lens:
    """Ask every layer for its answer.

    Args:
        model: a decoder of the kit, or a `BERT` with its masked-word head.
        tokenizer: its tokenizer.
        text: what it reads.
        top: k, how many tokens to keep for each cell.
        watch: tokens whose probability is followed, each as text that is one token.
        columns: the positions to compute; None: all.
        streams: what `read_streams` returned for this text, to save the forward pass.

    Returns:
        The `Lens`.

    Raises:
        TypeError: the model is of another kind.
        ValueError: it has no output layer, the text is empty, or a watched text is not
            one token.
    """
    hint = "Turn it into one with hub.from_hf(model)."
    check_type("model", model, (*DECODERS, BERT), hint)
    check_positive("top", top)
    if isinstance(model, BERT) and model.mlm_head is None:
        raise ValueError(
            "the lens needs the masked-word head, and this BERT has none; load one "
            "that was saved with it, such as bert-base-uncased"
        )
    encoding = tokenizer(text)
    if not encoding.ids:
        raise ValueError("text must give at least one token; got an empty text")
    chosen = list(range(len(encoding.ids))) if columns is None else list(columns)
    watched = [one_token(tokenizer, word) for word in watch]
    rows, stream = streams or read_streams(model, encoding.ids)
    with torch.inference_mode():
        x = torch.stack(stream)[:, chosen]  # (R, C, D)
        log_probs = _read_out(model, x).float().log_softmax(dim=-1)  # (R, C, V)
        probs = log_probs.exp()
        best = probs.topk(min(top, probs.shape[-1]), dim=-1)
        last, first_choice = log_probs[-1], best.indices[-1, :, :1]  # (C, V), (C, 1)
        own = probs.gather(-1, first_choice.expand(len(rows), -1, 1))
        nats = -(probs * log_probs).sum(-1)
        kl = (last.exp() * (last - log_probs)).sum(-1)
    bits = 1 / torch.log(torch.tensor(2.0))
    labels = {i: visible(tokenizer.decode([i])) for i in best.indices.unique().tolist()}
    return Lens(
        tokens=labels_of(tokenizer, encoding),
        rows=rows,
        columns=chosen,
        top_ids=best.indices.cpu(),
        top_probs=best.values.cpu(),
        entropy=(nats * bits).cpu(),
        kl=(kl.clamp(min=0) * bits).cpu(),
        rank=(1 + (probs > own).sum(-1)).cpu(),
        watched=probs[..., watched].cpu(),
        label=labels,
    )


def lens_cost(model, length: int) -> int:
    """Estimate the multiplications of a whole lens, to decide how much to show live.

    Args:
        model: a model of the kit.
        length: T.

    Returns:
        How many numbers are multiplied in the output layer.
    """
    sizes = model.config
    return (2 * len(model.blocks) + 1) * length * sizes.d_model * sizes.vocab_size


def one_token(tokenizer, text: str) -> int:
    """Return the id of a text that is a single token.

    A word often has its own token only with the space before it, so that is tried too.

    Args:
        tokenizer: any tokenizer of the kit.
        text: such as " Paris" or "Paris".

    Returns:
        The id.

    Raises:
        ValueError: it is none or several tokens.
    """
    for attempt in (text, " " + text):
        ids = tokenizer.encode(attempt)
        special = {getattr(tokenizer, f"{n}_id", None) for n in ("bos", "cls", "sep")}
        ids = [i for i in ids if i not in special]
        if len(ids) == 1:
            return ids[0]
    raise ValueError(
        f"{text!r} must be a single token to be watched; it is {len(ids)}: "
        f"{[tokenizer.decode([i]) for i in ids]}"
    )


def read_streams(model, ids: Sequence[int]) -> tuple[list[str], list[Tensor]]:
    """Run the model and keep the stream after each attention and each MLP.

    Args:
        model: a decoder of the kit, or a `BERT`.
        ids: T token ids.

    Returns:
        R names and R streams, (T, D) each.
    """
    ids = torch.tensor([list(ids)], device=next(model.parameters()).device)
    middles: list[Tensor] = []
    with running(model), torch.inference_mode(), ExitStack() as hooks:
        for block in model.blocks:
            if block.norm_first:  # what norm2 reads is the stream after attention
                hook = block.norm2.register_forward_pre_hook(
                    lambda _module, inputs: middles.append(inputs[0])
                )
            else:  # with the norm last, norm1 writes it
                hook = block.norm1.register_forward_hook(
                    lambda _module, _inputs, output: middles.append(output)
                )
            hooks.callback(hook.remove)
        states = model(ids, output_hidden_states=True).hidden_states
    rows, streams = ["embedding"], [states[0][0]]
    for layer, (middle, after) in enumerate(zip(middles, states[1:], strict=True)):
        rows += [f"{layer} attention", f"{layer} MLP"]
        streams += [middle[0], after[0]]
    return rows, streams


def _read_out(model, x: Tensor) -> Tensor:
    """Give a stream, (..., D), to the model's own output layer: (..., V)."""
    if isinstance(model, BERT):
        return model.mlm_head(x)
    return model.lm_head(model.final_norm(x))
