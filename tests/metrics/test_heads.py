"""Head scores on patterns built by hand, where the answer is known."""

import numpy as np
import pytest

from llmkit.metrics import heads

L, H, T, S = 2, 3, 6, 5


def shifted(t, offset):
    """Attention that always goes `offset` places on (to itself at the border)."""
    weights = np.zeros((t, t))
    for i in range(t):
        j = i + offset
        weights[i, j if 0 <= j < t else i] = 1
    return weights


def random_weights(*shape):
    x = np.random.default_rng(1).exponential(size=shape)
    return x / x.sum(-1, keepdims=True)


@pytest.mark.parametrize(
    ("score", "offset"),
    [
        (heads.diagonal_score, 0),
        (heads.previous_token_score, -1),
        (heads.next_token_score, 1),
    ],
)
def test_each_offset_is_told_from_the_others(score, offset):
    stack = np.stack([shifted(T, o) for o in (-1, 0, 1)])
    expected = [float(o == offset) for o in (-1, 0, 1)]
    got = score(stack)
    assert got[offset + 1] == 1
    assert got.argmax() == expected.index(1)


def test_a_uniform_head_gives_each_score_its_share():
    weights = np.full((L, H, T, T), 1 / T)
    assert np.allclose(heads.row_entropy(weights), np.log2(T))
    assert np.allclose(heads.sink_score(weights), 1 / T)
    assert np.allclose(heads.previous_token_score(weights), 1 / T)
    pairs = [abs(i - j) for i in range(T) for j in range(T)]
    assert np.allclose(heads.mean_distance(weights), np.mean(pairs))


def test_entropy_is_zero_for_one_hot_rows_and_agrees_with_a_loop():
    assert heads.row_entropy(shifted(T, -1)) == 0
    weights = random_weights(L, H, T, S)
    slow = -(weights * np.log2(weights)).sum(-1).mean(-1)
    assert np.allclose(heads.row_entropy(weights), slow)


def test_separator_counts_ordinary_queries_only():
    weights = np.zeros((4, 4))
    weights[[0, 1, 2, 3], [3, 3, 0, 0]] = 1
    # queries 0, 1 look at the separator, 2 does not, 3 is one itself
    assert heads.separator_score(weights, [0, 0, 0, 1]) == pytest.approx(2 / 3)
    assert np.isnan(heads.separator_score(weights, [0, 0, 0, 0]))


def test_same_word_looks_at_other_places_of_the_same_word():
    words = ["the", "cat", "saw", "the", None, None]
    weights = np.zeros((6, 6))
    weights[0, 3] = 0.75
    weights[3, 0] = 0.25
    weights[[0, 3, 4, 5], [0, 3, 5, 4]] = 0.2  # itself, and places left out
    assert heads.same_word_score(weights, words) == pytest.approx(0.5)
    assert np.isnan(heads.same_word_score(weights, list("abcdef")))


def test_induction_looks_behind_the_earlier_occurrence():
    ids = [7, 8, 9, 7, 8, 9]
    weights = np.zeros((6, 6))
    weights[[3, 4], [1, 2]] = 1  # 7 -> 8 and 8 -> 9 after their first occurrence
    weights[5, 3] = 1  # 9 -> what followed the first 9
    assert heads.induction_score(weights, ids) == 1
    assert heads.induction_score(shifted(6, -3), ids) == 0  # same word, not the next
    # "a a": what followed the first a is the query itself
    assert np.isnan(heads.induction_score(np.eye(2), [1, 1]))


def test_sink_and_shapes():
    weights = np.zeros((L, H, T, S))
    weights[..., 0] = 1
    assert (heads.sink_score(weights) == 1).all()
    assert heads.sink_score(weights).shape == (L, H)
    one = heads.head_scores(np.ones((L, H, 1, 1)), ["a"], [False])
    assert set(one) == {"entropy", "distance", "diagonal"}


def test_all_scores_by_name():
    words = [1, 2, 3, 1, 2, 5]
    scores = heads.head_scores(random_weights(L, H, T, T), words, [0, 0, 0, 0, 0, 1])
    assert len(scores) == 9
    assert all(s.shape == (L, H) for s in scores.values())
    cross = heads.head_scores(random_weights(L, H, T, S))
    assert set(cross) == {"entropy", "sink"}


def test_errors_say_what_was_given():
    with pytest.raises(ValueError, match="got 6 queries and 5 keys"):
        heads.diagonal_score(random_weights(T, S))
    with pytest.raises(ValueError, match="each of the 6 tokens; got 2"):
        heads.same_word_score(random_weights(T, T), ["a", "b"])
    with pytest.raises(ValueError, match="separators must have the shape"):
        heads.separator_score(random_weights(T, T), [True])
    with pytest.raises(ValueError, match="weights must have at least 2 axes"):
        heads.row_entropy(np.ones(3))


def test_weights_in_16_bits():
    torch = pytest.importorskip("torch")
    weights = torch.from_numpy(random_weights(L, H, T, T))
    half = weights.bfloat16()
    np.testing.assert_allclose(
        heads.row_entropy(half), heads.row_entropy(half.float()), atol=1e-6
    )
    for name, score in heads.head_scores(weights).items():
        np.testing.assert_allclose(heads.head_scores(half)[name], score, atol=0.05)
