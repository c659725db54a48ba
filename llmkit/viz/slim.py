"""Take the space out of a view's JavaScript, so that a notebook stores less of it.

It knows just enough of the language to leave strings, templates and patterns alone: it
drops comments, indentation and the blanks around signs, and renames nothing.
"""

from __future__ import annotations

import re

# after these a "/" begins a pattern; after a name, a number or a bracket it divides
_BEFORE_PATTERN = set("(,=:[!&|?{};+-*%<>~^\n")
_WORDS_BEFORE_PATTERN = {"return", "typeof", "case", "in", "of", "do", "else"}
# a statement cannot end with the first nor begin with the second
_GOES_ON = set("{;,([:?=&|><")
_CONTINUES = set(")]},.;:?&|=")


def slim_script(code: str) -> str:
    """Drop the comments and blanks of a script that do not matter.

    Args:
        code: JavaScript.

    Returns:
        The same program, shorter.
    """
    out: list[str] = []
    last = "\n"  # the last character that was kept
    at = 0
    while at < len(code):
        char = code[at]
        if char.isspace() or code.startswith(("//", "/*"), at):
            end = _skip_blank(code, at)
            kept = _blank(last, code[at:end], code[end : end + 3])
            if kept:
                out.append(kept)
                last = kept
        else:
            end = _end_of_piece(code, at, last, out)
            out.append(code[at:end])
            last = code[end - 1]
        at = end
    return "".join(out).strip() + "\n"


def _skip_blank(code: str, at: int) -> int:
    """Return where a run of blanks and comments ends."""
    return re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)+", re.DOTALL).match(code, at).end()


def _blank(last: str, blank: str, following: str) -> str:
    """Return what must stay of a run of blanks: nothing, a space or a line break."""
    if not following:
        return ""
    after = following[0]
    if "\n" in blank:
        return "" if last in _GOES_ON or after in _CONTINUES or last == "\n" else "\n"
    if _name(last) and _name(after):
        return " "
    # a + +b, a - --b, a / /x/ and a < !--b would read differently without the space
    close = (last == after and after in "+-/") or following.startswith("!--")
    return " " if close else ""


def _name(char: str) -> bool:
    return char.isalnum() or char in "_$#" or ord(char) > 127


def _end_of_piece(code: str, at: int, last: str, out: list[str]) -> int:
    """Return where a string, template, pattern, name or sign ends."""
    char = code[at]
    if char in "\"'":
        return _end_of_string(code, at)
    if char == "`":
        return _end_of_template(code, at)
    if char == "/" and _may_be_pattern(last, out):
        return _end_of_pattern(code, at)
    if _name(char):
        return re.compile(r"[\w$#]+").match(code, at).end()
    return at + 1


def _end_of_string(code: str, at: int) -> int:
    quote, at = code[at], at + 1
    while code[at] != quote:
        at += 2 if code[at] == "\\" else 1
    return at + 1


def _end_of_template(code: str, at: int) -> int:
    at += 1
    while code[at] != "`":
        if code[at] == "\\":
            at += 2
        elif code.startswith("${", at):
            at = _end_of_braces(code, at + 1)
        else:
            at += 1
    return at + 1


def _end_of_braces(code: str, at: int) -> int:
    """Return where the bracket that opens at `at` is closed again."""
    depth = 0
    while True:
        char = code[at]
        if char in "\"'":
            at = _end_of_string(code, at)
            continue
        if char == "`":
            at = _end_of_template(code, at)
            continue
        depth += (char == "{") - (char == "}")
        at += 1
        if depth == 0:
            return at


def _may_be_pattern(last: str, out: list[str]) -> bool:
    if last in _BEFORE_PATTERN:
        return True
    words = [piece for piece in out[-2:] if piece.strip()]
    return bool(words) and words[-1] in _WORDS_BEFORE_PATTERN


def _end_of_pattern(code: str, at: int) -> int:
    inside = False  # of a class, where a slash ends nothing
    at += 1
    while inside or code[at] != "/":
        if code[at] == "\\":
            at += 1
        elif code[at] in "[]":
            inside = code[at] == "["
        at += 1
    return re.compile(r"[a-z]*").match(code, at + 1).end()
