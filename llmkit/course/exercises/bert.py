"""Exercises of 08_pretraining_bert: score the guesses."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.losses import masked_lm_loss


def _source(seed):
    return torch.Generator().manual_seed(seed)


# --- the loss ----------------------------------------------------------------------


def _loss_by_rows(logits, labels):
    asked = labels != -100
    return F.cross_entropy(logits[asked], labels[asked])


def _loss_by_hand(logits, labels):
    asked = labels != -100
    sure = logits.log_softmax(-1)
    right = sure.gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return -(right * asked).sum() / asked.sum()


def _loss_over_all(logits, labels):
    asked = labels != -100
    return _loss_by_hand(logits, labels) * asked.sum() / labels.numel()


def _loss_zero_class(logits, labels):
    return F.cross_entropy(logits.flatten(0, 1), labels.clamp(min=0).flatten())


def _loss_shifted(logits, labels):
    return masked_lm_loss(logits[:, :-1], labels[:, 1:])


def _loss_of_rows(logits, labels):
    pairs = zip(logits, labels, strict=True)
    rows = [masked_lm_loss(x[None], y[None]) for x, y in pairs]
    return torch.stack(rows).mean()


def _loss_cases():
    def case(rows, length, vocab_size, seed):
        source = _source(seed)
        logits = torch.randn(rows, length, vocab_size, generator=source)
        labels = torch.randint(vocab_size, (rows, length), generator=source)
        hidden = torch.rand(rows, length, generator=source) < 0.6
        hidden[:, 0] = False
        hidden[0, 2:] = True  # rows of their own share
        return logits, labels.masked_fill(hidden, -100)

    return [case(3, 8, 7, 0), Case(*case(1, 6, 4, 1), note="a single row")]


LOSS = Exercise(
    name="masked_lm_loss",
    signature="masked_lm_loss(logits, labels)",
    reference=masked_lm_loss,
    cases=_loss_cases,
    right=(_loss_by_rows, _loss_by_hand),
    mistakes=(
        Mistake(
            "divided by all tokens",
            "The sum is divided by the number of all tokens. Only those that are asked "
            "about count, or the loss shrinks with every token that is not hidden.",
            _loss_over_all,
        ),
        Mistake(
            "-100 taken for a token",
            "Tokens that nobody asks about are scored as if token 0 were right there. "
            "Leave them out.",
            _loss_zero_class,
        ),
        Mistake(
            "shifted",
            "The labels are shifted by one, as for a GPT. An encoder names the token "
            "at the very place it reads.",
            _loss_shifted,
        ),
        Mistake(
            "summed",
            "The losses are added up. Take their mean, so that a batch with more "
            "blanks does not weigh more.",
            lambda logits, labels: masked_lm_loss(logits, labels, reduction="sum"),
        ),
        Mistake(
            "mean of means",
            "A mean is taken in each row, and then over the rows. A blank in a row "
            "with few of them then weighs more: take one mean over all blanks.",
            _loss_of_rows,
        ),
    ),
)


# --- the next sentence -------------------------------------------------------------


def _follows(nsp_logits):
    """The probability that the second passage follows."""
    return nsp_logits.softmax(-1)[:, 0]


FOLLOWS = Exercise(
    name="follows_probability",
    signature="follows_probability(nsp_logits)",
    reference=_follows,
    cases=lambda: [
        (torch.tensor([[2.0, -1.0], [0.0, 0.0], [-3.0, 0.5]]),),
        Case(torch.tensor([[0.2, 1.4]]), note="a single pair"),
    ],
    right=(
        lambda z: torch.sigmoid(z[:, 0] - z[:, 1]),
        lambda z: z[:, 0].exp() / z.exp().sum(-1),
    ),
    mistakes=(
        Mistake(
            "the other column",
            "That is the probability that it does *not* follow. In BERT column 0 means "
            "“follows”, against every habit.",
            lambda z: z.softmax(-1)[:, 1],
        ),
        Mistake(
            "softmax over the batch",
            "The softmax runs over the pairs of the batch. It is the two scores of one "
            "pair that compete: the last axis.",
            lambda z: z.softmax(0)[:, 0],
        ),
        Mistake(
            "one score alone",
            "A sigmoid of the first score ignores the second one. The two compete: a "
            "softmax, or a sigmoid of their difference.",
            lambda z: torch.sigmoid(z[:, 0]),
        ),
        Mistake(
            "no softmax",
            "These are scores, not probabilities: they need a softmax.",
            lambda z: z[:, 0],
        ),
    ),
)


EXERCISES = [LOSS, FOLLOWS]
