"""Find the layers of any model of `transformers`, and sort what they say.

Families name their parts differently. What cannot be found, or does not add up, is left
out rather than guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from llmkit.nn import repeat_kv
from llmkit.trace.hooks import as_parts
from llmkit.trace.record import Parts

# where attention and MLP write, and the norm between them, in the usual families
_ATTENTION = ("attention.output.dense", "self_attn", "attn", "attention")
_MLP = ("mlp", "ffn", "output.dense", "fc2")
_MID_NORM = ("attention.output.LayerNorm", "sa_layer_norm", "self_attn_layer_norm")
_CROSS = ("cross", "encoder_attn", "EncDecAttention")
_LAYER = ("self_attn", "attn", "attention")


@dataclass
class Look:
    """One call of an attention layer; batch axis included."""

    module: nn.Module
    q: Tensor  # (B, H, T, Dh)
    k: Tensor  # (B, H, S, Dh), shared heads repeated
    v: Tensor  # (B, H, S, Dh), shared heads repeated
    mixed: Tensor  # (B, H, T, Dh)


@dataclass
class Stack:
    """The layers of one side of a model, and what they say."""

    layers: list[nn.Module]
    said: list[dict[str, Tensor]] = field(default_factory=list)

    def listen(self, on_leaving: Callable) -> None:
        """Attach hooks.

        Args:
            on_leaving: takes what is to be called to get them off again.
        """
        self.said = [{} for _ in self.layers]
        for layer, said in zip(self.layers, self.said, strict=True):
            attention = _first_part(layer, _LAYER)
            for name, part in (
                ("after", layer),
                ("attention_outputs", _first_part(layer, _ATTENTION)),
                ("mlp_outputs", _first_part(layer, _MLP)),
                ("normed", _first_part(layer, _MID_NORM)),
                ("q_before", _first_part(attention, ("q_norm", "q_proj"))),
                ("k_before", _first_part(attention, ("k_norm", "k_proj"))),
            ):
                if part is not None:
                    on_leaving(part.register_forward_hook(_keeper(said, name)).remove)

    def stream(self, states: tuple[Tensor, ...] | None) -> tuple[Tensor, ...] | None:
        """Replace the last state, which many models give after the final norm.

        Args:
            states: L + 1 of (B, T, D), as the model hands them out.

        Returns:
            The same with the last layer's own output at the end.
        """
        after = self.said[-1].get("after")
        fits = states and after is not None and after.shape == states[-1].shape
        return (*states[:-1], after) if fits and self._is_whole(states) else states

    def parts(
        self, looks: list[Look], states: tuple[Tensor, ...], turned: bool
    ) -> Parts | None:
        """Put together what the layers and their attention said.

        Args:
            looks: the calls of the self-attention, first layer first.
            states: L + 1 of (B, T, D).
            turned: whether the model has rotary positions.

        Returns:
            The `Parts`, or None if no attention was heard.
        """
        # a layer that is used several times has said only its last words
        whole = self._is_whole(states) and len(looks) == len(self.layers)
        heard = self.said if whole else [{} for _ in looks]
        layers = []
        for number, look in enumerate(looks):
            out = _from_look(look)
            said = heard[number]
            if turned:
                out |= {n: _as_heads(said.get(n), look) for n in _BEFORE}
            for name in ("attention_outputs", "mlp_outputs"):
                if name in said and said[name].shape == states[0].shape:
                    out[name] = said[name]
            if whole:
                out["mid_states"] = _middle(said, out, *states[number : number + 2])
            layers.append({n: x for n, x in out.items() if x is not None})
        return as_parts(layers) if layers else None

    def _is_whole(self, states) -> bool:
        return states is not None and len(self.layers) == len(states) - 1


_BEFORE = ("q_before", "k_before")


def find_stacks(model: nn.Module, two_sided: bool) -> list[Stack]:
    """Find the lists of layers with attention.

    Args:
        model: of `transformers`.
        two_sided: whether it has an encoder and a decoder.

    Returns:
        The (decoder's) layers, then the encoder's if there is one.

    Raises:
        RuntimeError: there is no such list.
    """
    lists = [
        (name, list(module))
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
        and len(module)
        and any("att" in part.lower() for part, _ in module[0].named_modules())
    ]
    found = []
    for side in ("decoder", "encoder") if two_sided else ("",):
        mine = [layers for name, layers in lists if side in name.split(".") or not side]
        if not mine:
            raise RuntimeError(
                f"{type(model).__name__} has no list of layers with attention that "
                "capture could find"
            )
        # a list comes before the lists inside it
        found.append(Stack(mine[0]))
    return found


def sort_parts(
    model: nn.Module,
    log: list[Look],
    stacks: list[Stack],
    states: tuple[tuple[Tensor, ...] | None, ...],
) -> tuple[Parts | None, Parts | None, Parts | None]:
    """Sort what was logged into the stacks, first layer first.

    Args:
        model: what ran.
        log: all calls of attention layers, in order.
        stacks: from `find_stacks`.
        states: for each stack its hidden states, L + 1 of (B, T, D).

    Returns:
        Parts of the (decoder's) self-attention, of the cross-attention, and of the
        encoder's self-attention, each None where there is none.
    """
    owner = {
        id(module): (number, any(name in path for name in _CROSS))
        for number, one in enumerate(stacks)
        for layer in one.layers
        for path, module in layer.named_modules()
    }
    looks: dict[tuple[int, bool], list[Look]] = {}
    for look in log:
        looks.setdefault(owner.get(id(look.module), (0, False)), []).append(look)
    turned = any("rotary" in name for name, _ in model.named_modules())
    found = [
        one.parts(looks.get((number, False), []), states[number], turned)
        for number, one in enumerate(stacks)
    ]
    across = looks.get((0, True))
    return (
        found[0],
        as_parts([_from_look(look) for look in across]) if across else None,
        found[1] if len(found) > 1 else None,
    )


def _from_look(look: Look) -> dict[str, Tensor | None]:
    return {
        "q": look.q,
        "k": look.k,
        "v": look.v,
        "q_before": look.q,
        "k_before": look.k,
        "head_outputs": look.mixed,
    }


def _as_heads(x: Tensor | None, look: Look) -> Tensor | None:
    """Cut (B, T, Hkv * Dh) or (B, T, Hkv, Dh) into heads, shared ones repeated."""
    if x is None:
        return None
    batch, heads, length, width = look.q.shape
    return repeat_kv(x.reshape(batch, length, -1, width).transpose(1, 2), heads)


def _middle(said: dict, out: dict, before: Tensor, after: Tensor) -> Tensor | None:
    """Find the stream between attention and MLP by what adds up.

    Where the norm comes first, stream + attention + MLP is the next stream; where it
    comes after, the norm of the attention hands the middle on.
    """
    if "attention_outputs" in out and "mlp_outputs" in out:
        middle = before + out["attention_outputs"]
        if torch.allclose(middle + out["mlp_outputs"], after, atol=1e-4, rtol=1e-4):
            return middle
    return said.get("normed")


def _keeper(said: dict[str, Tensor], name: str) -> Callable:
    def keep(module, args, out):
        said[name] = out[0] if isinstance(out, tuple) else out

    return keep


def _first_part(layer: nn.Module | None, paths: tuple[str, ...]) -> nn.Module | None:
    for path in paths if layer is not None else ():
        try:
            return layer.get_submodule(path)
        except AttributeError:
            continue
    return None
