"""Exercises of 08_pretraining_bert: pack a pair, and hide words."""

from __future__ import annotations

import torch

from llmkit.course.exercise import Case, Exercise, Mistake


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


EXERCISES = [PACK, HIDE]
