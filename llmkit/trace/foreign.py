"""Run a model of `transformers` so that nothing it computes stays hidden.

Outputs are read by their names, never by their place: which place holds what differs
between models and releases.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from llmkit.models.output import check_context, check_ids
from llmkit.nn import repeat_kv
from llmkit.trace.record import Parts
from llmkit.trace.stacks import Look, Stack, find_stacks, sort_parts
from llmkit.trace.tokens import TokenLists

OPEN = "llmkit_open"  # our attention, as transformers knows it while we listen


def run_foreign(
    model: nn.Module, read: TokenLists, written: TokenLists | None, parts: bool
) -> tuple[SimpleNamespace, Parts | None, Parts | None, Parts | None]:
    """Run the model with its weights in the open.

    Args:
        model: of `transformers`.
        read: the tokens of the text, or of the encoder's text.
        written: the tokens of the decoder's text, or None.
        parts: whether to listen inside the layers.

    Returns:
        The output with the kit's field names; parts of the (decoder's)
        self-attention, of the cross-attention and of the encoder, or None.
    """
    device = next(model.parameters()).device
    inputs = {"input_ids": torch.tensor([read.ids], device=device)}
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    if any(read.type_ids) and getattr(model.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = torch.tensor([read.type_ids], device=device)
    if written is not None:
        inputs["decoder_input_ids"] = torch.tensor([written.ids], device=device)
    stacks = find_stacks(model, written is not None)
    log: list[Look] = []
    with ExitStack() as on_leaving:
        on_leaving.enter_context(_attending(model, OPEN if parts else "eager"))
        if parts:
            on_leaving.enter_context(_logging(log))
        for one in stacks:
            one.listen(on_leaving.callback)
        try:
            out = model(
                **inputs,
                output_attentions=True,
                output_hidden_states=True,
                return_dict=True,
            )
        except IndexError:
            # a table has no row for an id or for a place: say which
            for name in ("input_ids", "decoder_input_ids"):
                if name in inputs:
                    _check_fits(model, inputs[name])
            raise
    output = _by_our_names(model, out, stacks, written is not None)
    if not parts:
        return output, None, None, None
    states = (output.hidden_states, getattr(output, "encoder_hidden_states", None))
    return output, *sort_parts(model, log, stacks, states)


def _check_fits(model: nn.Module, ids: Tensor) -> None:
    """Refuse ids, (1, T), that the model has no token for, or too many of them."""
    rows = getattr(model.get_input_embeddings(), "num_embeddings", None)
    if rows is not None:
        check_ids(ids, rows)
    room = getattr(model.config, "max_position_embeddings", None)
    if room is not None:
        check_context(ids.shape[1], room)


@contextmanager
def _attending(model: nn.Module, how: str) -> Iterator[None]:
    """Choose how a model attends, and put back what was there.

    Raises:
        RuntimeError: this model cannot be switched.
    """
    before = getattr(model.config, "_attn_implementation", None) or "eager"
    if before == how:
        yield
        return
    if not hasattr(model, "set_attn_implementation"):
        raise RuntimeError(
            f"{type(model).__name__} cannot switch its attention to {how!r}; load it "
            'with attn_implementation="eager"'
        )
    if how == OPEN:
        _register()
    model.set_attn_implementation(how)
    if model.config._attn_implementation != how:
        raise RuntimeError(
            f"{type(model).__name__} does not let its attention be switched; load it "
            'with attn_implementation="eager"'
            + (" and capture without parts" if how == OPEN else "")
        )
    try:
        yield
    finally:
        model.set_attn_implementation(before)


# each thread has its own, so that two models can be captured at the same time
_LOG: ContextVar[list[Look] | None] = ContextVar("log", default=None)


@contextmanager
def _logging(log: list[Look]) -> Iterator[None]:
    before = _LOG.set(log)
    try:
        yield
    finally:
        _LOG.reset(before)


def _open_attention(module, q, k, v, *args, **kwargs):
    """Attend as the model itself does in the open, and write down who looked.

    Some models cap their scores or add a sink, so the arithmetic is left to the
    function that `transformers` keeps for this model.

    Args:
        module: the attention layer that calls.
        q: (B, H, T, Dh).
        k: (B, Hkv, S, Dh).
        v: (B, Hkv, S, Dh).
        *args: the mask and whatever else the model passes on.
        **kwargs: the same.

    Returns:
        (B, T, H, Dh), and the weights, (B, H, T, S).
    """
    mixed, weights = _own_attention(module)(module, q, k, v, *args, **kwargs)
    log = _LOG.get()
    if log is not None:
        h = q.shape[1]
        k, v = repeat_kv(k, h), repeat_kv(v, h)
        log.append(Look(module, q, k, v, mixed.transpose(1, 2)))
    return mixed, weights


def _own_attention(module: nn.Module) -> Callable:
    for kind in type(module).__mro__:
        home = sys.modules.get(kind.__module__)
        if hasattr(home, "eager_attention_forward"):
            return home.eager_attention_forward
    raise RuntimeError(
        f"{type(module).__name__} has no attention of its own to listen to; capture "
        "without parts"
    )


def _register() -> None:
    from transformers import AttentionInterface
    from transformers.masking_utils import (
        ALL_MASK_ATTENTION_FUNCTIONS,
        AttentionMaskInterface,
    )

    AttentionInterface.register(OPEN, _open_attention)
    AttentionMaskInterface.register(OPEN, ALL_MASK_ATTENTION_FUNCTIONS["eager"])


def _by_our_names(
    model: nn.Module, out, stacks: list[Stack], two_sided: bool
) -> SimpleNamespace:
    def first(*names):
        values = (getattr(out, name, None) for name in names)
        return next((v for v in values if v is not None), None)

    side = "decoder_" if two_sided else ""
    states = first(f"{side}hidden_states")
    found = SimpleNamespace(
        logits=first("logits", "prediction_logits") if _has_vocabulary(out, model) else
        None,
        attentions=first(f"{side}attentions"),
        hidden_states=stacks[0].stream(states),
        last_hidden_state=first("last_hidden_state"),
        pooled=first("pooler_output"),
        nsp_logits=first("seq_relationship_logits"),
        cross_attentions=first("cross_attentions") if two_sided else None,
    )  # fmt: skip
    if found.last_hidden_state is None and states:
        found.last_hidden_state = states[-1]
    if two_sided:
        inner = first("encoder_hidden_states")
        found.encoder_attentions = first("encoder_attentions")
        found.encoder_hidden_states = stacks[1].stream(inner)
        found.encoder_last_hidden_state = first("encoder_last_hidden_state")
    return found


def _has_vocabulary(out, model: nn.Module) -> bool:
    logits = getattr(out, "logits", None)
    if logits is None:
        logits = getattr(out, "prediction_logits", None)
    return logits is not None and logits.dim() == 3
