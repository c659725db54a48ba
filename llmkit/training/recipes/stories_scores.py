"""How good a model of the stories is: beside the floor and tables, and let free.

Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from llmkit.data.stories import Story, Verdict, entropy_rate, judge, stories
from llmkit.decoding import generate
from llmkit.metrics import NGram, bootstrap_interval, wilson_interval
from llmkit.models import Llama
from llmkit.tokenizers import WordPieceTokenizer
from llmkit.training.rows import row_losses, story_ids

NGRAM_SEED = 2 * 10**9  # of the stories that the counting models read


def scores(
    model: Llama,
    tokenizer: WordPieceTokenizer,
    told: list[Story],
    n_counted: int,
) -> dict:
    """Measure a model beside the floor and counting models, on one text.

    Args:
        model: a decoder.
        tokenizer: the stories' own.
        told: the stories to measure on.
        n_counted: how many other stories the counting models read.

    Returns:
        `floor`, `model`, `unigram`, `bigram` and `trigram`, each with its `loss` in
        nats per token.
    """
    rows = [story_ids(tokenizer, story) for story in told]
    n_tokens = sum(len(row) - 1 for row in rows)
    floor, low, high = entropy_rate(told, n_tokens)
    losses = row_losses(model, rows)
    surprisals = torch.tensor([story.surprisal * math.log(2) for story in told])
    # both were measured on the same stories, so their difference varies little
    above = bootstrap_interval(
        ((losses - surprisals) / (n_tokens / len(told)) / floor).tolist()
    )
    loss = float(losses.sum()) / n_tokens
    found = {
        "floor": {"loss": floor, "interval": [low, high]},
        "model": {"loss": loss, "above_floor": [above.value, above.low, above.high]},
    }
    counted = _joined(tokenizer, list(stories(n_counted, seed=NGRAM_SEED)))
    here = _joined(tokenizer, told)
    for order, name in enumerate(("unigram", "bigram", "trigram"), start=1):
        counts = NGram(order, tokenizer.vocab_size).fit(counted)
        loss = counts.loss(here)
        found[name] = {"loss": loss, "above_floor": [loss / floor - 1]}
    return {
        name: {
            k: [round(x, 4) for x in v] if isinstance(v, list) else round(v, 4)
            for k, v in score.items()
        }
        for name, score in found.items()
    }


def _joined(tokenizer: WordPieceTokenizer, told: list[Story]) -> list[int]:
    """Return the stories as one text with a separator before, between and behind."""
    ids = [tokenizer.sep_id]
    for story in told:
        ids += story_ids(tokenizer, story)[1:]
    return ids


def tell_on(
    model: Llama, tokenizer: WordPieceTokenizer, n: int, seed: int = 0
) -> list[str]:
    """Let a model tell stories, at temperature 1: as it believes they are told.

    Args:
        model: a decoder.
        tokenizer: with a separator, where each story begins.
        n: how many.
        seed: of the draws.

    Returns:
        The stories, without separators; one may be broken off at the context's end.
    """
    begin = torch.full((n, 1), tokenizer.sep_id)
    written = generate(
        model,
        begin,
        model.config.context_length - 1,
        temperature=1.0,
        stop_ids=[tokenizer.sep_id],
        generator=torch.Generator().manual_seed(seed),
    )
    return [tokenizer.decode(row.tolist(), skip_special=True) for row in written]


def judged(samples: Sequence[str]) -> dict:
    """Return how many sentences are grammatical, and how many were possible.

    Args:
        samples: stories.

    Returns:
        Shares with 95 % intervals: of sentences that are grammatical, of those that
        were possible, and of stories without a mistake.
    """
    verdicts = [judge(text) for text in samples]
    each = [v for story in verdicts for v in story]
    shares = {
        "grammatical": (sum(v.grammatical for v in each), len(each)),
        "possible": (sum(v.possible for v in each), len(each)),
        "flawless": (
            sum(_flawless(story) for story in verdicts),
            len(verdicts),
        ),
    }
    found = {"stories": len(verdicts), "sentences": len(each)}
    for name, (right, n) in shares.items():
        share = wilson_interval(right, max(n, 1))
        found[name] = [round(x, 4) for x in (share.value, share.low, share.high)]
    return found


def _flawless(story: Sequence[Verdict]) -> bool:
    """Tell whether a story came to its end without a mistake."""
    return bool(
        story
        and story[-1].sentence == "The end."
        and all(verdict.possible for verdict in story)
    )
