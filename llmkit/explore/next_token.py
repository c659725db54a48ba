"""What comes next: type, turn the knobs, click a token, roll the dice.

Home notebook: 09_decoding; met first in 00_tour.
"""

from __future__ import annotations

import math

import torch

from llmkit.checks import check_type
from llmkit.decoding import Sampling
from llmkit.explore.given import weights_version
from llmkit.tokenizers import as_tokenizer
from llmkit.trace.running import running
from llmkit.trace.tokens import token_label
from llmkit.viz.next_token import NextToken, Scores


def next_token(
    model, tokenizer, text: str = "", seed: int = 0, live: bool = True, **settings
) -> NextToken:
    """Show what a decoder says next, live.

    Args:
        model: a decoder of the kit, or a causal model of `transformers`.
        tokenizer: its tokenizer.
        text: the first text; with `live`, the reader can change it.
        seed: of the dice.
        live: whether the text can be changed.
        **settings: temperature, top_k, top_p, min_p, repetition_penalty.

    Returns:
        The widget. Read it back with `.text`, `.settings` and `.distribution`.
    """
    check_type("text", text, str)
    reader = Reader(model, tokenizer)
    scores = reader.ask(text)
    return NextToken(
        scores,
        vocab=reader.vocab(),
        filters=filtered,
        ask=reader.ask if live else None,
        settings=settings,
        seed=seed,
    )


class Reader:
    """Scores the next token of a text, reading again only what has changed.

    Args:
        model: a decoder of the kit, or a causal model of `transformers`.
        tokenizer: its tokenizer.
    """

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model, as_tokenizer(tokenizer)
        config = model.config
        self.room = getattr(config, "context_length", None) or getattr(
            config, "max_position_embeddings", math.inf
        )
        self._cache = model.new_cache() if hasattr(model, "new_cache") else None
        self._read: list[int] = []  # the ids whose keys and values are in the cache
        self._version = weights_version(model)  # of the weights that made them

    def vocab(self) -> list[str]:
        """Return a label for every token that the model can say, V of them."""
        size = self.model.config.vocab_size
        return [self._label(i) for i in range(size)]

    def ask(self, source: str | list[int]) -> Scores:
        """Score the next token of a text, or of ids.

        Args:
            source: a text, or the ids of one.

        Returns:
            The text, its tokens and a logit for every token.
        """
        if isinstance(source, str):
            text, ids = source, self.tokenizer.encode(source)
        else:
            text, ids = self.tokenizer.decode(source), list(source)
        labels = [self._label(i) for i in ids]
        start = self.tokenizer.bos_id
        note = ""
        read = ids
        if not ids and start is not None:
            read, note = [start], "An empty text: the model reads its start token."
        if not read:
            note = "Type something: the model needs at least one token to go on."
            return Scores(text=text, ids=ids, tokens=labels, logits=None, note=note)
        if len(read) > self.room:
            read = read[-self.room :]
            note = f"The model reads the last {self.room} tokens only."
        logits = self._logits(read)
        return Scores(text=text, ids=ids, tokens=labels, logits=logits, note=note)

    def _logits(self, ids: list[int]):
        with running(self.model):
            if self._cache is None:
                out = self.model(torch.tensor([ids], device=self._device()))
            else:
                # what is the same as last time stays in the cache
                if self._version != weights_version(self.model):
                    self._read, self._version = [], weights_version(self.model)
                same = 0
                for old, new in zip(self._read, ids[:-1], strict=False):
                    if old != new:
                        break
                    same += 1
                self._cache.crop(same)
                self._read = ids[:same]
                unread = torch.tensor([ids[same:]], device=self._device())
                out = self.model(unread, cache=self._cache)
                self._read = list(ids)
            return out.logits[0, -1].float().cpu().numpy()

    def _label(self, token_id: int) -> str:
        try:
            return token_label(self.tokenizer, token_id)
        except ValueError:  # the model's table has more rows than there are tokens
            return f"[unused {token_id}]"

    def _device(self):
        return next(self.model.parameters()).device


def filtered(logits, ids: list[int], settings: dict) -> list[tuple]:
    """Apply the filters that are on, one after another.

    Args:
        logits: float32 array, (V,).
        ids: the text so far.
        settings: fields of `Sampling`.

    Returns:
        Pairs of the filter's name and the probabilities after it, float64, (V,).
    """
    rows = torch.from_numpy(logits)[None]
    text = torch.tensor([ids], dtype=torch.int64)
    return [
        (name, after[0].double().softmax(-1).numpy())
        for name, after in Sampling(**settings).steps(rows, text)
    ]
