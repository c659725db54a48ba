"""Run a model of `transformers` so that nothing it computes stays hidden.

Outputs are read by their names, never by their place: which place holds what differs
between models and releases.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from llmkit.nn import repeat_kv
from llmkit.trace.hooks import as_parts
from llmkit.trace.record import Parts
from llmkit.trace.tokens import TokenLists

OPEN = "llmkit_open"  # our attention, as transformers knows it while we listen
# where attention and MLP write, and the norm between them, in the usual families
_ATTENTION = ("attention.output.dense", "self_attn", "attn", "attention")
_MLP = ("mlp", "ffn", "output.dense", "fc2")
_MID_NORM = ("attention.output.LayerNorm", "sa_layer_norm", "self_attn_layer_norm")


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
    stacks = [Stack(*found) for found in _find_stacks(model, written is not None)]
    log: list[Look] = []
    with ExitStack() as on_leaving:
        on_leaving.enter_context(_attending(model, OPEN if parts else "eager"))
        if parts:
            on_leaving.enter_context(_logging(log))
        for one in stacks:
            one.listen(on_leaving.callback)
        out = model(
            **inputs,
            output_attentions=True,
            output_hidden_states=True,
            return_dict=True,
        )
    output = _by_our_names(model, out, stacks, written is not None)
    if not parts:
        return output, None, None, None
    return output, *_as_parts(model, log, stacks, output)


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
            'with attn_implementation="eager", and capture without parts'
        )
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@dataclass
class Look:
    """One call of an attention layer; batch axis included."""

    module: nn.Module
    q: Tensor
    k: Tensor
    v: Tensor
    mixed: Tensor


_LOGS: list[list[Look]] = []


@contextmanager
def _logging(log: list[Look]) -> Iterator[None]:
    _LOGS.append(log)
    try:
        yield
    finally:
        _LOGS.remove(log)


def _open_attention(module, q, k, v, attention_mask, scaling=None, **_):
    """Attend in the open, as `transformers` calls it, and write down who looked.

    Args:
        module: the attention layer that calls.
        q: (B, H, T, Dh).
        k: (B, Hkv, S, Dh).
        v: (B, Hkv, S, Dh).
        attention_mask: 0 or very negative, broadcastable to (B, H, T, S), or None.
        scaling: a factor for the scores; None: 1 / sqrt(Dh).

    Returns:
        (B, T, H, Dh), and the weights, (B, H, T, S).
    """
    k, v = repeat_kv(k, q.shape[1]), repeat_kv(v, q.shape[1])
    scores = q @ k.transpose(-2, -1) * (scaling or q.shape[-1] ** -0.5)
    if attention_mask is not None:
        scores = scores + attention_mask[..., : k.shape[-2]]
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(q.dtype)
    mixed = weights @ v
    for log in _LOGS:
        log.append(Look(module, q, k, v, mixed))
    return mixed.transpose(1, 2).contiguous(), weights


def _register() -> None:
    from transformers import AttentionInterface
    from transformers.masking_utils import (
        ALL_MASK_ATTENTION_FUNCTIONS,
        AttentionMaskInterface,
    )

    AttentionInterface.register(OPEN, _open_attention)
    AttentionMaskInterface.register(OPEN, ALL_MASK_ATTENTION_FUNCTIONS["eager"])


@dataclass
class Stack:
    """The layers of one side of a model, and what they say."""

    side: str  # "", "encoder" or "decoder"
    layers: list[nn.Module]
    said: list[dict[str, Tensor]] = field(default_factory=list)

    def listen(self, on_leaving) -> None:
        """Attach hooks, and see to it that they come off."""
        self.said = [{} for _ in self.layers]
        for layer, said in zip(self.layers, self.said, strict=True):
            for name, paths in (
                ("after", ("",)),
                ("attention_outputs", _ATTENTION),
                ("mlp_outputs", _MLP),
                ("normed", _MID_NORM),
            ):
                part = _first_part(layer, paths)
                if part is not None:
                    handle = part.register_forward_hook(_keeper(said, name))
                    on_leaving(handle.remove)
            for letter in "qk":
                attention = _first_part(layer, ("self_attn", "attn", "attention"))
                part = _first_part(attention, (f"{letter}_norm", f"{letter}_proj"))
                if part is not None:
                    handle = part.register_forward_hook(
                        _keeper(said, f"{letter}_before")
                    )
                    on_leaving(handle.remove)


def _keeper(said: dict[str, Tensor], name: str):
    def keep(module, args, out):
        said[name] = out[0] if isinstance(out, tuple) else out

    return keep


def _first_part(layer: nn.Module | None, paths: tuple[str, ...]) -> nn.Module | None:
    for path in paths:
        try:
            return layer.get_submodule(path)
        except AttributeError:
            continue
    return None


def _find_stacks(model: nn.Module, two_sided: bool) -> list[tuple[str, list]]:
    """Find the lists of layers: the longest list whose members hold an attention."""
    lists = [
        (name, list(module))
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
        and len(module)
        and any("att" in child for child, _ in module[0].named_children())
    ]
    sides = ("decoder", "encoder") if two_sided else ("",)
    found = []
    for side in sides:
        mine = [layers for name, layers in lists if side in name.split(".") or not side]
        if not mine:
            raise RuntimeError(
                f"{type(model).__name__} has no list of layers with attention that "
                "capture could find"
            )
        found.append((side, max(mine, key=len)))
    return found


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
        hidden_states=_stream(states, stacks[0]),
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
        found.encoder_hidden_states = _stream(inner, stacks[1])
        found.encoder_last_hidden_state = first("encoder_last_hidden_state")
    return found


def _stream(states, stack: Stack):
    """Replace the last state, which many models give after the final norm."""
    after = stack.said[-1].get("after")
    if not states or after is None or after.shape != states[-1].shape:
        return states
    return (*states[:-1], after)


def _has_vocabulary(out, model: nn.Module) -> bool:
    logits = getattr(out, "logits", None)
    if logits is None:
        logits = getattr(out, "prediction_logits", None)
    return logits is not None and logits.dim() == 3


def _as_parts(
    model: nn.Module, log: list[Look], stacks: list[Stack], output
) -> tuple[Parts | None, Parts | None, Parts | None]:
    """Sort what was logged into the stacks, first layer first."""
    owner = {
        id(module): (number, "cross" in path or "encoder_attn" in path)
        for number, one in enumerate(stacks)
        for layer in one.layers
        for path, module in layer.named_modules()
    }
    looks: dict[tuple[int, bool], list[Look]] = {}
    for look in log:
        looks.setdefault(owner.get(id(look.module), (0, False)), []).append(look)
    turned = any("rotary" in name for name, _ in model.named_modules())
    own, inside = [
        _stack_parts(looks.get((number, False)), one, states, turned)
        for number, (one, states) in enumerate(
            zip(stacks, _all_states(output), strict=False)
        )
    ] + [None] * (2 - len(stacks))
    across = _stack_parts(looks.get((0, True)), None, None, False)
    return own, across, inside


def _all_states(output):
    return output.hidden_states, getattr(output, "encoder_hidden_states", None)


def _stack_parts(
    looks: list[Look] | None, one: Stack | None, states, turned: bool
) -> Parts | None:
    if not looks:
        return None
    layers = []
    for number, look in enumerate(looks):
        said = {"q": look.q, "k": look.k, "v": look.v, "head_outputs": look.mixed}
        said |= {"q_before": look.q, "k_before": look.k}
        if one is not None:
            heard = one.said[number]
            if turned and "q_before" in heard:
                said["q_before"] = _as_heads(heard["q_before"], look.q)
                said["k_before"] = _as_heads(heard["k_before"], look.k)
            said |= {
                n: heard[n] for n in ("attention_outputs", "mlp_outputs") if n in heard
            }
            middle = _middle(heard, states[number], states[number + 1])
            if middle is not None:
                said["mid_states"] = middle
        layers.append(said)
    return as_parts(layers)


def _as_heads(x: Tensor, like: Tensor) -> Tensor:
    """Cut (B, T, Hkv * Dh) or (B, T, Hkv, Dh) into heads, shared ones repeated."""
    batch, heads, length, width = like.shape
    x = x.reshape(batch, length, -1, width).transpose(1, 2)
    return repeat_kv(x, heads)


def _middle(heard: dict[str, Tensor], before: Tensor, after: Tensor) -> Tensor | None:
    """Find the stream between attention and MLP by what adds up.

    Where the norm comes first, stream + attention + MLP is the next stream; where it
    comes after, the norm of the attention hands the middle on.
    """
    if "attention_outputs" in heard and "mlp_outputs" in heard:
        middle = before + heard["attention_outputs"]
        if torch.allclose(middle + heard["mlp_outputs"], after, atol=1e-4, rtol=1e-4):
            return middle
    return heard.get("normed")
