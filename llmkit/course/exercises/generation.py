"""Exercises of 09_decoding: the length penalty, and accepting a guess."""

from __future__ import annotations

import torch

from llmkit.course.exercise import Case, Exercise, Mistake

# --- one step of beam search ---------------------------------------------------------


def beam_step(totals, log_probs, width):
    """Choose the likeliest continuations of several branches.

    Args:
        totals: the sums of log-probabilities so far, (K,).
        log_probs: of each branch's next token, (K, V).
        width: how many branches live on.

    Returns:
        The branch that each new one continues, (width,), its token, (width,), and its
        sum, (width,), best first.
    """
    sums = (totals[:, None] + log_probs).flatten()  # (K * V,)
    best = sums.topk(width)
    vocab = log_probs.shape[1]
    return best.indices // vocab, best.indices % vocab, best.values


def _beam_cases():
    generator = torch.Generator().manual_seed(0)

    def draw(branches, vocab):
        return torch.randn(branches, vocab, generator=generator).log_softmax(-1)

    return [
        Case(torch.tensor([-1.0, -1.5, -4.0]), draw(3, 5), 3, note="3 branches of 5"),
        Case(torch.tensor([-0.1, -9.0]), draw(2, 7), 4, note="one branch takes all"),
        Case(torch.zeros(1), draw(1, 4), 2, note="the first step: one branch"),
    ]


def _beam_sort(totals, log_probs, width):
    rows = [
        (float(total + p), b, t)
        for b, (total, row) in enumerate(zip(totals, log_probs, strict=True))
        for t, p in enumerate(row)
    ]
    rows = sorted(rows, reverse=True)[:width]
    return (
        torch.tensor([b for _, b, _ in rows]),
        torch.tensor([t for _, _, t in rows]),
        torch.tensor([s for s, _, _ in rows]),
    )


def _beam_unravel(totals, log_probs, width):
    sums = log_probs + totals.unsqueeze(1)
    order = sums.reshape(-1).argsort(descending=True)[:width]
    branch, token = torch.unravel_index(order, sums.shape)
    return branch, token, sums[branch, token]


def _beam_each(totals, log_probs, width):
    """Let each branch keep its own best token."""
    best = log_probs.max(-1)
    n = min(width, len(totals))
    order = (totals + best.values).argsort(descending=True)[:n]
    return order, best.indices[order], (totals + best.values)[order]


def _beam_without_past(totals, log_probs, width):
    branch, token, values = beam_step(torch.zeros_like(totals), log_probs, width)
    return branch, token, values


def _beam_product(totals, log_probs, width):
    sums = (totals[:, None] * log_probs).flatten()
    best = sums.topk(width)
    vocab = log_probs.shape[1]
    return best.indices // vocab, best.indices % vocab, best.values


def _beam_swapped(totals, log_probs, width):
    branch, token, values = beam_step(totals, log_probs, width)
    return token, branch, values


def _beam_by_branches(totals, log_probs, width):
    best = (totals[:, None] + log_probs).flatten().topk(width)
    branches = len(totals)
    return best.indices // branches, best.indices % branches, best.values


def _beam_flat(totals, log_probs, width):
    branch, token, values = beam_step(totals, log_probs, width)
    return branch, branch * log_probs.shape[1] + token, values


BEAM_STEP = Exercise(
    name="beam_step",
    signature="beam_step(totals, log_probs, width)",
    reference=beam_step,
    cases=_beam_cases,
    right=(_beam_sort, _beam_unravel),
    mistakes=(
        Mistake(
            "each its own",
            "Each branch keeps its own best token: that is greedy search several times "
            "over. All continuations of all branches compete for the places.",
            _beam_each,
        ),
        Mistake(
            "the past forgotten",
            "The branches compete by their last token alone. What counts is the sum of "
            "the whole branch: add `totals` first.",
            _beam_without_past,
        ),
        Mistake(
            "multiplied",
            "Log-probabilities were multiplied. Probabilities multiply; their "
            "logarithms add.",
            _beam_product,
        ),
        Mistake(
            "place in the flat list",
            "The token came back as its place in the flattened table. Divide by V: the "
            "quotient is the branch, the remainder the token.",
            _beam_flat,
        ),
        Mistake(
            "branch and token swapped",
            "Branches and tokens came back in each other's place: first the branch "
            "that lives on, then the token that continues it.",
            _beam_swapped,
        ),
        Mistake(
            "divided by the branches",
            "The place in the list was divided by the number of branches. A branch "
            "takes V places there, one for each token: divide by V.",
            _beam_by_branches,
        ),
    ),
)


# --- speculative decoding ------------------------------------------------------------


def accept_probability(p, q):
    """Return how likely each guess is accepted, and what is drawn from otherwise.

    Args:
        p: the target's distribution, (V,).
        q: the draft's, (V,).

    Returns:
        The chance that a guess is accepted, (V,), and the distribution of the
        correction, (V,), which sums to 1.
    """
    rest = (p - q).clamp(min=0)
    return (p / q).clamp(max=1), rest / rest.sum()


def _speculative_cases():
    generator = torch.Generator().manual_seed(1)

    def draw(size):
        return torch.rand(size, generator=generator).softmax(-1)

    return [
        Case(
            torch.tensor([0.5, 0.3, 0.2]),
            torch.tensor([0.2, 0.2, 0.6]),
            note="by hand",
        ),
        Case(draw(6), draw(6), note="six tokens"),
        Case(
            torch.tensor([0.0, 0.4, 0.6]),
            torch.tensor([0.5, 0.25, 0.25]),
            note="a token that the target never says",
        ),
    ]


def _accept_min(p, q):
    overlap = torch.minimum(p, q)
    rest = p - overlap
    return overlap / q, rest / rest.sum()


def _accept_where(p, q):
    accept = torch.where(p < q, p / q, torch.ones_like(p))
    rest = torch.where(p > q, p - q, torch.zeros_like(p))
    return accept, rest / float(rest.sum())


SPECULATIVE = Exercise(
    name="accept_probability",
    signature="accept_probability(p, q)",
    reference=accept_probability,
    cases=_speculative_cases,
    right=(_accept_min, _accept_where),
    mistakes=(
        Mistake(
            "drawn from p again",
            "After a rejection the token was drawn from p itself. Then tokens that the "
            "draft likes come too often: they were accepted already as guesses. Draw "
            "from what is missing, max(0, p - q).",
            lambda p, q: ((p / q).clamp(max=1), p),
        ),
        Mistake(
            "not normalised",
            "What is missing, max(0, p - q), does not sum to 1: divide it by its sum.",
            lambda p, q: ((p / q).clamp(max=1), (p - q).clamp(min=0)),
        ),
        Mistake(
            "the wrong way round",
            "The ratio is upside down. A guess that the target finds *likelier* than "
            "the draft is always accepted: p / q.",
            lambda p, q: (
                (q / p).clamp(max=1),
                (p - q).clamp(min=0) / (p - q).clamp(min=0).sum(),
            ),
        ),
        Mistake(
            "above 1",
            "Some chances are above 1. Where the target finds the guess likelier than "
            "the draft does, it is accepted with certainty: min(1, p / q).",
            lambda p, q: (p / q, (p - q).clamp(min=0) / (p - q).clamp(min=0).sum()),
        ),
    ),
)


EXERCISES = [BEAM_STEP, SPECULATIVE]
