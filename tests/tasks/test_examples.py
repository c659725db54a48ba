"""Texts to batches: nothing lost, nothing twice, little padding."""

from collections import Counter
from itertools import islice

import pytest
import torch

from llmkit.hub import load_encoder
from llmkit.tasks import (
    Example,
    encode_examples,
    pad_batch,
    shuffled_batches,
    take_balanced,
)
from tests.tasks.tiny import examples


@pytest.fixture(scope="module")
def tokenizer():
    return load_encoder("minilm")[1]


def test_special_tokens_stay_when_a_text_is_cut(tokenizer):
    text = "the quick brown fox jumps over the lazy dog"
    whole, cut = (
        encode_examples([text], [1], tokenizer, max_length=n)[0] for n in (64, 5)
    )
    assert whole.ids == tokenizer(text).ids
    assert cut.ids == [*whole.ids[:4], tokenizer.sep_id]
    assert cut.label == 1


def test_encoding_checks_its_input(tokenizer):
    with pytest.raises(ValueError, match="as many as texts, 2; got 1"):
        encode_examples(["a", "b"], [0], tokenizer)
    with pytest.raises(TypeError, match="text"):
        encode_examples([None], [0], tokenizer)


def test_padding():
    ids, mask, labels = pad_batch([Example([5, 6, 7], 1), Example([8], 0)], pad_id=9)
    assert ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert mask.tolist() == [[True] * 3, [True, False, False]]
    assert labels.tolist() == [1, 0]


@pytest.mark.parametrize("by_length", [True, False])
@pytest.mark.parametrize("n", [1, 7, 23])
def test_an_epoch_holds_each_example_once(n, by_length):
    some = [Example([i + 1] * (1 + i % 5), i) for i in range(n)]
    epoch = -(-n // 4)
    batches = shuffled_batches(some, 4, torch.Generator().manual_seed(0), by_length)
    orders = []
    for _ in range(3):
        drawn = list(islice(batches, epoch))
        seen = [label for *_, labels in drawn for label in labels.tolist()]
        assert sorted(seen) == list(range(n))
        for ids, mask, labels in drawn:
            for row, real, label in zip(ids, mask, labels.tolist(), strict=True):
                assert row[real].tolist() == some[label].ids
        orders.append(seen)
    assert n == 1 or len({tuple(order) for order in orders}) > 1


def test_the_generator_decides_the_order():
    def labels(seed):
        made = shuffled_batches(examples(), 4, torch.Generator().manual_seed(seed))
        return [batch[2].tolist() for batch in islice(made, 12)]

    assert labels(3) == labels(3)
    assert labels(3) != labels(4)


def test_length_groups_save_padding():
    some = [Example([1] * (1 + i % 12), 0) for i in range(240)]

    def padding(by_length):
        made = shuffled_batches(some, 8, torch.Generator().manual_seed(0), by_length)
        masks = [mask for _, mask, _ in islice(made, 30)]
        return 1 - sum(m.sum() for m in masks) / sum(m.numel() for m in masks)

    assert padding(True) < 0.5 * padding(False)


def test_no_examples():
    with pytest.raises(ValueError, match="at least one"):
        next(shuffled_batches([], 4))


def test_a_balanced_draw():
    labels = [0] * 30 + [1] * 10 + [2] * 50
    drawn = take_balanced(labels, 21, seed=3)
    assert Counter(labels[i] for i in drawn) == {0: 7, 1: 7, 2: 7}
    assert len(set(drawn)) == 21
    assert take_balanced(labels, 12, seed=3) == drawn[:12]
    assert take_balanced(labels, 21, seed=4) != drawn
    # a rare class gives what it has
    assert Counter(labels[i] for i in take_balanced(labels, 60))[1] == 10
    assert sorted(take_balanced(labels, 90)) == list(range(90))
    with pytest.raises(ValueError, match="at most the 90"):
        take_balanced(labels, 91)


@pytest.mark.parametrize(
    ("power", "shares"), [(0.0, [7, 7, 7]), (0.5, [3, 6, 12]), (1.0, [1, 4, 16])]
)
def test_a_draw_between_all_alike_and_as_they_come(power, shares):
    # kinds that occur 20, 80 and 320 times: the roots are as 1 to 2 to 4
    kinds = [("irony", 0)] * 20 + [("mixed", 1)] * 80 + [("plain", 1)] * 320
    drawn = take_balanced(kinds, 21, seed=5, power=power)
    counts = Counter(kinds[i] for i in drawn)
    assert [counts[kind] for kind in sorted(set(kinds))] == shares
    assert take_balanced(kinds, 8, seed=5, power=power) == drawn[:8]
    assert len(set(take_balanced(kinds, 420, power=power))) == 420


def test_a_draw_takes_tensors_and_refuses_a_strange_power():
    labels = [0, 1, 1, 0, 1, 1]
    assert take_balanced(torch.tensor(labels), 4) == take_balanced(labels, 4)
    with pytest.raises(ValueError, match="power"):
        take_balanced(labels, 2, power=1.5)
