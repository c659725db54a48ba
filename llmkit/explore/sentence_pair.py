"""Two passages, and whether a BERT believes that the second follows the first.

Home notebook: 08_pretraining_bert.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from llmkit.checks import check_type
from llmkit.explore.given import bert_with
from llmkit.tokenizers import as_tokenizer
from llmkit.trace.running import running
from llmkit.trace.tokens import token_label
from llmkit.viz.sentence_pair import Judged, SentencePair


def sentence_pair(
    model: nn.Module,
    tokenizer,
    first: str,
    second: str,
    others: Sequence[str] = (),
    live: bool = True,
) -> SentencePair:
    """Show how surely one passage follows another.

    Args:
        model: a `BERT` with its next-sentence head, or one of `transformers`.
        tokenizer: its tokenizer, with a template for pairs.
        first: the first passage.
        second: the second one.
        others: passages that could stand in the second's place; each gets a bar, and a
            click puts it there.
        live: whether the reader can change the passages.

    Returns:
        The view. `view.score` reads it back.

    Raises:
        ValueError: the model has no next-sentence head.
    """
    for name, passage in (("first", first), ("second", second)):
        check_type(name, passage, str)
    judge = PairJudge(model, tokenizer)
    return SentencePair(judge.ask, first, second, others, live)


class PairJudge:
    """Judges pairs, each in both orders.

    Args:
        model: a `BERT` with its next-sentence head, or one of `transformers`.
        tokenizer: its tokenizer.
    """

    def __init__(self, model: nn.Module, tokenizer):
        self.model = bert_with("next-sentence", model)
        self.tokenizer = as_tokenizer(tokenizer)

    def ask(self, first: str, second: str) -> Judged:
        """Judge two passages.

        Args:
            first: the first one.
            second: the second one.

        Returns:
            How surely the second follows, and the first the second.
        """
        if not first.strip() or not second.strip():
            return Judged(follows=None, note="Type two passages.")
        encoding = self.tokenizer(first, second)
        labels = [token_label(self.tokenizer, i) for i in encoding.ids]
        room = self.model.config.context_length
        if len(encoding) > room:
            note = f"Together they have {len(encoding)} tokens; the model reads {room}."
            return Judged(follows=None, note=note)
        unknown = sum(i == self.tokenizer.unk_id for i in encoding.ids)
        note = f"{unknown} of the words are unknown to the model." if unknown else ""
        return Judged(
            follows=self._score(encoding),
            swapped=self._score(self.tokenizer(second, first)),
            tokens=labels,
            segments=encoding.type_ids,
            note=note,
        )

    def _score(self, encoding) -> float:
        device = next(self.model.parameters()).device
        ids = torch.tensor([encoding.ids], device=device)
        segments = torch.tensor([encoding.type_ids], device=device)
        with running(self.model):
            output = self.model(ids, segment_ids=segments)
            # column 0 means "follows"
            return round(output.nsp_logits[0].float().softmax(-1)[0].item(), 5)
