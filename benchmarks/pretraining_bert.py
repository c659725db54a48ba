"""BERT in a minute, five times: both accuracies with intervals, beside counting.

    python -m benchmarks.pretraining_bert [--seeds 5] [--first 0] [--steps 500]

The run is the one of notebook 08, on one thread: other weights, other pairs and other
masks for each seed, the same validation pairs for all. The bars: the 95% interval of
the next-sentence accuracy lies above 50%, and the masked-word accuracy is at least
twice that of a unigram model.
"""

import argparse
import random
import time

import torch

from llmkit.data import sentence_pairs
from llmkit.data.stories import stories, vocabulary
from llmkit.metrics import wilson_interval
from llmkit.metrics.neighbours import SIDES, NeighbourCounts
from llmkit.models import BERT, BERTConfig
from llmkit.runtime import seed_all
from llmkit.tokenizers import WordPieceTokenizer
from llmkit.training import (
    EncodedPairs,
    Masking,
    masked_batches,
    muon,
    ordered_batches,
    pretraining_loss,
    score_pretraining,
    train,
    warmup_cosine,
)
from llmkit.training.recipes.stories_bert_scores import blanks_of, shares_a_word


def main() -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--steps", type=int, default=500)
    given = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = WordPieceTokenizer.of_words(vocabulary(), lowercase=False)
    masking = Masking(mask_id=tokenizer.mask_id, vocab_size=tokenizer.vocab_size)
    checks = _pairs(tokenizer, n_stories=1500, n_pairs=2000, seed=1)
    pairs = EncodedPairs(checks, tokenizer)
    _counting(pairs, checks, masking, tokenizer)
    print("| seed | words named | pairs judged rightly | CPU seconds | above |")
    print("|---|---|---|---|---|")
    for seed in range(given.first, given.first + given.seeds):
        begin = time.process_time()
        model = _train(seed, given.steps, tokenizer, masking)
        spent = time.process_time() - begin
        found = score_pretraining(model, ordered_batches(pairs, masking, 250))
        above = "yes" if found.follows.low > 0.5 else "NO"
        row = f"| {seed} | {found.words:.1%} | {found.follows:.1%} | {spent:.0f} |"
        print(f"{row} {above} |", flush=True)


def _pairs(tokenizer, n_stories: int, n_pairs: int, seed: int) -> list:
    told = [story.sentences for story in stories(n_stories, seed=seed)]
    return sentence_pairs(told, n_pairs, random.Random(seed))


def _train(seed: int, steps: int, tokenizer, masking: Masking) -> BERT:
    """Make and train the notebook's model; stories for training begin at seed 2."""
    seed_all(seed)
    pairs = _pairs(tokenizer, n_stories=6000, n_pairs=12_000, seed=2 + seed)
    training = EncodedPairs(pairs, tokenizer)
    model = BERT(
        BERTConfig(
            vocab_size=tokenizer.vocab_size,
            context_length=64,
            d_model=64,
            n_heads=4,
            n_layers=2,
        )
    )
    draws = torch.Generator().manual_seed(seed)
    train(
        model,
        masked_batches(training, masking, 32, draws),
        muon(model, 0.01, 0.01, 0.01),
        steps=steps,
        schedule=warmup_cosine(steps, steps // 16),
        loss=pretraining_loss,
    )
    return model


def _counting(pairs: EncodedPairs, checks: list, masking: Masking, tokenizer) -> None:
    """Print what counting alone reaches."""
    seen = EncodedPairs(_pairs(tokenizer, 6000, 12_000, seed=2), tokenizer)
    rows = zip(seen.ids.tolist(), seen.lengths.tolist(), strict=True)
    rows, blanks = [row[:n] for row, n in rows], list(blanks_of(pairs, masking))
    names = ("unigram", "left neighbour", "both neighbours")
    for name, sides in zip(names, SIDES, strict=True):
        counts = NeighbourCounts(masking.vocab_size, sides).fit(rows)
        right, _ = counts.score(blanks)
        print(f"words, {name}: {wilson_interval(sum(right), len(right)):.1%}")
    right = sum(shares_a_word(pair) == pair.follows for pair in checks)
    print(f"pairs, a shared word: {wilson_interval(right, len(checks)):.1%}\n")


if __name__ == "__main__":
    main()
