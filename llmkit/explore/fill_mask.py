"""Hide words of a sentence, and let a BERT fill them in.

Home notebook: 08_pretraining_bert.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from llmkit.checks import check_choice, check_type
from llmkit.explore.given import bert_with
from llmkit.tokenizers import Encoding, as_tokenizer
from llmkit.trace.running import running
from llmkit.trace.tokens import token_label
from llmkit.viz.fill_mask import FillMask
from llmkit.viz.filled import READINGS, Filled

# above this many weights one pass for each neighbour would be felt
_SMALL = 30_000_000
_LONGEST = 128  # tokens that are read


def fill_mask(
    model: nn.Module,
    tokenizer,
    text: str,
    masked: Sequence[int | str] = (),
    neighbours: bool | None = None,
    live: bool = True,
) -> FillMask:
    """Show what a two-sided reader puts into the blanks of a text.

    Args:
        model: a `BERT` with its masked-word head, or one of `transformers`.
        tokenizer: its tokenizer, with a mask token.
        text: the text to begin with; `[MASK]` in it is a blank from the start.
        masked: what to hide at first: words of the text, or places counted from the
            first token, `[CLS]`, which is 0.
        neighbours: whether to measure what each other word contributes, one pass for
            each; None: for models under 30 million weights.
        live: whether the reader can change the text and the blanks.

    Returns:
        The view. `view.distribution()` and `view.candidates()` read it back.

    Raises:
        ValueError: the model has no masked-word head, the tokenizer no mask token, or
            a word to hide is not in the text.
    """
    check_type("text", text, str)
    reader = Filler(model, tokenizer)
    if neighbours is None:
        weights = sum(p.numel() for p in reader.model.parameters())
        neighbours = weights < _SMALL
    return FillMask(
        ask=reader.ask,
        put=reader.put,
        vocab=reader.vocab(),
        text=text,
        masked=reader.places(text, masked),
        neighbours=neighbours,
        live=live,
    )


class Filler:
    """Reads a text with some tokens hidden.

    Args:
        model: a `BERT` with its masked-word head, or one of `transformers`.
        tokenizer: its tokenizer, with a mask token.
    """

    def __init__(self, model: nn.Module, tokenizer):
        self.model = bert_with("masked-word", model)
        self.tokenizer = as_tokenizer(tokenizer)
        if self.tokenizer.mask_id is None:
            raise ValueError("tokenizer must have a mask token, such as '[MASK]'")
        self.longest = min(_LONGEST, self.model.config.context_length)

    def vocab(self) -> list[str]:
        """Return a label for every token that the model knows, V of them."""
        labels = []
        for i in range(self.model.config.vocab_size):
            try:
                labels.append(token_label(self.tokenizer, i))
            except ValueError:  # the table has more rows than there are tokens
                labels.append(f"[unused {i}]")
        return labels

    def places(self, text: str, masked: Sequence[int | str]) -> list[int]:
        """Turn words into the places of their pieces.

        Args:
            text: the text.
            masked: words, each of which stands for where it comes first, or places.
        """
        encoding = self.tokenizer(text)
        pieces: dict[int, list[int]] = {}
        for at, word in enumerate(encoding.word_ids):
            if word is not None:
                pieces.setdefault(word, []).append(at)
        known: dict[str, list[int]] = {}
        for group in pieces.values():
            begin, end = encoding.offsets[group[0]][0], encoding.offsets[group[-1]][1]
            known.setdefault(text[begin:end], group)
        found = []
        for what in masked:
            if isinstance(what, str):
                check_choice("masked", what, list(known))
            found += known[what] if isinstance(what, str) else [int(what)]
        return found

    def put(self, text: str, place: int, token_id: int) -> str:
        """Return a text with one token of it replaced by another.

        Args:
            text: the text.
            place: of the token, counted from the first one.
            token_id: of the new one.
        """
        begin, end = self.tokenizer(text).offsets[place]
        word = self.tokenizer.decode([token_id]).removeprefix("##").strip()
        # a word in the place of a full stop needs a blank before it
        gap = " " if text[:begin][-1:].isalnum() and word[:1].isalnum() else ""
        return text[:begin] + gap + word + text[end:]

    def ask(
        self, text: str, masked: Sequence[int], slot: int, neighbours: bool
    ) -> Filled:
        """Hide tokens and read.

        Args:
            text: the text.
            masked: places to hide; those that cannot be hidden are passed over.
            slot: the blank to look at; if it is none, the last one.
            neighbours: whether to measure what each other token contributes.

        Returns:
            What the model says.
        """
        encoding = self.tokenizer(text)
        cut = len(encoding) > self.longest
        ids = encoding.ids[: self.longest]
        if cut:
            ids[-1] = encoding.ids[-1]  # the separator at the end
        free, holes = self._free(encoding, ids), self._holes(ids)
        masked = sorted(
            {at for at in masked if 0 <= at < len(ids) and free[at]} | holes
        )
        tokens = [token_label(self.tokenizer, i) for i in ids]
        note = f"Only the first {self.longest} tokens are read." if cut else ""
        if not masked:
            note = note or ("Click a word to hide it." if any(free) else "Type a text.")
            return Filled(text=text, tokens=tokens, free=free, note=note)
        slot = slot if slot in masked else masked[-1]
        answers = [-1 if at in holes else ids[at] for at in masked]
        hidden = torch.tensor(ids)
        hidden[masked] = self.tokenizer.mask_id
        rows = self._rows(hidden, slot, free, neighbours)
        probs = self._read(rows, masked)  # (N, blanks, V)
        here = masked.index(slot)
        answer = answers[here] if answers[here] >= 0 else int(probs[0, here].argmax())
        influence = None
        if neighbours:
            influence = (probs[0, here, answer] - probs[3:, here, answer]).tolist()
        best = probs[0].argmax(-1)
        return Filled(
            text=text,
            tokens=tokens,
            free=free,
            masked=masked,
            slot=slot,
            answers=answers,
            readings={n: probs[k, here] for k, n in enumerate(READINGS)},
            others=[(int(i), float(probs[0, k, i])) for k, i in enumerate(best)],
            influence=influence,
            note=note,
        )

    def _free(self, encoding: Encoding, ids: list[int]) -> list[bool]:
        """Tell which tokens may be hidden: none of those that stand for no text."""
        free = [not s for s in encoding.special_tokens_mask[: len(ids)]]
        if len(ids) < len(encoding):
            free[-1] = False
        return free

    def _holes(self, ids: list[int]) -> set[int]:
        """Find the blanks that the text itself has."""
        return {at for at, i in enumerate(ids) if i == self.tokenizer.mask_id}

    def _rows(
        self, hidden: Tensor, slot: int, free: list[bool], neighbours: bool
    ) -> Tensor:
        """Write each reading as ids, (N, T).

        A side is taken away by hiding its words too, not by the attention mask: a
        model that met masks while it learned can read on, one whose keys vanish is
        lost.
        """
        places, words = torch.arange(len(hidden)), torch.tensor(free)
        mask_id = self.tokenizer.mask_id
        rows = [hidden]
        rows.append(hidden.masked_fill(words & (places > slot), mask_id))
        rows.append(hidden.masked_fill(words & (places < slot), mask_id))
        for at in range(len(hidden)) if neighbours else ():
            rows.append(hidden.masked_fill(words & (places == at), mask_id))
        return torch.stack(rows)

    def _read(self, ids: Tensor, masked: list[int]) -> np.ndarray:
        device = next(self.model.parameters()).device
        with running(self.model):
            output = self.model(ids.to(device))
            probs = output.logits[:, masked].float().softmax(-1)
        return probs.cpu().numpy()
