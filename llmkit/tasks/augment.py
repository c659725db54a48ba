"""More examples from few: the same text, a little damaged.

Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on
Text Classification Tasks", section 2. Home notebook: 10_fine_tuning_bert.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from llmkit.checks import check_count, check_range


def drop_words(
    text: str, share: float = 0.1, generator: torch.Generator | None = None
) -> str:
    """Leave out words at random; one always stays.

    Args:
        text: words with spaces between them.
        share: the chance of each word to go.
        generator: draws; None: PyTorch's global one.

    Returns:
        The words that are left. Beware: without its "not" a text may turn round.
    """
    check_range("share", share, 0.0, 1.0)
    words = text.split()
    if not words:
        return text
    chances = torch.rand(len(words), generator=generator)
    kept = [
        w for w, chance in zip(words, chances.tolist(), strict=True) if chance >= share
    ]
    return " ".join(kept or [words[int(chances.argmax())]])


def swap_words(
    text: str, times: int = 1, generator: torch.Generator | None = None
) -> str:
    """Let words change places with their neighbours.

    Args:
        text: words with spaces between them.
        times: how many swaps.
        generator: draws; None: PyTorch's global one.

    Returns:
        The same words in another order.
    """
    check_count("times", times, 0)
    words = text.split()
    for _ in range(times if len(words) > 1 else 0):
        place = int(torch.randint(len(words) - 1, (1,), generator=generator))
        words[place], words[place + 1] = words[place + 1], words[place]
    return " ".join(words)


def augmented(
    texts: Sequence[str],
    labels: Sequence[int],
    change: Callable[..., str] = drop_words,
    copies: int = 1,
    generator: torch.Generator | None = None,
) -> tuple[list[str], list[int]]:
    """Add damaged copies of each text; use it on training texts only.

    Args:
        texts: N of them.
        labels: N, kept by the copies.
        change: such as `drop_words` or `swap_words`; called with `generator=`.
        copies: how many of each text.
        generator: draws; None: PyTorch's global one.

    Returns:
        N * (1 + copies) texts and labels: the whole ones first.

    Raises:
        ValueError: texts and labels are not equally many.
    """
    check_count("copies", copies, 0)
    if len(texts) != len(labels):
        raise ValueError(
            f"labels must be as many as texts, {len(texts)}; got {len(labels)}"
        )
    more = [change(text, generator=generator) for _ in range(copies) for text in texts]
    return [*texts, *more], [int(label) for label in labels] * (1 + copies)
