"""Exercises of 01_tokenization: cut a text at its special tokens."""

from __future__ import annotations

import re

from llmkit.course.exercise import Case, Exercise, Mistake

# --- split_special -----------------------------------------------------------------


def _split_special(text, special_tokens):
    if not special_tokens:
        return [text] if text else []
    longest_first = sorted(special_tokens, key=len, reverse=True)
    pattern = "|".join(map(re.escape, longest_first))
    return [part for part in re.split(f"({pattern})", text) if part]


def _split_by_scanning(text, special_tokens):
    parts, plain, i = [], "", 0
    while i < len(text):
        found = [s for s in special_tokens if text.startswith(s, i)]
        if found:
            token = max(found, key=len)
            parts += [plain, token]
            plain, i = "", i + len(token)
        else:
            plain += text[i]
            i += 1
    return [part for part in [*parts, plain] if part]


def _split_by_finditer(text, special_tokens):
    order = sorted(special_tokens, key=lambda s: (-len(s), s))
    parts, end = [], 0
    if order:
        for match in re.finditer("|".join(map(re.escape, order)), text):
            parts += [text[end : match.start()], match[0]]
            end = match.end()
    return [part for part in [*parts, text[end:]] if part]


def _split_not_at_all(text, special_tokens):
    return [text] if text else []


def _split_at_spaces(text, special_tokens):
    return text.split()


def _split_drops_them(text, special_tokens):
    return [p for p in _split_special(text, special_tokens) if p not in special_tokens]


def _split_keeps_empty(text, special_tokens):
    if not special_tokens:
        return [text]
    longest_first = sorted(special_tokens, key=len, reverse=True)
    return re.split(f"({'|'.join(map(re.escape, longest_first))})", text)


def _split_shortest(text, special_tokens):
    if not special_tokens:
        return [text] if text else []
    shortest = sorted(special_tokens, key=len)
    return [p for p in re.split(f"({'|'.join(map(re.escape, shortest))})", text) if p]


def _split_first_only(text, special_tokens):
    places = [(text.find(s), -len(s), s) for s in special_tokens if s in text]
    if not places:
        return [text] if text else []
    at, _, token = min(places)
    return [p for p in (text[:at], token, text[at + len(token) :]) if p]


def _split_unescaped(text, special_tokens):
    if not special_tokens:
        return [text] if text else []
    longest_first = sorted(special_tokens, key=len, reverse=True)
    return [p for p in re.split(f"({'|'.join(longest_first)})", text) if p]


def _special_cases():
    end = ["<|end|>"]
    return [
        Case("one<|end|>two", end),
        Case("a<|end|><|end|>b<|end|>", end, note="several, side by side"),
        Case("[CLS] a [SEP]", ["[CLS]", "[SEP]"], note="names with brackets"),
        Case("x<s>y<s>long", ["<s>", "<s>long"], note="one that begins another"),
        Case("nothing special", end),
        Case("", end, note="an empty text"),
    ]


EXERCISES = [
    Exercise(
        name="split_special",
        signature="split_special(text, special_tokens)",
        reference=_split_special,
        cases=_special_cases,
        right=(_split_by_scanning, _split_by_finditer),
        mistakes=(
            Mistake(
                "special tokens split",
                "The special tokens are still inside the text, where the tokenizer "
                "would cut them into pieces. Cut the text at each of them first.",
                _split_not_at_all,
            ),
            Mistake(
                "at spaces",
                "A special token need not have spaces around it. Look for its text.",
                _split_at_spaces,
            ),
            Mistake(
                "special tokens dropped",
                "The special tokens are gone. Each is a part of the result; with "
                "re.split, put the pattern in brackets to keep it.",
                _split_drops_them,
            ),
            Mistake(
                "empty parts",
                "There are empty parts where a special token stands at an edge or "
                "beside another. Leave them out.",
                _split_keeps_empty,
            ),
            Mistake(
                "shorter first",
                "Where two special tokens begin at one place, the longer one counts: "
                "try “<s>long” before “<s>”.",
                _split_shortest,
            ),
            Mistake(
                "first only",
                "Only the first special token was found. Go on behind it.",
                _split_first_only,
            ),
            Mistake(
                "not escaped",
                "In a pattern, “|” and “[” have a meaning of their own. Use re.escape "
                "on each special token.",
                _split_unescaped,
            ),
        ),
    ),
]
