"""What one run of a model leaves behind: plain data, without the model.

Home notebook: 04_multi_head_attention.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Parts:
    """What happens inside L layers of H heads, on T tokens; shared heads repeated.

    `q` and `k` are what the dot product meets. Where a model turns them by position,
    `q_before` and `k_before` are the same before the turn; elsewhere they are equal.
    A part that a `transformers` model does not show by itself is None.
    """

    q: Tensor  # (L, H, T, Dh)
    k: Tensor  # (L, H, S, Dh)
    v: Tensor  # (L, H, S, Dh)
    head_outputs: Tensor  # (L, H, T, Dh), the mixed values of each head
    q_before: Tensor | None = None  # (L, H, T, Dh)
    k_before: Tensor | None = None  # (L, H, S, Dh)
    attention_outputs: Tensor | None = None  # (L, T, D), what attention wrote
    mlp_outputs: Tensor | None = None  # (L, T, D), what the MLP wrote
    mid_states: Tensor | None = None  # (L, T, D), the stream between the two


@dataclass(frozen=True, eq=False)
class Trace:
    """Tokens, attention weights, residual stream and scores of one run, float32, CPU.

    For an encoder-decoder all fields are the decoder's; `encoder` holds a `Trace` of
    its own, and `cross_attentions` lead from the one to the other.
    """

    kind: str  # "encoder", "decoder" or "encoder-decoder"
    model_name: str
    text: str
    pair: str | None
    tokens: list[str]  # labels in which nothing is invisible
    ids: list[int]
    token_bytes: list[bytes]  # exactly what each token stands for
    offsets: list[tuple[int, int]]  # characters of text or pair; (0, 0) if added
    special: list[bool]  # put there by the tokenizer, not by the text
    words: list[int | None]  # which word a token belongs to, counted in its text
    segments: list[int | None]  # 0: from text, 1: from pair, None: added
    attentions: Tensor  # (L, H, T, T)
    hidden_states: Tensor  # (L + 1, T, D); the last one before any final norm
    last_hidden_state: Tensor  # (T, D), after the final norm, if there is one
    kv_heads: tuple[int, ...]  # for each of the H heads, which key/value head it uses
    logits: Tensor | None = None  # (T, V)
    pooled: Tensor | None = None  # (D,)
    nsp_logits: Tensor | None = None  # (2,)
    cross_attentions: Tensor | None = None  # (L, H, T, S)
    encoder: Trace | None = None
    parts: Parts | None = None
    cross_parts: Parts | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        size = f"{len(self)} tokens, {self.n_layers} layers of {self.n_heads} heads"
        if self.encoder is not None:
            size += f"; encoder: {self.encoder!r}"
        return f"Trace({self.model_name}, {self.kind}: {size})"

    @property
    def n_layers(self) -> int:
        """L."""
        return self.attentions.shape[0]

    @property
    def n_heads(self) -> int:
        """H."""
        return self.attentions.shape[1]

    @property
    def causal(self) -> bool:
        """Whether no token sees a later one."""
        return self.kind != "encoder"

    def attention(self, layer: int, head: int) -> Tensor:
        """Return one head's weights.

        Args:
            layer: 0 to L - 1; negative numbers count from the end.
            head: 0 to H - 1; negative numbers count from the end.

        Returns:
            (T, T); row: who looks, column: who is looked at.

        Raises:
            ValueError: there is no such layer or head.
        """
        for name, value, size in (
            ("layer", layer, self.n_layers),
            ("head", head, self.n_heads),
        ):
            if not -size <= value < size:
                raise ValueError(
                    f"{name} must lie between 0 and {size - 1}; got {value}"
                )
        return self.attentions[layer, head]

    def numpy(self, field: str) -> np.ndarray:
        """Return a field as a NumPy array.

        Args:
            field: a name such as "attentions", or "parts.q".

        Returns:
            float32, in the field's own memory.

        Raises:
            ValueError: there is no such field, or it was not recorded.
        """
        value = self
        for name in field.split("."):
            if name not in {f.name for f in fields(value)}:
                known = [
                    f.name
                    for f in fields(value)
                    if torch.is_tensor(getattr(value, f.name))
                ]
                raise ValueError(
                    f"field must be one of {', '.join(known)}; got {field!r}"
                )
            value = getattr(value, name)
            if value is None:
                raise ValueError(f"this run left no {field}: {self._why_no(field)}")
        return value.numpy()

    def _why_no(self, field: str) -> str:
        if "parts" in field:
            return "capture with parts=True"
        if field == "logits" and self.kind == "encoder":
            return (
                f"this {self.model_name} has no masked-word head (MiniLM has none). "
                'One that has: load_encoder("google-bert/bert-base-uncased")'
            )
        return f"{self.model_name} does not compute it"
