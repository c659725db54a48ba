"""Run any model once and keep everything worth looking at.

The same call takes a model of the kit and one of `transformers`, and gives the same
`Trace`. Home notebook: 04_multi_head_attention.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from llmkit.checks import check_type
from llmkit.models import BERT, DECODERS, ModelOutput, Seq2Seq
from llmkit.tokenizers import Tokenizer, as_tokenizer
from llmkit.trace.foreign import run_foreign
from llmkit.trace.hooks import as_parts, listen, listen_across, stack
from llmkit.trace.record import Parts, Trace
from llmkit.trace.running import running
from llmkit.trace.tokens import TokenLists, read_tokens


def capture(
    model: nn.Module,
    tokenizer,
    text: str,
    pair: str | None = None,
    target: str | None = None,
    parts: bool = False,
) -> Trace:
    """Run a model on a text and return what it computed.

    The model is as before afterwards: mode, hooks and attention implementation. It may
    be called from several threads; one lock per model lets one run in at a time.

    Args:
        model: any model of the kit, or a PyTorch model of `transformers`.
        tokenizer: its tokenizer, of either kind.
        text: what it reads.
        pair: a second text, for models that read pairs.
        target: what an encoder-decoder writes; needed there, and only there.
        parts: whether to keep queries, keys, values, what each head and each MLP
            says, and the stream between them, as `trace.parts`.

    Returns:
        The `Trace`: float32 on the CPU, without the batch axis.

    Raises:
        ValueError: the text gives no token or too many, or a target is missing.
        RuntimeError: the model ran, but handed out no attention weights.
    """
    check_type("model", model, nn.Module)
    check_type("text", text, str)
    tokenizer = as_tokenizer(tokenizer)
    ours = isinstance(model, (*DECODERS, BERT, Seq2Seq))
    if not ours and not hasattr(getattr(model, "config", None), "model_type"):
        raise TypeError(
            "model must be one of llmkit, such as a GPT or BERT, or a model of "
            f"transformers; got {type(model).__name__}"
        )
    read = read_tokens(tokenizer, text, pair)
    two_sided = isinstance(model, Seq2Seq) or (
        not ours and bool(getattr(model.config, "is_encoder_decoder", False))
    )
    _check_target(model, target, two_sided)
    written = None
    if two_sided:
        written = _shifted(tokenizer, read_tokens(tokenizer, target, None), model)
    run = _run if ours else run_foreign
    with running(model):
        output, found, across, inside = run(model, read, written, parts)
    name = type(model).__name__
    if two_sided:
        encoder = _trace("encoder", name, text, pair, read, output, inside, "encoder_")
        return _trace(
            "encoder-decoder", name, target, None, written, output, found, "",
            encoder=encoder, cross_parts=across,
        )  # fmt: skip
    kind = "encoder" if isinstance(model, BERT) else "decoder"
    if not ours:
        kind = "decoder" if _looks_back_only(output.attentions, model) else "encoder"
    # the kit's name, or that of transformers; None where heads share nothing
    n_kv_heads = getattr(model.config, "n_kv_heads", None) or getattr(
        model.config, "num_key_value_heads", None
    )
    return _trace(kind, name, text, pair, read, output, found, "", n_kv_heads)


def _run(
    model: nn.Module, read: TokenLists, written: TokenLists | None, parts: bool
) -> tuple[ModelOutput, Parts | None, Parts | None, Parts | None]:
    """Run a model of the kit; return its output, and parts of up to three stacks."""
    device = next(model.parameters()).device
    inputs = {"ids": torch.tensor([read.ids], device=device)}
    if written is not None:
        inputs["decoder_ids"] = torch.tensor([written.ids], device=device)
    if isinstance(model, BERT) and model.config.n_segments > 1:
        inputs["segment_ids"] = torch.tensor([read.type_ids], device=device)
    with ExitStack() as hooks:

        def hear(blocks, listener: Callable = listen) -> list:
            heard = [listener(block) for block in blocks] if parts else []
            for one in heard:
                hooks.callback(one.stop)
            return heard

        if written is None:
            own, across, inside = hear(model.blocks), [], []
        else:
            own = hear(model.decoder_blocks)
            across = hear(model.decoder_blocks, listen_across)
            inside = hear(model.encoder_blocks)
        output = model(**inputs, output_attentions=True, output_hidden_states=True)
    return output, *(
        as_parts([h.tensors for h in heard]) if heard else None
        for heard in (own, across, inside)
    )


def _trace(
    kind: str,
    name: str,
    text: str,
    pair: str | None,
    tokens: TokenLists,
    output,
    parts: Parts | None,
    prefix: str,
    n_kv_heads: int | None = None,
    encoder: Trace | None = None,
    cross_parts: Parts | None = None,
) -> Trace:
    def field(name: str) -> Tensor | None:
        return getattr(output, prefix + name, None)

    def alone(name: str) -> Tensor | None:
        value = None if prefix else getattr(output, name, None)
        return None if value is None else stack([value])[0]

    weights, states = field("attentions"), field("hidden_states")
    for label, layers in (("attention weights", weights), ("hidden states", states)):
        if not layers or any(layer is None for layer in layers):
            raise RuntimeError(
                f"{name} handed out no {label}. A transformers model must allow "
                'attn_implementation="eager"; without it the weights are never made'
            )
    attentions = stack(weights)
    across = None if prefix else getattr(output, "cross_attentions", None)
    n_heads = attentions.shape[1]
    group = n_heads // (n_kv_heads or n_heads)
    return Trace(
        kind=kind,
        model_name=name,
        text=text,
        pair=pair,
        tokens=tokens.tokens,
        ids=tokens.ids,
        token_bytes=tokens.token_bytes,
        offsets=tokens.offsets,
        special=tokens.special,
        words=tokens.words,
        segments=tokens.segments,
        attentions=attentions,
        hidden_states=stack(states),
        last_hidden_state=stack([field("last_hidden_state")])[0],
        kv_heads=tuple(h // group for h in range(n_heads)),
        logits=alone("logits"),
        pooled=alone("pooled"),
        nsp_logits=alone("nsp_logits"),
        cross_attentions=stack(across) if across else None,
        encoder=encoder,
        parts=parts,
        cross_parts=cross_parts,
    )


def _check_target(model: nn.Module, target: str | None, two_sided: bool) -> None:
    if two_sided and target is None:
        raise ValueError(
            f"{type(model).__name__} reads one text and writes another: give both, "
            'as in capture(model, tokenizer, "A fox.", target="Un renard.")'
        )
    if not two_sided and target is not None:
        raise ValueError(
            f"{type(model).__name__} has no decoder that looks at another text: leave "
            "target out, or use pair for a second text"
        )


def _shifted(tokenizer: Tokenizer, tokens: TokenLists, model: nn.Module) -> TokenLists:
    """Put the start token in front, and leave out the end, as while training."""
    first = getattr(model.config, "decoder_start_token_id", None)
    if first is None:
        # BART starts with the end token, Marian with padding
        marian = getattr(model.config, "positions", "") == "sinusoidal"
        order = (tokenizer.pad_id,) if marian else (tokenizer.eos_id, tokenizer.bos_id)
        first = next((i for i in (*order, tokenizer.pad_id) if i is not None), None)
    if first is None:
        raise ValueError(
            "the decoder needs a token to start with, and this tokenizer has no "
            "padding, first or last token; train it with special tokens"
        )
    end = -1 if tokens.special[-1] and len(tokens.ids) > 1 else None
    start = TokenLists(
        ids=[first],
        tokens=[tokenizer.id_to_token(first)],
        token_bytes=[tokenizer.id_to_token(first).encode()],
        offsets=[(0, 0)],
        special=[True],
        words=[None],
        segments=[None],
        type_ids=[0],
    )
    return TokenLists(
        **{
            name: getattr(start, name) + getattr(tokens, name)[:end]
            for name in TokenLists.__dataclass_fields__
        }
    )


def _looks_back_only(attentions, model: nn.Module) -> bool:
    """Tell a decoder by what it does; a single token shows nothing, so by its name."""
    if attentions and attentions[0].shape[-1] > 1:
        return not any(bool(layer.triu(1).any()) for layer in attentions)
    return type(model).__name__.endswith(("CausalLM", "LMHeadModel"))
