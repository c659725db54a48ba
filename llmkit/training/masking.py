"""Hide some tokens for the model to fill in: BERT's masked language modelling.

Devlin et al. 2019, "BERT", section 3.1 and appendix C.2; masks that are drawn anew for
each batch: Liu et al. 2019, "RoBERTa", section 4.1. Home notebook: 08_pretraining_bert.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from llmkit.checks import check_count, check_positive, check_range, check_shape

IGNORED = -100  # the label of a token that nobody is asked about


@dataclass(frozen=True, kw_only=True)
class Masking:
    """How tokens are hidden.

    Args:
        mask_id: the id of the mask token.
        vocab_size: V; a random token is any id below it, as in BERT.
        chosen: the share of ordinary tokens that are asked about.
        masked: the share of the chosen ones that become the mask token.
        randomised: the share of the chosen ones that become a random token. What is
            left stays as it is, and is asked about all the same.
        whole_words: whether the pieces of a word are chosen together.
    """

    mask_id: int
    vocab_size: int
    chosen: float = 0.15
    masked: float = 0.8
    randomised: float = 0.1
    whole_words: bool = False

    def __post_init__(self):
        check_count("vocab_size", self.vocab_size)
        check_range("mask_id", self.mask_id, 0, self.vocab_size - 1)
        for name in ("chosen", "masked", "randomised"):
            check_range(name, getattr(self, name), 0.0, 1.0)
        if self.masked + self.randomised > 1 + 1e-9:
            raise ValueError(
                "masked and randomised are shares of the chosen tokens, so they may "
                f"add up to 1 at most; got {self.masked} and {self.randomised}"
            )


def mask_tokens(
    ids: Tensor,
    special: Tensor,
    masking: Masking,
    words: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Choose tokens, hide most of them, and note what stood there.

    Args:
        ids: int64, (B, T).
        special: bool, (B, T); True marks a token that is never chosen: `[CLS]`,
            `[SEP]`, padding.
        masking: the shares.
        words: int64, (B, T), the number of the word that each token is a piece of,
            counted from 0 in each row; needed for `whole_words`.
        generator: draws on the CPU; None: PyTorch's global one.

    Returns:
        What the model reads, and the labels, int64, (B, T) each: the token that stood
        there where one was chosen, `IGNORED` everywhere else.

    Raises:
        ValueError: the shapes do not fit, or `whole_words` is asked for without words.
    """
    check_shape("ids", ids, "B T")
    check_shape("special", special, "B T", B=ids.shape[0], T=ids.shape[1])
    units = None
    if masking.whole_words:
        if words is None:
            raise ValueError(
                "whole_words needs words, the word of each token; got None"
            )
        check_shape("words", words, "B T", B=ids.shape[0], T=ids.shape[1])
        units = words.clamp(0, ids.shape[1] - 1).cpu()
    luck = torch.rand(ids.shape, generator=generator)
    if units is not None:
        # each piece takes the number that was drawn for its word
        luck = luck.gather(1, units)
    chosen = (luck < masking.chosen).to(ids.device) & ~special.bool()
    labels = ids.masked_fill(~chosen, IGNORED)
    # what becomes of a chosen token is drawn for each piece on its own
    fate = torch.rand(ids.shape, generator=generator).to(ids.device)
    others = torch.randint(masking.vocab_size, ids.shape, generator=generator)
    hidden = chosen & (fate < masking.masked)
    swapped = chosen & ~hidden & (fate < masking.masked + masking.randomised)
    inputs = ids.masked_fill(hidden, masking.mask_id)
    return torch.where(swapped, others.to(ids.device), inputs), labels


class MaskedBatch(NamedTuple):
    """What one step of BERT's pretraining reads and what it is asked."""

    ids: Tensor  # int64, (B, T), with masks
    attention_mask: Tensor  # bool, (B, T), True: a real token
    segment_ids: Tensor  # int64, (B, T), 0: first passage, 1: second
    labels: Tensor  # int64, (B, T), IGNORED where nothing is asked
    follows: Tensor  # int64, (B,), 0: the second passage follows, 1: it does not


class EncodedPairs:
    """Pairs of passages as ids, all of one length.

    Args:
        pairs: with `first`, `second` and `follows`, such as `sentence_pairs` draws.
        tokenizer: called with two texts it returns an `Encoding`.
        longest: pairs with more tokens are left out; None: none is.

    Raises:
        ValueError: no pair is left, or the tokenizer cannot pad.
    """

    def __init__(self, pairs: Iterable, tokenizer, longest: int | None = None):
        rows = [(tokenizer(p.first, p.second), int(not p.follows)) for p in pairs]
        kept = [(e, y) for e, y in rows if longest is None or len(e) <= longest]
        if not kept:
            raise ValueError(
                f"pairs must hold a pair of at most longest={longest} tokens; got "
                f"{len(rows)} pairs, none of which is short enough"
            )
        if tokenizer.pad_id is None:
            raise ValueError("tokenizer must have a padding token, such as '[PAD]'")
        size = (len(kept), max(len(e) for e, _ in kept))
        self.ids = torch.full(size, tokenizer.pad_id)
        self.segment_ids = torch.zeros(size, dtype=torch.int64)
        self.special = torch.ones(size, dtype=torch.bool)
        self.words = torch.full(size, -1)
        self.lengths = torch.tensor([len(e) for e, _ in kept])
        self.follows = torch.tensor([y for _, y in kept])
        for row, (encoding, _) in enumerate(kept):
            n = len(encoding)
            self.ids[row, :n] = torch.tensor(encoding.ids)
            self.segment_ids[row, :n] = torch.tensor(encoding.type_ids)
            self.special[row, :n] = torch.tensor(encoding.special_tokens_mask).bool()
            self.words[row, :n] = torch.tensor(_word_numbers(encoding))

    def __len__(self) -> int:
        return len(self.ids)

    def batch(
        self,
        rows: Tensor,
        masking: Masking,
        generator: torch.Generator | None = None,
    ) -> MaskedBatch:
        """Mask some pairs, as narrow as the longest of them allows.

        Args:
            rows: int64, (B,), which pairs.
            masking: how.
            generator: draws the masks.

        Returns:
            The batch.
        """
        width = int(self.lengths[rows].max())
        ids, special, words = (
            x[rows, :width] for x in (self.ids, self.special, self.words)
        )
        inputs, labels = mask_tokens(ids, special, masking, words, generator)
        real = torch.arange(width) < self.lengths[rows, None]  # (B, T)
        segments = self.segment_ids[rows, :width]
        return MaskedBatch(inputs, real, segments, labels, self.follows[rows])


def masked_batches(
    pairs: EncodedPairs,
    masking: Masking,
    batch_size: int,
    generator: torch.Generator | None = None,
) -> Iterator[MaskedBatch]:
    """Yield batches of pairs without end, each time with other masks.

    Args:
        pairs: what to draw from.
        masking: how tokens are hidden.
        batch_size: B.
        generator: draws pairs and masks; None: PyTorch's global one.

    Yields:
        Batches.
    """
    check_positive("batch_size", batch_size)
    while True:
        rows = torch.randint(len(pairs), (batch_size,), generator=generator)
        yield pairs.batch(rows, masking, generator)


def ordered_batches(
    pairs: EncodedPairs, masking: Masking, batch_size: int, seed: int = 0
) -> Iterator[MaskedBatch]:
    """Yield every pair once, with the same masks at each call, for evaluation.

    Args:
        pairs: what to go through.
        masking: how tokens are hidden.
        batch_size: B; the last batch may be smaller.
        seed: of the masks.

    Yields:
        Batches.
    """
    check_positive("batch_size", batch_size)
    generator = torch.Generator().manual_seed(seed)
    for rows in torch.arange(len(pairs)).split(batch_size):
        yield pairs.batch(rows, masking, generator)


def _word_numbers(encoding) -> list[int]:
    """Number the words of both passages on; -1 where there is none."""
    numbers: dict = {}
    return [
        -1 if word is None else numbers.setdefault((sequence, word), len(numbers))
        for word, sequence in zip(encoding.word_ids, encoding.sequence_ids, strict=True)
    ]
