"""Exercises of 01_tokenization: the longest piece that fits."""

from __future__ import annotations

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.tokenizers import WordPieceTokenizer

# --- wordpiece ---------------------------------------------------------------------


def _wordpiece_tokenizer(word, vocab):
    names = dict.fromkeys(["[UNK]", *sorted(vocab)])
    tokenizer = WordPieceTokenizer(
        {token: i for i, token in enumerate(names)}, lowercase=False
    )
    return [tokenizer.id_to_token(i) for i in tokenizer.encode(word)]


def _wordpiece(word, vocab):
    pieces, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        for end in range(len(word), start, -1):
            if mark + word[start:end] in vocab:
                pieces.append(mark + word[start:end])
                start = end
                break
        else:
            return ["[UNK]"]
    return pieces


def _wordpiece_shrinking(word, vocab):
    pieces, rest = [], word
    while rest:
        piece = rest
        while piece and (piece if not pieces else "##" + piece) not in vocab:
            piece = piece[:-1]
        if not piece:
            return ["[UNK]"]
        pieces.append("##" + piece if pieces else piece)
        rest = rest[len(piece) :]
    return pieces


def _pieces(word, vocab, mark="##", longest=True, first_mark="", unknown="whole"):
    """Cut a word, with the usual places for a slip left open."""
    pieces, start = [], 0
    while start < len(word):
        sign = mark if start else first_mark
        ends = (
            range(len(word), start, -1) if longest else range(start + 1, len(word) + 1)
        )
        end = next((e for e in ends if sign + word[start:e] in vocab), None)
        if end is None:
            if unknown == "rest":
                return [*pieces, "[UNK]"]
            if unknown == "letter":
                pieces.append("[UNK]")
                start += 1
                continue
            return ["[UNK]"]
        pieces.append(sign + word[start:end])
        start = end
    return pieces


def _no_prefix(word, vocab):
    return _pieces(word, vocab, mark="")


def _prefix_lost_in_output(word, vocab):
    return [p.removeprefix("##") for p in _wordpiece(word, vocab)]


def _shortest(word, vocab):
    return _pieces(word, vocab, longest=False)


def _unknown_rest(word, vocab):
    return _pieces(word, vocab, unknown="rest")


def _unknown_letters(word, vocab):
    return _pieces(word, vocab, unknown="letter")


def _prefix_everywhere(word, vocab):
    return _pieces(word, vocab, first_mark="##")


def _whole_or_unknown(word, vocab):
    return [word] if word in vocab else ["[UNK]"]


def _piece_cases():
    vocab = {"un", "u", "##aff", "##a", "##f", "##able", "a", "able", "aff", "##n", "s"}
    return [
        Case("unaffable", vocab),
        Case("able", vocab, note="a whole word"),
        Case("uns", vocab, note="a part that fits nowhere"),
        Case("xun", vocab, note="a first letter that fits nowhere"),
        Case("unafable", vocab),
        Case("sn", vocab),
    ]


EXERCISES = [
    Exercise(
        name="wordpiece",
        signature="wordpiece(word, vocab)",
        reference=_wordpiece,
        cases=_piece_cases,
        right=(_wordpiece_tokenizer, _wordpiece_shrinking),
        mistakes=(
            Mistake(
                "no ##",
                "Pieces inside a word must be looked up, and given back, with “##” in "
                "front: “able” and “##able” are two tokens.",
                (_no_prefix, _prefix_lost_in_output),
            ),
            Mistake(
                "shortest match",
                "It takes the shortest piece that fits. WordPiece takes the longest: "
                "try the whole rest first, and shorten it from the right.",
                _shortest,
            ),
            Mistake(
                "unknown rest",
                "When one part fits nowhere, the pieces before it stay in the result. "
                "The whole word becomes a single [UNK].",
                _unknown_rest,
            ),
            Mistake(
                "unknown letters",
                "When one letter fits nowhere, only this letter becomes [UNK]. It is "
                "the whole word that becomes one [UNK].",
                _unknown_letters,
            ),
            Mistake(
                "## everywhere",
                "The first piece of a word has no “##” in front.",
                _prefix_everywhere,
            ),
            Mistake(
                "whole words only",
                "A word that is not in the vocabulary may still be made of pieces that "
                "are.",
                _whole_or_unknown,
            ),
        ),
    ),
]
