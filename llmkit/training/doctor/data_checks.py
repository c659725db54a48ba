"""Is the data what the model needs, and in the right place?

Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from llmkit.training.doctor.notes import Note
from llmkit.training.doctor.record import Record

_MOST = 0.9  # of the targets: enough to tell where they come from
_CONSTANT = 0.95
_LEAKED = 0.1  # licences and headings alone are met again less often
_SORTED = 0.15
_BATCHES = 3  # fewer say nothing
_OFTEN = 0.2  # of the batches: a row of dashes at the end of a few is no padding


def unknown_tokens(record: Record) -> Iterator[Note]:
    """See whether the model has a vector for every token."""
    if record.unknown_id is not None:
        token, step = record.unknown_id
        yield Note(
            "tokenizer of another model",
            f"At step {step} the model was given the id {token}, but its ids go from "
            f"0 to {record.vocab_size - 1}.",
            "Use the tokenizer that belongs to the model, or make the model with "
            "vocab_size=tokenizer.vocab_size.",
        )


def foreign_tokenizer(record: Record) -> Iterator[Note]:
    """See whether ids and vocabulary fit each other."""
    if record.unknown_id is not None or not record.vocab_size:
        return
    size, top = record.vocab_size, record.top_id
    # even where ids are sorted by frequency, the upper half of a table that fits comes
    # up every few dozen tokens
    if record.n_read >= max(1000, size / 2) and top < size / 2:
        yield Note(
            "tokenizer of another model",
            f"In {record.n_read:,} tokens no id was above {top}, although the model "
            f"knows {size:,}: most of its table is never used.",
            "Make the model with vocab_size=tokenizer.vocab_size, or load the "
            "tokenizer it was trained with.",
        )
    first = next((s.losses.get("plain") for s in record.steps), None)
    trained = record.fresh is False
    if trained and first is not None and first > record.even > 0:
        yield Note(
            "tokenizer of another model",
            f"The model was trained before, yet its first loss, {first:.2f}, is above "
            f"that of an even guess, {record.even:.2f}: its tokens mean something "
            "else here.",
            "Load the tokenizer that was saved beside the model.",
        )


def targets_in_wrong_place(record: Record) -> Iterator[Note]:
    """See whether a target is the token after its input."""
    if len(record.batches) < _BATCHES:
        return
    told, same = record.told_by(), record.share(0)
    if record.share(1) > _MOST and told == "shifted":
        yield Note(
            "targets shifted twice",
            "The targets are already the next tokens, and the loss shifts them once "
            "more: the model learns to skip a token.",
            "Shift once: either in the data or in the loss.",
        )
    elif same > _MOST and told != "shifted":
        yield from _unshifted(record)
    elif record.share(2) > _MOST > record.share(1):
        yield Note(
            "targets shifted twice",
            "Each target is the token after the next: a token is skipped.",
            "inputs = ids[:, :-1], targets = ids[:, 1:], and no more.",
        )
    elif record.share(-1) > _MOST > record.share(1):
        yield Note(
            "targets shifted backwards",
            "Each target is the token before its input: the model learns to remember "
            "and not to foresee.",
            "inputs = ids[:, :-1], targets = ids[:, 1:].",
        )
    elif record.causal and record.share(1) < 0.5 and record.batches[0].ahead:
        if told == "plain" and same < 0.5:
            yield Note(
                "targets do not belong to the inputs",
                f"Only {record.share(1):.0%} of the targets are the token after their "
                "input.",
                "Were inputs and targets shuffled separately, or cut at different "
                "places?",
            )


def _unshifted(record: Record) -> Iterator[Note]:
    if record.causal:
        yield Note(
            "targets not shifted",
            "Each target is its own input: the model learns to copy, the loss falls "
            "to 0, and it can foresee nothing.",
            "inputs = ids[:, :-1], targets = ids[:, 1:].",
        )
    elif record.causal is False:
        yield Note(
            "nothing is masked",
            "The tokens asked about stand in the input unhidden: the model learns to "
            "copy.",
            "Replace 80 % of the chosen tokens by the mask token before the model "
            "reads them, and 10 % by a random one.",
        )


def no_targets(record: Record) -> Iterator[Note]:
    """See whether there is something to be right about."""
    empty = [b for b in record.batches if b.places and not b.counted]
    if empty:
        yield Note(
            "no target counts",
            f"In {len(empty)} of {len(record.batches)} batches every target is "
            "ignored (-100): the mean over nothing is not a number.",
            "Look at the masks; for masked words, draw again until one is chosen.",
        )


def constant_targets(record: Record) -> Iterator[Note]:
    """See whether the right answer ever changes."""
    seen = [b for b in record.batches if b.counted > 1]
    if len(seen) < _BATCHES or record.vocab_size < 2:
        return
    total = sum(record.counts.values())
    share = max(record.counts.values()) / total if total else 0.0
    if share > _CONSTANT:
        yield Note(
            "targets constant",
            f"{share:.0%} of all targets are the same: the model has only to learn "
            "that one answer.",
            "Look at how labels are made; an index or a default value may stand in "
            "for all of them.",
        )


def repeated_batch(record: Record) -> Iterator[Note]:
    """See whether each step reads something new."""
    keys = [b.key for b in record.batches]
    same = sum(a == b for a, b in pairwise(keys))
    if len(keys) > _BATCHES and same > 0.8 * (len(keys) - 1):
        yield Note(
            "same batch again and again",
            f"{same + 1} of {len(keys)} batches are one and the same: the model "
            "learns it by heart.",
            "Make the iterator once, before the loop; next(iter(loader)) begins anew "
            "each time.",
        )


def padding(record: Record) -> Iterator[Note]:
    """See whether padding is asked about, or read."""
    asked = [b.padding_asked for b in record.batches if b.padded]
    least = max(_BATCHES, _OFTEN * len(record.batches))
    if len(asked) >= least and sum(asked) / len(asked) > 0.01:
        yield Note(
            "padding in the loss",
            f"{sum(asked) / len(asked):.0%} of the targets are padding after padding: "
            "the model is praised for what is no text.",
            "Set these targets to -100, which the loss leaves out.",
        )
    seen = [b for b in record.batches if b.padded and not b.masked]
    if record.causal is False and len(seen) >= least:
        yield Note(
            "padding is read",
            f"{len(seen)} batches hold padding, but the model got no attention_mask: "
            "real tokens look at it.",
            "Pass attention_mask, True at real tokens.",
        )


def not_shuffled(record: Record) -> Iterator[Note]:
    """See whether a batch is a fair sample."""
    if record.unshuffled is not None and record.unshuffled > _SORTED:
        yield Note(
            "data not shuffled",
            f"Rows of one batch are alike: {record.unshuffled:.0%} of the difference "
            "between rows is one between batches. Each step pulls towards one kind "
            "of text, and the next one forgets it.",
            "Shuffle the texts before they are put into batches.",
        )


def leak(record: Record) -> Iterator[Note]:
    """See whether the validation text was trained on."""
    if record.leaked > _LEAKED:
        yield Note(
            "validation text in the training data",
            f"{record.leaked:.0%} of the validation passages were met in training, "
            "word for word: its score measures memory.",
            "Split by document before anything else; llmkit.detectors.overlap says "
            "which.",
        )
