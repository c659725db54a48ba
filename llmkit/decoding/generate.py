"""The loop that writes: score every token, filter, choose one, append it, again.

Nothing but this loop turns a model that scores the next token into one that writes.
Home notebook: 09_decoding; met first in 00_tour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from llmkit.checks import check_positive, check_shape, check_type
from llmkit.decoding.filters import Sampling
from llmkit.decoding.stopping import StopStrings
from llmkit.nn import evaluating


def stream(
    model,
    ids: Tensor,
    max_new_tokens: int,
    *,
    attention_mask: Tensor | None = None,
    stop_ids: Sequence[int] = (),
    stop_strings: Sequence[str] = (),
    tokenizer=None,
    generator: torch.Generator | None = None,
    cache: bool = True,
    **settings,
) -> Iterator[Tensor]:
    """Write token by token, and hand out each one as soon as it is chosen.

    Args:
        model: a decoder, such as `GPT` or `Llama`.
        ids: the prompts, int64, (B, T), T at least 1. Prompts of unequal length come
            from `left_pad`, with its mask.
        max_new_tokens: how many tokens to write at most.
        attention_mask: bool, (B, T); False marks padding, on the left.
        stop_ids: tokens that end a text. A text that has ended is filled with the
            first of them (with 0, if there is none); when all have ended, the loop
            stops.
        stop_strings: a text ends, too, with the token that completes one of these,
            wherever the borders between tokens fall.
        tokenizer: turns ids into text, for `stop_strings`.
        generator: a CPU `torch.Generator`, for draws that can be repeated.
        cache: keep keys and values, so that each step reads one token only. The
            result is the same without, and slower.
        **settings: fields of `Sampling`, such as `temperature=0.8, top_k=40`.
            Without a temperature the most likely token is taken at every step.

    Yields:
        The newest token of each text, int64, (B,).

    Raises:
        ValueError: a setting is out of range, or the text would outgrow the context.
    """
    sampling = Sampling(**{"temperature": 0, **settings})
    check_request(model, ids, max_new_tokens, attention_mask)
    strings = StopStrings(stop_strings, tokenizer) if stop_strings else None
    stops = (stop_ids, strings)
    return _loop(
        model, ids, max_new_tokens, attention_mask, stops, generator, cache, sampling
    )


@torch.no_grad()
def _loop(model, ids, n, mask, stops, generator, cache, sampling):
    kept = model.new_cache() if cache else None
    stop_ids, strings = stops
    stop_ids = torch.tensor(list(stop_ids), dtype=torch.int64, device=ids.device)
    fill = stop_ids[0] if len(stop_ids) else ids.new_zeros(())
    ended = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
    with evaluating(model):
        for step in range(n):
            unread = ids[:, -1:] if cache and step else ids  # (B, 1) or (B, T)
            logits = model(unread, attention_mask=mask, cache=kept).logits[:, -1]
            token = choose(sampling.apply(logits, ids, mask), sampling, generator)
            token = torch.where(ended, fill, token)
            ids = torch.cat([ids, token[:, None]], dim=1)  # (B, T + 1)
            if mask is not None:
                mask = torch.cat([mask, mask.new_ones(len(ids), 1)], dim=1)
            if len(stop_ids):
                ended = ended | torch.isin(token, stop_ids)
            if strings is not None:
                ended = ended | strings.completed(ids)
            yield token
            if ended.all():
                return


def generate(
    model,
    ids: Tensor,
    max_new_tokens: int,
    *,
    on_token: Callable[[Tensor], None] | None = None,
    **options,
) -> Tensor:
    """Write on from the prompts, and return prompts and all.

    Args:
        model: a decoder, such as `GPT` or `Llama`.
        ids: the prompts, int64, (B, T).
        max_new_tokens: how many tokens to write at most.
        on_token: called with the newest token of each text, (B,), at each step.
        **options: everything that `stream` takes, such as `temperature=0.8`,
            `stop_ids=[0]` or `generator=torch.Generator().manual_seed(0)`.

    Returns:
        int64, (B, T + N), where N is at most `max_new_tokens`.
    """
    new = []
    for token in stream(model, ids, max_new_tokens, **options):
        new.append(token)
        if on_token is not None:
            on_token(token)
    return torch.cat([ids, torch.stack(new, dim=1)], dim=1)


def choose(
    logits: Tensor, sampling: Sampling, generator: torch.Generator | None = None
) -> Tensor:
    """Choose one token for each row of filtered logits.

    Args:
        logits: (B, V), `-inf` where a filter has dropped a token.
        sampling: whether to draw at all (temperature 0 takes the most likely).
        generator: a CPU `torch.Generator`.

    Returns:
        int64, (B,).
    """
    if sampling.greedy:
        return logits.argmax(dim=-1)
    # drawn on the CPU, so that every machine draws the same
    probs = logits.softmax(dim=-1).cpu()
    return torch.multinomial(probs, 1, generator=generator)[:, 0].to(logits.device)


def left_pad(
    prompts: Sequence[Sequence[int]], pad_id: int = 0
) -> tuple[Tensor, Tensor]:
    """Make one batch of prompts of unequal length.

    The padding goes to the left, so that every text ends in the last column, where the
    next token is written.

    Args:
        prompts: B lists of token ids, none of them empty.
        pad_id: the token that fills; it is masked, so any will do.

    Returns:
        ids, int64, (B, T), and the mask, bool, (B, T), False on padding.

    Raises:
        ValueError: there is no prompt, or one is empty.
    """
    if not prompts or any(len(p) == 0 for p in prompts):
        raise ValueError(
            "prompts must be lists of at least one token id each; got lengths "
            f"{[len(p) for p in prompts]}. Begin an empty text with the tokenizer's "
            "bos_id."
        )
    longest = max(len(p) for p in prompts)
    ids = torch.full((len(prompts), longest), pad_id, dtype=torch.int64)
    mask = torch.zeros(len(prompts), longest, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(list(prompt))
        mask[row, longest - len(prompt) :] = True
    return ids, mask


def check_request(model, ids: Tensor, n: int, mask: Tensor | None) -> None:
    """Check what a decoding function was asked for.

    Args:
        model: a decoder.
        ids: the prompts, (B, T).
        n: how many tokens to write at most.
        mask: bool, (B, T), or None.

    Raises:
        TypeError: `n` is no whole number.
        ValueError: there is nothing to read, the padding is on the wrong side, or the
            text would outgrow the context.
    """
    sizes = check_shape("ids", ids, "B T")
    check_type("max_new_tokens", n, int)
    check_positive("max_new_tokens", n)
    if sizes["T"] == 0:
        raise ValueError(
            "ids must hold at least one token; got none. Begin an empty text with the "
            "tokenizer's bos_id."
        )
    if mask is not None:
        check_shape("attention_mask", mask, "B T", **sizes)
        if not bool(mask[:, -1].all()):
            raise ValueError(
                "attention_mask must be True in the last column: the padding belongs "
                "on the left, as left_pad puts it"
            )
    room = getattr(model.config, "context_length", None)
    if room is not None and sizes["T"] + n - 1 > room:
        raise ValueError(
            f"the prompt has {sizes['T']} tokens and max_new_tokens={n} more are "
            f"asked for, but context_length={room}; ask for at most "
            f"{max(room + 1 - sizes['T'], 0)}, or shorten the prompt: "
            "ids[:, -length:]"
        )
