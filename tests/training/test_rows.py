"""Whole texts in rows: shifted by one, sorted by length, the same after a break."""

import random
from itertools import islice

import pytest
import torch

from llmkit.data.stories import entropy_rate, stories, tell, vocabulary
from llmkit.models import Llama, LlamaConfig
from llmkit.tokenizers import WordPieceTokenizer
from llmkit.training.rows import (
    pad_rows,
    row_losses,
    rows_by_length,
    story_batches,
    story_ids,
)


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer.of_words(vocabulary(), lowercase=False)


def test_rows_are_padded_and_shifted():
    inputs, targets = pad_rows([[7, 8, 9, 4], [5, 6]], pad_id=1)
    assert inputs.tolist() == [[7, 8, 9], [5, 1, 1]]
    assert targets.tolist() == [[8, 9, 4], [6, -100, -100]]
    with pytest.raises(ValueError, match=r"two tokens or more; got lengths \[3, 1\]"):
        pad_rows([[1, 2, 3], [1]])
    with pytest.raises(ValueError, match="one text or more"):
        pad_rows([])


def test_every_text_comes_once_and_little_is_padding():
    source = random.Random(0)
    rows = [[9] * source.randrange(2, 60) for _ in range(103)]
    for order in (None, random.Random(1)):
        batches = list(rows_by_length(rows, 10, order))
        counted = [int((t >= 0).sum()) for _, targets in batches for t in targets]
        assert sorted(counted) == sorted(len(row) - 1 for row in rows)
        places = sum(targets.numel() for _, targets in batches)
        assert places < 1.2 * sum(counted)
    widths = [x.shape[1] for x, _ in rows_by_length(rows, 10)]
    assert widths == sorted(widths)
    assert [x.shape[1] for x, _ in batches] != widths


def test_a_run_that_goes_on_sees_the_same_stories(tokenizer):
    whole = list(islice(story_batches(tokenizer, 3, seed=5), 40))
    for first in (0, 1, 15, 16, 39):
        (inputs, targets), *_ = islice(
            story_batches(tokenizer, 3, seed=5, first_step=first), 1
        )
        assert torch.equal(inputs, whole[first][0])
        assert torch.equal(targets, whole[first][1])
    other = next(story_batches(tokenizer, 3, seed=6))
    assert not any(torch.equal(other[0], x) for x, _ in whole[:16])
    texts = {tuple(row.tolist()) for x, _ in whole for row in x}
    assert len(texts) == 3 * 40


def test_a_story_begins_and_ends_with_the_separator(tokenizer):
    story = tell(4)
    ids = story_ids(tokenizer, story)
    assert ids[0] == ids[-1] == tokenizer.sep_id
    assert [tokenizer.id_to_token(i) for i in ids[1:-1]] == story.words
    assert tokenizer.unk_id not in ids


def test_losses_of_rows_equal_those_of_each_alone(tokenizer):
    torch.manual_seed(0)
    model = Llama(
        LlamaConfig(
            vocab_size=tokenizer.vocab_size,
            context_length=140,
            d_model=8,
            n_heads=2,
            n_layers=1,
            d_ff=12,
        )
    ).double()
    told = list(stories(7, seed=3))
    rows = [story_ids(tokenizer, story) for story in told]
    losses = row_losses(model, rows, batch_size=3)
    for row, loss in zip(rows, losses, strict=True):
        ids = torch.tensor([row])
        logits = model(ids[:, :-1]).logits[0]
        want = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
        torch.testing.assert_close(loss, want.detach())
    # as many targets as the floor is divided by: words and one end for each story
    n_tokens = sum(len(row) - 1 for row in rows)
    assert n_tokens == sum(len(story.words) + 1 for story in told)
    floor, *_ = entropy_rate(told, n_tokens)
    assert losses.sum() / n_tokens > floor
    assert model.training
