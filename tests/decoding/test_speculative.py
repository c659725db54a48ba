"""Speculative decoding says what the target alone would say, and counts rightly."""

import pytest
import torch

from llmkit.decoding import accept_or_resample, generate, speculative
from llmkit.decoding.filters import Sampling, probabilities
from llmkit.models import GPT, GPTConfig

V, CONTEXT = 13, 40


def make(seed, n_layers=1, vocab_size=V):
    torch.manual_seed(seed)
    config = GPTConfig(
        vocab_size=vocab_size,
        context_length=CONTEXT,
        d_model=8,
        n_heads=2,
        n_layers=n_layers,
    )
    model = GPT(config).double().eval()
    with torch.no_grad():  # wide weights: far from flat, and no two nearly as likely
        for p in model.parameters():
            p.mul_(8 if p.dim() > 1 else 1)
    return model


@pytest.fixture(scope="module")
def target():
    return make(0, 2)


@pytest.fixture(scope="module")
def draft(target):
    """Close to the target, so that guesses are both accepted and rejected."""
    model = make(0, 2)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in model.parameters():
            noise = torch.randn(p.shape, generator=generator, dtype=p.dtype)
            p.add_(noise * 0.15 * p.std())
    return model


@pytest.mark.parametrize("guesses", [1, 3, 7])
@pytest.mark.parametrize(
    "settings", [{}, {"repetition_penalty": 1.4}, {"no_repeat_ngram": 2}]
)
def test_greedy_text_is_the_targets_own(target, draft, guesses, settings):
    for start in range(4):
        ids = torch.tensor([[start, 7, 2]])
        out = speculative(target, draft, ids, 20, guesses=guesses, **settings)
        assert torch.equal(out.ids, generate(target, ids, 20, **settings))
        assert len(out.ids[0]) == 3 + out.accepted + len(out.rounds)
        assert out.guessed >= out.accepted + out.rejected


def test_a_perfect_draft_is_never_rejected(target):
    ids = torch.tensor([[1, 2]])
    out = speculative(target, target, ids, 20, guesses=4)
    assert out.rejected == 0
    assert len(out.rounds) == 4  # 4 guesses and a token of its own in each


def test_a_hopeless_draft_costs_rounds_but_not_the_text(target):
    ids = torch.tensor([[1, 2]])
    out = speculative(target, make(9), ids, 20, guesses=4)
    assert torch.equal(out.ids, generate(target, ids, 20))
    assert out.rejected > 0


def test_stop_tokens_end_the_text_as_in_generate(target, draft):
    ids = torch.tensor([[3, 4]])
    free = generate(target, ids, 20)[0, 2:].tolist()
    for stop in set(free):
        out = speculative(target, draft, ids, 20, stop_ids=[stop])
        assert out.ids[0, 2:].tolist() == free[: free.index(stop) + 1]


def chi_square(counts, expected):
    """The statistic, and its 99.9% bound by the Wilson-Hilferty formula."""
    big = expected > 5  # where the approximation holds; the rest as one class
    observed = torch.cat([counts[big], counts[~big].sum()[None]])
    wanted = torch.cat([expected[big], expected[~big].sum()[None]])
    keep = wanted > 5
    observed, wanted = observed[keep], wanted[keep]
    df = len(wanted) - 1
    bound = df * (1 - 2 / (9 * df) + 3.09 * (2 / (9 * df)) ** 0.5) ** 3
    return float(((observed - wanted) ** 2 / wanted).sum()), bound


def test_the_rule_gives_the_targets_distribution():
    generator = torch.Generator().manual_seed(0)
    p = torch.tensor([0.5, 0.3, 0.15, 0.05, 0.0, 0.0])
    q = torch.tensor([0.2, 0.1, 0.3, 0.1, 0.3, 0.0])
    n, counts, accepted = 30_000, torch.zeros(6), 0
    for guess in torch.multinomial(q, n, replacement=True, generator=generator):
        taken, token = accept_or_resample(int(guess), p, q, generator)
        counts[token] += 1
        accepted += taken
    statistic, bound = chi_square(counts, p * n)
    assert statistic < bound
    # a guess is accepted as often as the two distributions overlap
    overlap = float(torch.minimum(p, q).sum())
    assert accepted / n == pytest.approx(overlap, abs=4 * (0.25 / n) ** 0.5)


def test_sampled_texts_follow_the_target(target, draft):
    """Pairs of tokens, counted, against the target's own joint distribution."""
    settings = {"temperature": 1.5, "top_k": 6}
    sampling, ids, n = Sampling(**settings), torch.tensor([[1, 2]]), 1000
    with torch.no_grad():
        first = probabilities(target(ids).logits[:, -1], ids, sampling)[0]
        pairs = torch.cat([ids.expand(V, 2), torch.arange(V)[:, None]], 1)
        second = probabilities(target(pairs).logits[:, -1], pairs, sampling)
    joint = (first[:, None] * second).flatten()
    generator = torch.Generator().manual_seed(3)
    counts = torch.zeros(V * V, dtype=torch.float64)
    rejected = 0
    for _ in range(n):
        out = speculative(
            target, draft, ids, 2, guesses=2, generator=generator, **settings
        )
        a, b = out.ids[0, 2:].tolist()
        counts[a * V + b] += 1
        rejected += out.rejected
    statistic, bound = chi_square(counts, joint * n)
    assert statistic < bound
    assert 0 < rejected < n  # both branches were walked


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            lambda m: speculative(m, make(1, vocab_size=5), torch.tensor([[1]]), 4),
            "share one vocabulary; got vocab_size=13 and 5",
        ),
        (
            lambda m: speculative(m, m, torch.tensor([[1]]), 4, guesses=0),
            "guesses must be a whole number of at least 1",
        ),
        (
            lambda m: speculative(m, m, torch.ones(2, 3).long(), 4),
            r"ids must have the shape \(1, T\)",
        ),
        (lambda m: speculative(m, m, torch.tensor([[1]]), 99), "context_length=40"),
    ],
)
def test_errors_say_what_was_given(target, call, match):
    with pytest.raises(ValueError, match=match):
        call(target)
