"""What if a head looked elsewhere? Change it, and watch the whole model follow.

Home notebook: 03_attention.
"""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmkit.checks import check_positive, check_type
from llmkit.explore.given import own_model, weights_version
from llmkit.models import DECODERS
from llmkit.tokenizers import as_tokenizer
from llmkit.trace.interventions import (
    AttentionChange,
    attention_layers,
    changed_attention,
)
from llmkit.trace.qkv import recorded_qkv
from llmkit.trace.running import running
from llmkit.trace.tokens import TokenLists, read_tokens, token_label
from llmkit.viz.what_if import WhatIf, changed_mask, numbers

_SHOWN = 6  # next tokens


def what_if(
    model: nn.Module,
    tokenizer,
    text: str,
    layer: int = 0,
    head: int = 0,
    longest: int = 24,
    **traits,
) -> WhatIf:
    """Show one head of a model, to be changed by hand.

    Args:
        model: a decoder of the kit, a `BERT`, or a model of `transformers` of such
            a family.
        tokenizer: its tokenizer.
        text: the sentence to begin with; the reader may edit it.
        layer: the layer to begin with.
        head: the head to begin with.
        longest: the most tokens that are shown; longer texts are cut.
        **traits: a state to begin with, such as `temperature=2.0`.

    Returns:
        The view. `view.weights()` and `view.output()` are what it shows.

    Raises:
        ValueError: there is no such layer or head, or the text has no token.
    """
    check_type("text", text, str)
    check_positive("longest", longest)
    talk = Conversation(own_model(model), as_tokenizer(tokenizer), text, longest)
    layers = attention_layers(talk.model)
    for name, value, size in (
        ("layer", layer, len(layers)),
        ("head", head, layers[0].n_heads),
    ):
        if not 0 <= value < size:
            raise ValueError(f"{name} must lie between 0 and {size - 1}; got {value}")
    return WhatIf(
        **{"divisor": math.sqrt(layers[0].d_head)} | traits,
        answer=talk.answer,
        text=text,
        layer=layer,
        head=head,
        n_layers=len(layers),
        n_heads=layers[0].n_heads,
    )


class Run:
    """One pass over one sentence, changed or not."""

    def __init__(self, tokens: TokenLists, qkv: list[dict], states, logits, cut: bool):
        self.tokens, self.qkv, self.states, self.logits = tokens, qkv, states, logits
        self.cut = cut  # whether the text went on

    def one_head(self, layer: int, head: int) -> tuple[Tensor, ...]:
        """Return q, k, v and mask of a head: (T, Dh), (T, Dh), (T, Dh), (T, T)."""
        record, size = self.qkv[layer], len(self.tokens.ids)
        mask = torch.ones(size, size, dtype=torch.bool)
        if record["mask"] is not None:
            mask = mask & record["mask"].reshape(-1, size, size)[0]
        q, k, v = (record[name][0, head] for name in "qkv")
        return q, k, v, mask

    def loss(self) -> float:
        """Return the mean surprise at each next token, in nats."""
        targets = torch.tensor(self.tokens.ids[1:])
        return float(F.cross_entropy(self.logits[:-1], targets))


class Conversation:
    """A model and the sentence that everything is compared with."""

    def __init__(self, model: nn.Module, tokenizer, text: str, longest: int):
        self.model, self.tokenizer, self.longest = model, tokenizer, longest
        self.decoder = isinstance(model, DECODERS)
        self._known: tuple[str, int, Run] | None = None
        self.text = text

    def answer(self, state: dict) -> dict:
        """Run the model with the reader's changes and say what came of them."""
        reset = {}
        if state["text"] != self.text:  # other tokens: old cells mean nothing here
            self.text = state["text"]
            reset = {"hidden": [], "swap": []}
            state = state | reset
        words = self.text.split()
        if not words:
            return reset | {"note": "Type a sentence of at least one word."}
        base = self.run(self.text)
        text, order = swapped(self.text, state["swap"]), None
        if text != self.text:
            order = matching(base.tokens, read_tokens(self.tokenizer, text, None))
            if order is None:  # other pieces: compare with the swapped sentence itself
                base = self.run(text)
        mask = base.one_head(0, 0)[3]
        now = self.run(text, self._changes(state, mask))
        head = (state["layer"], state["head"])
        order = range(len(now.tokens.ids)) if order is None else order
        return reset | {
            "tokens": now.tokens.tokens,
            "words": words,
            "note": self._note(base, text),
            "outcome": self._outcome(base, now, list(order)),
            **numbers(now.one_head(*head), _turned(base.one_head(*head), list(order))),
        }

    def run(self, text: str, changes: tuple[AttentionChange, ...] = ()) -> Run:
        """Run the model on a text; an unchanged run of the same text is kept."""
        version = weights_version(self.model)
        if not changes and self._known and self._known[:2] == (text, version):
            return self._known[2]
        tokens = read_tokens(self.tokenizer, text, None)
        ids = torch.tensor([tokens.ids[: self.longest]])
        cut = len(tokens.ids) > self.longest
        if cut:
            tokens = _first(tokens, self.longest)
        device = next(self.model.parameters()).device
        # the recorder comes before the change, so that it sees the queries as they were
        with (
            running(self.model),
            recorded_qkv(self.model) as qkv,
            changed_attention(self.model, *changes),
        ):
            output = self.model(ids.to(device))
        logits = output.logits[0].float().cpu() if self.decoder else None
        states = output.last_hidden_state[0].float().cpu()
        run = Run(tokens, _cpu(qkv), states, logits, cut)
        if not changes:
            self._known = (text, version, run)
        return run

    def _changes(self, state: dict, mask: Tensor) -> tuple[AttentionChange, ...]:
        """Translate the reader's choices; an empty tuple means none."""
        layers = None if state["scope"] == "all" else (state["layer"],)
        heads = (state["head"],) if state["scope"] == "head" else None
        scale = math.sqrt(attention_layers(self.model)[0].d_head) / state["divisor"]
        allowed = changed_mask(mask.numpy(), state["mask"], state["hidden"])
        cells = (mask & ~torch.from_numpy(allowed)).nonzero().tolist()
        change = AttentionChange(
            layers=layers,
            heads=heads,
            hidden=tuple((i, j) for i, j in cells),
            scale=1.0 if abs(scale - 1) < 1e-9 else scale,
            temperature=state["temperature"],
        )
        drop = AttentionChange(layers=(state["layer"],), silent=(state["head"],))
        nothing = not cells and change.scale == change.temperature == 1
        return (() if nothing else (change,)) + ((drop,) if state["silent"] else ())

    def _outcome(self, base: Run, now: Run, order: list[int]) -> dict:
        old, new = base.states[order], now.states
        outcome = {"final": [round(x, 5) for x in _cosines(old, new)]}
        if not self.decoder:
            means = (base.states.mean(0, keepdim=True), new.mean(0, keepdim=True))
            return outcome | {"vector": _cosines(*means)[0]}
        before, after = (run.logits[-1].softmax(-1) for run in (base, now))
        top = torch.maximum(before, after).topk(min(_SHOWN, len(before))).indices
        outcome["next"] = [
            [token_label(self.tokenizer, i), float(before[i]), float(after[i])]
            for i in top.tolist()
        ]
        if len(now.tokens.ids) > 1:
            outcome["loss"] = [base.loss(), now.loss()]
        return outcome

    def _note(self, base: Run, text: str) -> str:
        if base.cut:
            return f"Only the first {self.longest} tokens are read."
        if text != self.text and self._known and self._known[0] == text:
            return (
                "Swapped, the words fall into other tokens, so “before” means the "
                "swapped sentence without any other change."
            )
        return ""


def swapped(text: str, pair) -> str:
    """Exchange two words of a text; everything between the words stays.

    Args:
        text: any text.
        pair: two numbers of words, counted from 0, or an empty list.

    Returns:
        The text with the two words exchanged.
    """
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    if len(pair) != 2 or pair[0] == pair[1] or max(pair) >= len(spans):
        return text
    (a, b), (c, d) = (spans[i] for i in sorted(pair))
    return text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]


def matching(before: TokenLists, after: TokenLists) -> list[int] | None:
    """Find each token of a reordered text in the text before.

    Args:
        before: the tokens of the text as it was.
        after: those of the same words in another order.

    Returns:
        For each token its place before, or None if the pieces are not the same. Equal
        tokens keep their order.
    """
    free: dict[int, list[int]] = {}
    for place, i in enumerate(before.ids):
        free.setdefault(i, []).append(place)
    if sorted(before.ids) != sorted(after.ids):
        return None
    # a token that stayed where it was is matched with itself, the others in order
    order = [p if p in free[i] else None for p, i in enumerate(after.ids)]
    for place in order:
        if place is not None:
            free[after.ids[place]].remove(place)
    return [
        free[after.ids[p]].pop(0) if place is None else place
        for p, place in enumerate(order)
    ]


def _turned(parts: tuple[Tensor, ...], order: list[int]) -> tuple[Tensor, ...]:
    """Bring the tokens of the sentence before into the order of now."""
    q, k, v, mask = parts
    return q[order], k[order], v[order], mask[order][:, order]


def _cosines(old: Tensor, new: Tensor) -> list[float]:
    return F.cosine_similarity(old.double(), new.double(), dim=-1).tolist()


def _first(tokens: TokenLists, length: int) -> TokenLists:
    return TokenLists(**{name: value[:length] for name, value in vars(tokens).items()})


def _cpu(records: list[dict]) -> list[dict]:
    return [
        {name: x if x is None else x.cpu() for name, x in record.items()}
        for record in records
    ]
