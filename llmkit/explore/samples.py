"""What a view shows of a text and a model: its first tokens, and what comes next.

Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from llmkit.checks import check_type
from llmkit.decoding import generate
from llmkit.models import DECODERS
from llmkit.trace.running import running
from llmkit.trace.tokens import token_label


def first_tokens(tokenizer, text: str, count: int = 24) -> str:
    """Return as much of a text as gives at most so many tokens.

    Args:
        tokenizer: of the kit.
        text: any text.
        count: the most tokens, those that the tokenizer puts around it included.
    """
    encoding = tokenizer(text)
    if len(encoding.ids) <= count:
        return text
    pairs = zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
    own = [offset for offset, special in pairs if not special]
    return text[: own[count - (len(encoding.ids) - len(own)) - 1][1]]


def writer(
    model: nn.Module, tokenizer, prompt: str, max_new_tokens: int
) -> Callable[[], str]:
    """Return a function that lets a model write on, always the likeliest token.

    Args:
        model: a decoder of the kit; the function uses the weights that it has then.
        tokenizer: of the kit.
        prompt: where it begins.
        max_new_tokens: how much is written, where the context has room for it.

    Returns:
        A function without arguments that returns prompt and all.

    Raises:
        TypeError: it is no decoder.
        ValueError: the prompt is empty or leaves no room.
    """
    ids = _read(model, tokenizer, prompt)
    room = min(max_new_tokens, model.config.context_length - ids.shape[1])

    def write() -> str:
        with running(model):
            written = generate(model, _beside(ids, model), room)
        return tokenizer.decode(written[0].tolist(), skip_special=True)

    return write


def likely_next(model: nn.Module, tokenizer, prompt: str, count: int = 5) -> list:
    """Return the likeliest next tokens.

    Args:
        model: a decoder of the kit.
        tokenizer: of the kit.
        prompt: what comes before.
        count: how many.

    Returns:
        [label, probability] of each, the likeliest first.
    """
    ids = _read(model, tokenizer, prompt)
    with running(model):
        odds = model(_beside(ids, model)).logits[0, -1].float().softmax(-1)
    best = odds.topk(min(count, len(odds)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [[token_label(tokenizer, i), p] for i, p in pairs]


def _read(model: nn.Module, tokenizer, prompt: str) -> Tensor:
    check_type("model", model, DECODERS, "For others, give sample instead.")
    ids = torch.tensor([tokenizer(prompt, add_special_tokens=False).ids])
    context = model.config.context_length
    if not 0 < ids.shape[1] < context:
        raise ValueError(
            f"prompt must give 1 to {context - 1} tokens, so that one fits after it; "
            f"got {ids.shape[1]}"
        )
    return ids


def _beside(ids: Tensor, model: nn.Module) -> Tensor:
    return ids.to(next(model.parameters()).device)
