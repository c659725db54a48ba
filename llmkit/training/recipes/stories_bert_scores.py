"""How good the `stories_bert` checkpoint is, beside counting and a simple rule."""

from __future__ import annotations

from collections.abc import Iterator

from llmkit.data.pairs import Pair
from llmkit.data.stories import vocabulary
from llmkit.explore.fill_mask import Filler
from llmkit.explore.sentence_pair import PairJudge
from llmkit.metrics import Interval, wilson_interval
from llmkit.metrics.neighbours import SIDES, NeighbourCounts
from llmkit.models import BERT
from llmkit.tokenizers import WordPieceTokenizer
from llmkit.training.bert import score_pretraining
from llmkit.training.masking import (
    IGNORED,
    EncodedPairs,
    Masking,
    ordered_batches,
)

# the first pairs of the validation stories are asked about; nothing is chosen
N_SAMPLES = 3


def all_scores(
    model: BERT,
    training: EncodedPairs,
    checks: EncodedPairs,
    masking: Masking,
    pairs: list[Pair],
) -> dict:
    """Measure a model beside counting, on the same blanks and pairs.

    Args:
        model: the one that was stored.
        training: what the counting models count.
        checks: the pairs that are judged.
        masking: how their tokens are hidden.
        pairs: the same pairs as text.

    Returns:
        Name to scores, each share with the ends of its 95% interval.
    """
    found = score_pretraining(model, ordered_batches(checks, masking, 250))
    scores = {
        "model": {
            "words": _rounded(found.words),
            "words_loss": round(found.words_loss, 4),
            "follows": _rounded(found.follows),
            "follows_loss": round(found.follows_loss, 4),
        }
    }
    known = [
        row[:n].tolist()
        for row, n in zip(training.ids, training.lengths.tolist(), strict=True)
    ]
    blanks = list(blanks_of(checks, masking))
    names = ("unigram", "bigram", "both neighbours")
    for name, sides in zip(names, SIDES, strict=True):
        counts = NeighbourCounts(masking.vocab_size, sides).fit(known)
        right, loss = counts.score(blanks)
        share = wilson_interval(sum(right), len(right))
        scores[name] = {"words": _rounded(share), "words_loss": round(loss, 4)}
    hits = sum(shares_a_word(p) == p.follows for p in pairs)
    scores["a shared word"] = {"follows": _rounded(wilson_interval(hits, len(pairs)))}
    return scores


def blanks_of(checks: EncodedPairs, masking: Masking) -> Iterator[tuple[int, int, int]]:
    """Yield what stands on both sides of each blank, as the model sees it.

    Args:
        checks: the pairs that are judged.
        masking: how their tokens are hidden.

    Yields:
        The ids to the left and to the right of a blank, and the one that belongs there.
    """
    for batch in ordered_batches(checks, masking, 250):
        for row, at in (batch.labels != IGNORED).nonzero().tolist():
            ids = batch.ids[row]
            yield int(ids[at - 1]), int(ids[at + 1]), int(batch.labels[row, at])


def shares_a_word(pair: Pair) -> bool:
    """Guess that passages with a name, a place or a thing in common belong together.

    Args:
        pair: two passages of a story or of two.

    Returns:
        Whether any of the people, places and things of the world is in both.
    """
    telling = set(vocabulary()[:38])  # people, places, things
    first, second = (
        set(passage.replace(".", " ").split()) for passage in (pair.first, pair.second)
    )
    return bool(first & second & telling)


def samples_of(
    model: BERT, tokenizer: WordPieceTokenizer, pairs: list[Pair]
) -> list[dict]:
    """Ask about the first pairs, whatever comes out.

    Args:
        model: a BERT with both heads.
        tokenizer: its tokenizer.
        pairs: of which the first `N_SAMPLES` are asked about.

    Returns:
        For each its text, the truth and the answers.
    """
    filler, judge, samples = Filler(model, tokenizer), PairJudge(model, tokenizer), []
    for pair in pairs[:N_SAMPLES]:
        text = f"{pair.first} {pair.second}"
        last = len(tokenizer(text)) - 3  # the word before the last full stop
        filled = filler.ask(text, [last], last, neighbours=False)
        best = filled.readings["both sides"].argsort()[::-1][:3].tolist()
        told = ", ".join(
            f"{tokenizer.id_to_token(i)} {filled.readings['both sides'][i]:.0%}"
            for i in best
        )
        text = f"{pair.first} | {pair.second}"
        samples.append(
            {
                "text": text,
                "follows": pair.follows,
                "judged": judge.ask(pair.first, pair.second).follows,
                "last_word": told,
            }
        )
    return samples


def _rounded(share: Interval) -> list[float]:
    return [round(x, 4) for x in (share.value, share.low, share.high)]
