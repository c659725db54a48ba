"""Ask any model the same question: ours, one of `transformers`, or a bare module.

Home notebook: 11_evaluation.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from llmkit.checks import check_type

# fields with one vector or number for each position, then with one for each text
_PER_POSITION = (
    "logits",
    "last_hidden_state",
    "prediction_logits",
    "start_logits",
    "end_logits",
)
_PER_TEXT = ("pooled", "pooler_output", "nsp_logits", "seq_relationship_logits")
_SPECIAL = ("pad", "bos", "eos", "sep", "cls", "decoder_start")


class Asker:
    """Runs a model on ids and returns what it says about each position.

    Args:
        model: takes `ids` (the kit's), `input_ids` (`transformers`), or ids as its
            only argument; an encoder–decoder also takes the decoder's ids.
        vocab_size: V; None: read from its config or its token table.
    """

    def __init__(self, model: nn.Module, vocab_size: int | None = None):
        check_type("model", model, nn.Module)
        self.model = model
        self.takes = set(inspect.signature(model.forward).parameters)
        # a wrapper that hides its arguments shows those of what it wraps
        self.two_sided = bool({"decoder_ids", "decoder_input_ids"} & self.takes) and (
            getattr(getattr(model, "config", None), "is_encoder_decoder", True)
        )
        self.config = getattr(model, "config", None)
        self.vocab_size = vocab_size or self._vocab_size()
        first = next(model.parameters(), torch.empty(0))
        self.device = first.device
        self.dtype = first.dtype

    def _vocab_size(self) -> int:
        size = getattr(self.config, "vocab_size", None)
        if isinstance(size, int):
            return size
        for module in self.model.modules():
            if isinstance(module, nn.Embedding):
                return module.num_embeddings
        raise ValueError(
            "the model does not tell how many tokens it knows; give vocab_size=…"
        )

    @property
    def room(self) -> int:
        """How many positions the model has; a large number if it does not tell."""
        for name in ("context_length", "max_position_embeddings", "n_positions"):
            size = getattr(self.config, name, None)
            if isinstance(size, int):
                return size
        return 1 << 30

    @property
    def pad_id(self) -> int:
        """The token that fills up a text."""
        given = getattr(self.config, "pad_token_id", None)
        return given if isinstance(given, int) else 0

    def plain_ids(self) -> Tensor:
        """Return the ids of tokens without a special meaning, (N,)."""
        named = {getattr(self.config, f"{n}_token_id", None) for n in _SPECIAL}
        special = {i for i in named if isinstance(i, int)}
        if self.vocab_size - len(special) < 2:
            special = set()
        return torch.tensor([i for i in range(self.vocab_size) if i not in special])

    def draw(self, rows: int, length: int, generator: torch.Generator) -> Tensor:
        """Draw a random text, int64, (rows, length)."""
        plain = self.plain_ids()
        return plain[torch.randint(len(plain), (rows, length), generator=generator)]

    def others(self, ids: Tensor, generator: torch.Generator) -> Tensor:
        """Draw for each token a different one, of the same shape."""
        plain = self.plain_ids()
        table = torch.full((self.vocab_size,), 0)
        table[plain] = torch.arange(len(plain))
        step = torch.randint(1, len(plain), ids.shape, generator=generator)
        return plain[(table[ids] + step) % len(plain)]

    def ask(
        self, ids: Tensor, mask: Tensor | None = None, source: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Run the model once.

        Args:
            ids: int64, (B, T); of an encoder–decoder, what the decoder reads.
            mask: bool, (B, T), True at real tokens, or None; with a source, (B, S).
            source: int64, (B, S), what the encoder reads.

        Returns:
            By name, what it says: (B, T, …) for each position, (B, N) for each text.
        """
        given = {}
        if self.two_sided:
            ours = "decoder_ids" in self.takes
            given["ids" if ours else "input_ids"] = source
            given["decoder_ids" if ours else "decoder_input_ids"] = ids
        elif "input_ids" in self.takes:
            given["input_ids"] = ids
        elif "ids" in self.takes:
            given["ids"] = ids
        if mask is not None and "attention_mask" in self.takes:
            ours = "ids" in given
            given["attention_mask"] = mask if ours else mask.long()
            if "position_ids" in self.takes and not self.two_sided:
                # as `generate` numbers them: padding on the left takes no place
                places = (mask.long().cumsum(1) - 1).clamp(min=0)
                given["position_ids"] = places
                if self._counts_positions():
                    del given["position_ids"]
        given = {k: v.to(self.device) for k, v in given.items()}
        out = self.model(**given) if given else self.model(ids.to(self.device))
        return dict(_answers(out, ids.shape[1]))

    def _counts_positions(self) -> bool:
        """Tell whether the model itself numbers the tokens that are no padding."""
        # RoBERTa and its relatives begin after the padding's own row
        return getattr(self.config, "model_type", "") in (
            "roberta",
            "xlm-roberta",
            "camembert",
            "longformer",
            "mpnet",
        )


def _answers(out, length: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(out, Tensor):
        out = {"logits": out}
    elif isinstance(out, (tuple, list)):
        out = {f"output {i}": part for i, part in enumerate(out)}
    elif not hasattr(out, "items"):
        out = vars(out)
    for name, value in out.items():
        if not isinstance(value, Tensor) or not value.is_floating_point():
            continue
        known = name in _PER_POSITION + _PER_TEXT or name.startswith("output")
        if known and value.dim() >= 2:
            yield name, value


def per_position(name: str, answer: Tensor, length: int) -> bool:
    """Tell whether an answer has one row for each position."""
    if name in _PER_TEXT or answer.shape[1] != length:
        return False
    return answer.dim() > 2 or name in ("start_logits", "end_logits")


@contextmanager
def token_vectors(model: nn.Module, ids: Tensor) -> Iterator[list[Tensor]]:
    """Catch the vectors of the tokens, so that gradients can be asked for.

    Args:
        model: looks its tokens up in an `nn.Embedding`.
        ids: int64, (B, T), what it will read.

    Yields:
        A list that holds the vectors, (B, T, D), after the model has run; it stays
        empty if the model looks nothing up.
    """
    caught: list[Tensor] = []

    def catch(module, given, vectors):
        looked_up = given[0] if given else None
        if caught or not isinstance(looked_up, Tensor):
            return None
        if not torch.equal(looked_up.cpu(), ids.cpu()):
            return None
        caught.append(vectors.detach().requires_grad_())
        return caught[0]

    tables = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    hooks = [table.register_forward_hook(catch) for table in tables]
    try:
        yield caught
    finally:
        for hook in hooks:
            hook.remove()
