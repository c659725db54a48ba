"""From labelled texts to batches of ids: cut, pad, group by length.

Home notebook: 10_fine_tuning_bert.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from llmkit.checks import check_count, check_range, check_type
from llmkit.tokenizers import Tokenizer

POOL = 8  # this many batches are drawn together and sorted by length


class Example(NamedTuple):
    """One text as ids, with its label."""

    ids: list[int]
    label: int


def encode_examples(
    texts: Sequence[str],
    labels: Sequence[int],
    tokenizer: Tokenizer,
    max_length: int = 128,
) -> list[Example]:
    """Turn texts into ids, with the tokenizer's special tokens around them.

    Args:
        texts: N of them.
        labels: N whole numbers from 0.
        tokenizer: that of the encoder.
        max_length: longer texts lose their end, but keep a closing special token.

    Returns:
        N examples.

    Raises:
        ValueError: there are not as many labels as texts, or a text has no token.
    """
    check_count("max_length", max_length, 3)
    if len(texts) != len(labels):
        raise ValueError(
            f"labels must be as many as texts, {len(texts)}; got {len(labels)}"
        )
    examples = []
    for number, (text, label) in enumerate(zip(texts, labels, strict=True)):
        check_type("text", text, str)
        encoding = tokenizer(text)
        ids = list(encoding.ids)
        if not ids:
            raise ValueError(f"text {number} gives no token: {text!r}. Leave it out")
        if len(ids) > max_length:
            closing = ids[-1:] if encoding.special_tokens_mask[-1] else []
            ids = ids[: max_length - len(closing)] + closing
        examples.append(Example(ids, int(label)))
    return examples


def pad_batch(
    examples: Sequence[Example], pad_id: int | None = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Put examples into one table, filled up on the right.

    Args:
        examples: B of them.
        pad_id: what to fill up with; None: 0, which the mask hides anyway.

    Returns:
        ids, int64, (B, T); attention_mask, bool, (B, T), True for real tokens; and
        labels, int64, (B,).
    """
    longest = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), longest), pad_id or 0)
    mask = torch.zeros(len(examples), longest, dtype=torch.bool)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        mask[row, : len(example.ids)] = True
    return ids, mask, torch.tensor([example.label for example in examples])


def shuffled_batches(
    examples: Sequence[Example],
    batch_size: int,
    generator: torch.Generator | None = None,
    by_length: bool = True,
    pad_id: int | None = 0,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield epoch after epoch, each in a fresh order, without end.

    Texts of similar length come together, so that little is computed for padding: a
    few batches are drawn at random, sorted by length, cut, and given out at random.

    Args:
        examples: N of them.
        batch_size: B; the last batch of an epoch may be smaller.
        generator: draws the order; None: PyTorch's global one.
        by_length: False leaves the order wholly to chance.
        pad_id: what to fill up with.

    Yields:
        What `pad_batch` returns. An epoch has ceil(N / B) batches.

    Raises:
        ValueError: there are no examples.
    """
    check_count("batch_size", batch_size)
    if not examples:
        raise ValueError("examples must hold at least one; got none")
    while True:
        order = torch.randperm(len(examples), generator=generator).tolist()
        batches = []
        pool = batch_size * POOL if by_length else batch_size
        for start in range(0, len(order), pool):
            drawn = order[start : start + pool]
            if by_length:
                drawn = sorted(drawn, key=lambda i: len(examples[i].ids))
            batches += [
                drawn[i : i + batch_size] for i in range(0, len(drawn), batch_size)
            ]
        for place in torch.randperm(len(batches), generator=generator).tolist():
            yield pad_batch([examples[i] for i in batches[place]], pad_id)


def take_balanced(
    kinds: Sequence, size: int, seed: int = 0, power: float = 0.0
) -> list[int]:
    """Draw some examples, as many of each kind as can be.

    A kind is a class, or anything finer, such as a pair of tag and class. Rare kinds
    are often the hard ones: a few more of them teach more than a few more easy ones.
    Between "all alike" and "as they come" lies a power of 0.5, with which kinds are
    drawn like the languages of a multilingual corpus (Conneau and Lample 2019,
    "Cross-lingual Language Model Pretraining", section 3.1).

    Args:
        kinds: of all N examples; numbers or tuples.
        size: how many to draw.
        seed: of the draw; a larger size keeps what a smaller one had.
        power: a kind that occurs n times gets a share like n ** power: 0 gives each
            kind the same, 1 leaves the shares as they are.

    Returns:
        Places in `kinds`, in the order in which they were drawn.

    Raises:
        ValueError: there are fewer than `size`.
    """
    check_count("size", size)
    check_range("power", power, 0.0, 1.0)
    if size > len(kinds):
        raise ValueError(f"size must be at most the {len(kinds)} examples; got {size}")
    generator = torch.Generator().manual_seed(seed)
    waiting: dict = {}
    for place in torch.randperm(len(kinds), generator=generator).tolist():
        kind = kinds[place]
        kind = kind.item() if isinstance(kind, Tensor) else kind
        waiting.setdefault(kind, []).append(place)
    share = {kind: len(waiting[kind]) ** power for kind in sorted(waiting)}
    taken = dict.fromkeys(share, 0)
    drawn = []
    while len(drawn) < size:
        left = [kind for kind in share if taken[kind] < len(waiting[kind])]
        # the kind that is furthest behind what it should have
        next_kind = min(left, key=lambda kind: (taken[kind] + 0.5) / share[kind])
        drawn.append(waiting[next_kind][taken[next_kind]])
        taken[next_kind] += 1
    return drawn
