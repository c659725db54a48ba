"""Masking: the shares of the paper, specials left alone, labels where they belong."""

import random

import pytest
import torch
from scipy.stats import binomtest

from llmkit.data.pairs import Pair
from llmkit.tokenizers import WordPieceTokenizer
from llmkit.training.masking import (
    IGNORED,
    EncodedPairs,
    Masking,
    mask_tokens,
    masked_batches,
    ordered_batches,
)

V, MASK = 1009, 4
B, T = 60, 500
PAIRS = [
    Pair("Anna sang.", "She went to the park.", True),
    Pair("Ben slept.", "Tomorrow unbelievably rained.", False),
    Pair("Oh.", "Anna sang. Ben slept. She went to the park.", True),
]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def a_text(seed=0):
    ids = torch.randint(5, V, (B, T), generator=generator(seed))
    special = torch.rand(B, T, generator=generator(seed + 1)) < 0.2
    return ids, special


@pytest.fixture(scope="module")
def tokenizer():
    words = "anna ben sang slept she went to the park . oh rained tomorrow un"
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words.split()]
    names += ["##believ", "##ably"]
    return WordPieceTokenizer({name: i for i, name in enumerate(names)})


def likely(found, n, share):
    """Whether the exact binomial interval of a count holds a share."""
    return binomtest(found, n, share).pvalue > 1e-4


def shares(ids, special, inputs, labels):
    """Counts that the paper gives shares for, as (found, out of how many, share)."""
    asked = labels != IGNORED
    n, ordinary = int(asked.sum()), int((~special).sum())
    masked = int((inputs[asked] == MASK).sum())
    kept = int((inputs[asked] == ids[asked]).sum())
    # a random token is now and then the mask or the very token that stood there
    yield n, ordinary, 0.15
    yield masked, n, 0.8 + 0.1 / V
    yield kept, n, 0.1 + 0.1 / V
    yield n - masked - kept, n, 0.1 - 0.2 / V


def test_the_shares_are_those_of_the_paper():
    ids, special = a_text()
    masking = Masking(mask_id=MASK, vocab_size=V)
    inputs, labels = mask_tokens(ids, special, masking, generator=generator(7))
    for found, n, share in shares(ids, special, inputs, labels):
        assert likely(found, n, share)


def test_the_collator_of_transformers_has_the_same_shares():
    transformers = pytest.importorskip("transformers")
    ids, special = a_text()
    vocab = {f"t{i}": i for i in range(V)}
    vocab = {name: i for name, i in vocab.items() if i > MASK}
    for i, name in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")):
        vocab[name] = i
    collator = transformers.DataCollatorForLanguageModeling(
        transformers.BertTokenizer(vocab=vocab), seed=0
    )
    inputs, labels = collator.torch_mask_tokens(ids.clone(), special.clone())
    ours = mask_tokens(
        ids, special, Masking(mask_id=MASK, vocab_size=V), generator=generator(7)
    )
    pairs = zip(
        shares(ids, special, inputs, labels), shares(ids, special, *ours), strict=True
    )
    for (found, n, share), (our_found, our_n, _) in pairs:
        assert likely(found, n, share)
        assert likely(our_found, our_n, share)
    # and the same meaning: specials untouched, -100 where nothing is asked
    for what_is_read, what_is_asked in ((inputs, labels), ours):
        assert (what_is_asked[special] == IGNORED).all()
        assert torch.equal(what_is_read[special], ids[special])
        asked = what_is_asked != IGNORED
        assert torch.equal(what_is_asked[asked], ids[asked])
        assert torch.equal(what_is_read[~asked], ids[~asked])


def test_a_random_token_is_any_token():
    ids = torch.full((40, 500), 3)
    masking = Masking(mask_id=0, vocab_size=5, chosen=1.0, masked=0.0, randomised=1.0)
    inputs, _ = mask_tokens(
        ids, torch.zeros(40, 500) > 0, masking, generator=generator()
    )
    for token in range(5):
        assert likely(int((inputs == token).sum()), inputs.numel(), 0.2)


def test_all_or_nothing():
    ids, special = a_text()
    everything = Masking(
        mask_id=MASK, vocab_size=V, chosen=1.0, masked=1.0, randomised=0.0
    )
    inputs, labels = mask_tokens(ids, special, everything, generator=generator())
    assert torch.equal(inputs == MASK, ~special)
    assert torch.equal(labels != IGNORED, ~special)
    nothing = Masking(mask_id=MASK, vocab_size=V, chosen=0.0)
    inputs, labels = mask_tokens(ids, special, nothing, generator=generator())
    assert torch.equal(inputs, ids)
    assert (labels == IGNORED).all()


def test_masks_are_drawn_anew_unless_the_seed_is_the_same():
    ids, special = a_text()
    masking = Masking(mask_id=MASK, vocab_size=V)
    source = generator()
    one = mask_tokens(ids, special, masking, generator=source)[0]
    two = mask_tokens(ids, special, masking, generator=source)[0]
    again = mask_tokens(ids, special, masking, generator=generator())[0]
    assert torch.equal(one, again)
    assert not torch.equal(one, two)


def test_whole_words_are_chosen_together():
    words = torch.arange(T)[None].repeat(B, 1) // 3  # three pieces to a word
    ids, _ = a_text()
    special = torch.zeros(B, T, dtype=torch.bool)
    masking = Masking(mask_id=MASK, vocab_size=V, whole_words=True)
    _, labels = mask_tokens(ids, special, masking, words, generator())
    asked = (labels != IGNORED)[:, : T - T % 3].view(B, -1, 3)
    assert torch.equal(asked.any(-1), asked.all(-1))
    assert likely(int(asked.all(-1).sum()), asked[..., 0].numel(), 0.15)
    with pytest.raises(ValueError, match="whole_words needs words"):
        mask_tokens(ids, special, masking)


def test_wrong_shares_are_named():
    with pytest.raises(ValueError, match="masked and randomised"):
        Masking(mask_id=0, vocab_size=9, masked=0.9, randomised=0.2)
    with pytest.raises(ValueError, match="chosen"):
        Masking(mask_id=0, vocab_size=9, chosen=15)
    with pytest.raises(ValueError, match="mask_id"):
        Masking(mask_id=9, vocab_size=9)
    with pytest.raises(ValueError, match="special"):
        mask_tokens(
            torch.zeros(2, 3).long(),
            torch.zeros(2, 4).bool(),
            Masking(mask_id=0, vocab_size=9),
        )


def test_pairs_are_encoded_with_their_specials(tokenizer):
    pairs = EncodedPairs(PAIRS, tokenizer)
    assert len(pairs) == 3
    first = tokenizer(PAIRS[0].first, PAIRS[0].second)
    n = len(first)
    assert pairs.ids[0, :n].tolist() == first.ids
    assert pairs.segment_ids[0, :n].tolist() == first.type_ids
    assert (pairs.ids[0, n:] == tokenizer.pad_id).all()
    assert pairs.special[0, n:].all()
    assert pairs.special[0, :n].tolist() == [bool(s) for s in first.special_tokens_mask]
    assert pairs.follows.tolist() == [0, 1, 0]
    # "unbelievably" is one word of three pieces, and its number is no other word's
    long = tokenizer(PAIRS[1].first, PAIRS[1].second).tokens.index("un")
    numbers = pairs.words[1]
    assert (numbers == numbers[long]).nonzero().flatten().tolist() == [
        long,
        long + 1,
        long + 2,
    ]


def test_long_pairs_are_left_out(tokenizer):
    assert len(EncodedPairs(PAIRS, tokenizer, longest=14)) == 2
    with pytest.raises(ValueError, match="longest=3"):
        EncodedPairs(PAIRS, tokenizer, longest=3)
    with pytest.raises(ValueError, match="padding"):
        EncodedPairs(PAIRS, WordPieceTokenizer({"[UNK]": 0}))


def test_batches_are_as_narrow_as_they_can_be(tokenizer):
    pairs = EncodedPairs(PAIRS, tokenizer)
    masking = Masking(mask_id=tokenizer.mask_id, vocab_size=tokenizer.vocab_size)
    batch = next(masked_batches(pairs, masking, 5, generator()))
    assert batch.ids.shape == batch.labels.shape == batch.attention_mask.shape
    assert batch.follows.shape == (5,)
    assert batch.attention_mask.sum(1).max() == batch.ids.shape[1]
    assert (batch.labels[~batch.attention_mask] == IGNORED).all()
    small = pairs.batch(torch.tensor([0]), masking, generator())
    assert small.ids.shape[1] == pairs.lengths[0] < pairs.ids.shape[1]


def test_evaluation_reads_each_pair_once_with_the_same_masks(tokenizer):
    many = EncodedPairs(random.Random(0).choices(PAIRS, k=7), tokenizer)
    masking = Masking(mask_id=tokenizer.mask_id, vocab_size=tokenizer.vocab_size)
    one, two = (list(ordered_batches(many, masking, 3)) for _ in range(2))
    assert [len(batch.ids) for batch in one] == [3, 3, 1]
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(one, two, strict=True))
    assert torch.equal(torch.cat([batch.follows for batch in one]), many.follows)
