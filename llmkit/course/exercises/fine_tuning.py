"""Exercises of 10_fine_tuning_bert: pool, weigh the rare, and rates by layer."""

from __future__ import annotations

from collections import Counter

import torch

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.tasks import class_weights, mean_pool


def _batch(lengths, d_model, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(len(lengths), max(lengths), d_model, generator=g)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return x, mask


# --- pooling -----------------------------------------------------------------------


def _pool_row_by_row(x, mask):
    return torch.stack([row[real].mean(0) for row, real in zip(x, mask, strict=True)])


def _pool_with_einsum(x, mask):
    share = mask / mask.sum(1, keepdim=True)
    return torch.einsum("btd,bt->bd", x, share.to(x))


def _pool_padding_too(x, mask):
    return x.mean(1)


def _pool_wrong_count(x, mask):
    return (x * mask[..., None]).mean(1)


def _pool_sum(x, mask):
    return (x * mask[..., None]).sum(1)


def _pool_first(x, mask):
    return x[:, 0]


def _pool_over_batch(x, mask):
    return (x * mask[..., None]).sum(1) / mask.sum()


POOL = Exercise(
    name="mean_pool",
    signature="mean_pool(x, mask)",
    reference=mean_pool,
    cases=lambda: [
        _batch([4, 2, 3], 5),
        Case(*_batch([6], 3, seed=1), note="one text, no padding"),
        Case(*_batch([1, 5], 4, seed=2), note="a text of a single token"),
    ],
    right=(_pool_row_by_row, _pool_with_einsum),
    mistakes=(
        Mistake(
            "padding has a say",
            "The mean runs over padding too, so the same text gets another vector in "
            "another batch. Hide the padding with the mask before you add up.",
            _pool_padding_too,
        ),
        Mistake(
            "divided by the longest",
            "Padding adds nothing any more, but you still divide by T, the length of "
            "the longest text. Divide by the number of real tokens of each text.",
            _pool_wrong_count,
        ),
        Mistake(
            "a sum, not a mean",
            "The sum grows with the length of the text. Divide by the number of real "
            "tokens.",
            _pool_sum,
        ),
        Mistake(
            "the first token only",
            "That is first pooling, as with [CLS]. Here all real tokens have a say.",
            _pool_first,
        ),
        Mistake(
            "one count for the whole batch",
            "You divide by all real tokens of the batch. Each text needs a count of "
            "its own: mask.sum(1, keepdim=True).",
            _pool_over_batch,
        ),
    ),
)

# --- rare classes ------------------------------------------------------------------


def _weights_with_counter(labels, n_classes):
    counts = Counter(int(label) for label in labels)
    total = len(labels)
    return torch.tensor([total / (n_classes * counts[c]) for c in range(n_classes)])


def _weights_with_one_hot(labels, n_classes):
    hot = torch.nn.functional.one_hot(torch.as_tensor(labels), n_classes).float()
    return 1 / (n_classes * hot.mean(0))


def _weights_upside_down(labels, n_classes):
    counts = torch.bincount(torch.as_tensor(labels), minlength=n_classes)
    return n_classes * counts.float() / len(labels)


def _weights_not_scaled(labels, n_classes):
    counts = torch.bincount(torch.as_tensor(labels), minlength=n_classes)
    return 1 / counts.float()


def _weights_as_shares(labels, n_classes):
    counts = torch.bincount(torch.as_tensor(labels), minlength=n_classes)
    return counts.float() / len(labels)


def _weights_sum_to_one(labels, n_classes):
    inverse = _weights_not_scaled(labels, n_classes)
    return inverse / inverse.sum()


def _weights_forgot_classes(labels, n_classes):
    return len(labels) * _weights_not_scaled(labels, n_classes)


WEIGHTS = Exercise(
    name="class_weights",
    signature="class_weights(labels, n_classes)",
    reference=class_weights,
    cases=lambda: [
        ([0, 0, 0, 0, 0, 0, 1, 1, 2], 3),
        Case([1, 0, 1, 1, 1], 2, note="two classes"),
        Case([0, 1, 2, 3] * 2, 4, note="all classes alike"),
    ],
    right=(_weights_with_counter, _weights_with_one_hot),
    mistakes=(
        Mistake(
            "upside down",
            "The frequent class gets the large weight. It is the rare one that must "
            "count more: the number of its examples belongs below the line.",
            (_weights_upside_down, _weights_as_shares),
        ),
        Mistake(
            "no scale",
            "The ratios are right, but an example weighs far less than 1 on average, "
            "as if the rate had been turned down. Multiply by N / C.",
            _weights_not_scaled,
        ),
        Mistake(
            "weights that add up to 1",
            "The ratios are right, but it is not the C weights that should have a "
            "fixed sum: over all N examples they should average 1.",
            _weights_sum_to_one,
        ),
        Mistake(
            "forgot the number of classes",
            "With all classes alike every weight should be 1; yours is C. Divide by "
            "the number of classes.",
            _weights_forgot_classes,
        ),
    ),
)

# --- a rate for each layer ----------------------------------------------------------


def rates_by_layer(lr: float, decay: float, n_layers: int) -> list[float]:
    """Return the rate of each layer, the lowest first.

    Args:
        lr: the rate of the top layer.
        decay: each layer learns at this share of the rate of the one above it.
        n_layers: L.
    """
    return [lr * decay ** (n_layers - 1 - layer) for layer in range(n_layers)]


def _rates_by_loop(lr, decay, n_layers):
    rates = [lr]
    while len(rates) < n_layers:
        rates.insert(0, rates[0] * decay)
    return rates


def _rates_reversed(lr, decay, n_layers):
    return [lr * decay**depth for depth in range(n_layers)][::-1]


def _rates_upside_down(lr, decay, n_layers):
    return [lr * decay**layer for layer in range(n_layers)]


def _rates_one_too_low(lr, decay, n_layers):
    return [lr * decay ** (n_layers - layer) for layer in range(n_layers)]


def _rates_linear(lr, decay, n_layers):
    return [lr * (1 - (1 - decay) * (n_layers - 1 - i)) for i in range(n_layers)]


def _rates_all_alike(lr, decay, n_layers):
    return [lr * decay] * n_layers


RATES = Exercise(
    name="layer_rates",
    signature="layer_rates(lr, decay, n_layers)",
    reference=rates_by_layer,
    cases=lambda: [
        (1e-3, 0.5, 4),
        Case(2.0, 0.9, 6, note="six layers, as in MiniLM"),
        Case(0.1, 0.7, 1, note="a single layer"),
    ],
    right=(_rates_by_loop, _rates_reversed),
    mistakes=(
        Mistake(
            "upside down",
            "The lowest layer learns fastest. It knows what all tasks share, so it "
            "should change least: the full rate belongs to the top.",
            _rates_upside_down,
        ),
        Mistake(
            "one step too low",
            "All rates are too small by one factor: the top layer itself should learn "
            "at lr. How many layers lie *above* the top one?",
            _rates_one_too_low,
        ),
        Mistake(
            "a straight line",
            "You take the same amount off for each layer, and deep enough the rate "
            "becomes negative. Each layer gets the same *share* of the one above.",
            _rates_linear,
        ),
        Mistake(
            "one rate for all",
            "Every layer has the same rate. Going down one layer multiplies by decay "
            "once more.",
            (_rates_all_alike, lambda lr, decay, n_layers: [lr] * n_layers),
        ),
    ),
)

EXERCISES = [POOL, WEIGHTS, RATES]
