"""Move the scores of a few tokens and watch softmax, loss and gradient.

Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from llmkit.checks import check_count, check_type
from llmkit.explore.next_token import Reader
from llmkit.viz.loss_meter import HIGH, LOW, LossMeter

_TOKENS = ("mat", "sofa", "roof", "moon")
_OTHERS = "(others)"


def loss(
    model: nn.Module | None = None,
    tokenizer=None,
    text: str = "",
    answer: str | None = None,
    n: int = 5,
    tokens: Sequence[str] = _TOKENS,
    logits: Sequence[float] | None = None,
    target: int = 0,
    smoothing: float = 0.0,
) -> LossMeter:
    """Show the loss of one guess, with a slider for each score.

    Without a model the candidates and their scores are given. With one, they are its
    most likely next tokens; all others share a row, so the shares are the model's own.

    Args:
        model: a decoder, ours or one of `transformers`; None: `tokens` and `logits`.
        tokenizer: the model's.
        text: what the model reads.
        answer: the token that really came next; None: the likeliest. Of a longer
            text the first token counts.
        n: how many candidates.
        tokens: the candidates without a model.
        logits: their scores; None: all 0, an even guess.
        target: which of `tokens` is right.
        smoothing: the share of the target that is spread over all candidates.

    Returns:
        The view; `.loss`, `.shares` and `.gradient` are what it shows.

    Raises:
        ValueError: the text is empty.
    """
    if model is None:
        scores = [0.0] * len(tokens) if logits is None else list(logits)
        return LossMeter(tokens, scores, target, smoothing)
    check_type("text", text, str)
    check_count("n", n, least=2)
    reader = Reader(model, tokenizer)
    given = reader.ask(text).logits
    if given is None:
        raise ValueError("text must hold at least one token, for the model to go on")
    scores = torch.as_tensor(given, dtype=torch.float64)
    best = scores.topk(min(n, 10)).indices.tolist()
    right = best[0]
    if answer is not None:
        right = reader.tokenizer.encode(answer)[0]
        if right not in best:
            best[-1] = right
    rest = torch.ones_like(scores, dtype=torch.bool)
    rest[best] = False
    names = [*(reader.vocab()[i] for i in best), _OTHERS]
    rows = torch.cat([scores[best], scores[rest].logsumexp(0)[None]])
    # a softmax forgets a common shift: the middle of the sliders is as good as any
    rows = (rows - (rows.max() + rows.min()) / 2).clamp(LOW, HIGH)
    return LossMeter(
        names, rows.tolist(), best.index(right), smoothing, text, among=len(scores)
    )
