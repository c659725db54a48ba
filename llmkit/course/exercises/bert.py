"""Exercises of 08_pretraining_bert: pack a pair, hide words, and score the guesses."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.losses import masked_lm_loss


def _source(seed):
    return torch.Generator().manual_seed(seed)


# --- a pair ------------------------------------------------------------------------


def _pack(first, second, cls_id, sep_id):
    """Join two passages as BERT reads them: ids and segments."""
    ids = [cls_id, *first, sep_id, *second, sep_id]
    return ids, [0] * (len(first) + 2) + [1] * (len(second) + 1)


def _pack_by_parts(first, second, cls_id, sep_id):
    a, b = [cls_id, *first, sep_id], [*second, sep_id]
    return a + b, [0 for _ in a] + [1 for _ in b]


def _pack_with_loop(first, second, cls_id, sep_id):
    ids, segments = [cls_id], [0]
    for number, passage in enumerate((first, second)):
        for token in (*passage, sep_id):
            ids.append(token)
            segments.append(number)
    return ids, segments


def _pack_one_separator(first, second, cls_id, sep_id):
    ids, segments = _pack(first, second, cls_id, sep_id)
    return ids[:-1], segments[:-1]


def _pack_two_starts(first, second, cls_id, sep_id):
    ids = [cls_id, *first, sep_id, cls_id, *second, sep_id]
    return ids, [0] * (len(first) + 2) + [1] * (len(second) + 2)


def _pack_early_segment(first, second, cls_id, sep_id):
    ids, _ = _pack(first, second, cls_id, sep_id)
    return ids, [0] * (len(first) + 1) + [1] * (len(second) + 2)


def _pack_one_segment(first, second, cls_id, sep_id):
    ids, segments = _pack(first, second, cls_id, sep_id)
    return ids, [0] * len(segments)


PACK = Exercise(
    name="pack_pair",
    signature="pack_pair(first, second, cls_id, sep_id)",
    reference=_pack,
    cases=lambda: [
        ([7, 8, 9], [5, 6], 2, 3),
        Case([4], [9, 9, 9, 9], 1, 0, note="other ids"),
        Case([], [5], 2, 3, note="an empty first passage"),
    ],
    right=(_pack_by_parts, _pack_with_loop),
    mistakes=(
        Mistake(
            "one separator",
            "The second passage has no [SEP] at its end. Both passages end with one.",
            _pack_one_separator,
        ),
        Mistake(
            "two starts",
            "There is a [CLS] before the second passage as well. The whole pair has "
            "one, at the very beginning.",
            _pack_two_starts,
        ),
        Mistake(
            "separator in the wrong segment",
            "The [SEP] between the passages ends the first one, so it belongs to "
            "segment 0.",
            _pack_early_segment,
        ),
        Mistake(
            "one segment",
            "All segments are 0, so the model cannot tell which passage a word is in. "
            "The second passage and its [SEP] are segment 1.",
            _pack_one_segment,
        ),
        Mistake(
            "segments from 1",
            "The segments are counted from 1. The first passage is segment 0, the "
            "second one segment 1.",
            lambda *given: (_pack(*given)[0], [n + 1 for n in _pack(*given)[1]]),
        ),
    ),
)

# --- hiding ------------------------------------------------------------------------


def _hide(ids, special, luck, fate, others, mask_id):
    """Hide tokens by 15% and 80/10/10, from numbers already drawn."""
    chosen = (luck < 0.15) & ~special
    labels = ids.masked_fill(~chosen, -100)
    inputs = ids.masked_fill(chosen & (fate < 0.8), mask_id)
    swapped = chosen & (fate >= 0.8) & (fate < 0.9)
    return torch.where(swapped, others, inputs), labels


def _hide_with_loops(ids, special, luck, fate, others, mask_id):
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for row in range(ids.shape[0]):
        for at in range(ids.shape[1]):
            if special[row, at] or luck[row, at] >= 0.15:
                continue
            labels[row, at] = ids[row, at]
            if fate[row, at] < 0.8:
                inputs[row, at] = mask_id
            elif fate[row, at] < 0.9:
                inputs[row, at] = others[row, at]
    return inputs, labels


def _hide_by_where(ids, special, luck, fate, others, mask_id):
    chosen = torch.where(special, torch.ones_like(luck), luck) < 0.15
    new = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, others, ids))
    return torch.where(chosen, new, ids), torch.where(chosen, ids, -100)


def _hide_specials_too(ids, special, luck, fate, others, mask_id):
    return _hide(ids, torch.zeros_like(special), luck, fate, others, mask_id)


def _hide_ask_everywhere(ids, special, luck, fate, others, mask_id):
    return _hide(ids, special, luck, fate, others, mask_id)[0], ids


def _hide_labels_after(ids, special, luck, fate, others, mask_id):
    inputs, labels = _hide(ids, special, luck, fate, others, mask_id)
    return inputs, torch.where(labels == -100, labels, inputs)


def _hide_kept_not_asked(ids, special, luck, fate, others, mask_id):
    inputs, labels = _hide(ids, special, luck, fate, others, mask_id)
    return inputs, labels.masked_fill(fate >= 0.9, -100)


def _hide_always(ids, special, luck, fate, others, mask_id):
    return _hide(ids, special, luck, torch.zeros_like(fate), others, mask_id)


def _hide_upside_down(ids, special, luck, fate, others, mask_id):
    inputs, _ = _hide(ids, special, luck, fate, others, mask_id)
    chosen = (luck < 0.15) & ~special
    return inputs, ids.masked_fill(chosen, -100)


def _hide_no_swap(ids, special, luck, fate, others, mask_id):
    return _hide(ids, special, luck, fate, ids, mask_id)


def _hide_cases():
    def case(rows, length, seed, luck=1.0):
        source = _source(seed)
        ids = torch.randint(5, 40, (rows, length), generator=source)
        special = torch.zeros(rows, length, dtype=torch.bool)
        special[:, 0] = special[:, -3:] = True
        drawn = [torch.rand(rows, length, generator=source) for _ in range(2)]
        others = torch.randint(40, 60, (rows, length), generator=source)
        return ids, special, luck * drawn[0], drawn[1], others, 4

    return [
        case(6, 50, 0),
        Case(*case(3, 20, 1, luck=0.1), note="every word is chosen"),
        Case(*case(1, 4, 2), note="special tokens only"),
    ]


HIDE = Exercise(
    name="mask_tokens",
    signature="mask_tokens(ids, special, luck, fate, others, mask_id)",
    reference=_hide,
    cases=_hide_cases,
    right=(_hide_with_loops, _hide_by_where),
    mistakes=(
        Mistake(
            "specials hidden",
            "A [CLS], [SEP] or padding is chosen. There is nothing to learn there: "
            "leave out what `special` marks.",
            _hide_specials_too,
        ),
        Mistake(
            "asked everywhere",
            "Every token has a label. The loss would then reward copying what is in "
            "plain sight: where nothing was chosen, the label is -100.",
            _hide_ask_everywhere,
        ),
        Mistake(
            "labels from the masked text",
            "The labels were read after the text was changed, so the model is asked to "
            "answer [MASK]. The label is what stood there before.",
            _hide_labels_after,
        ),
        Mistake(
            "kept ones not asked",
            "The chosen tokens that stay as they are have no label. They are asked "
            "about too: the model must not learn that plain words need no thought.",
            _hide_kept_not_asked,
        ),
        Mistake(
            "always the mask",
            "Every chosen token becomes the mask. Only 80 % do: `fate` decides.",
            _hide_always,
        ),
        Mistake(
            "upside down",
            "The labels are upside down: -100 belongs where nothing was chosen.",
            _hide_upside_down,
        ),
        Mistake(
            "no random tokens",
            "No token is exchanged. Where `fate` lies between 0.8 and 0.9, the token "
            "from `others` takes its place.",
            _hide_no_swap,
        ),
    ),
)

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

EXERCISES = [PACK, HIDE, LOSS, FOLLOWS]
