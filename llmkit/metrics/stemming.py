"""Porter's stemmer: cut the endings off English words, so that "walks" meets "walked".

Porter 1980, "An algorithm for suffix stripping", with the few changes that NLTK made
and ROUGE's scores are computed with: irregular words, "-ies" and "-ied" in short
words, "-y" after a consonant, "-fulli", "-logi". Home notebook: 11_evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

_IRREGULAR = {
    "skies": "sky",
    "dying": "die",
    "lying": "lie",
    "tying": "tie",
    "innings": "inning",
    "outings": "outing",
    "cannings": "canning",
    # these only look as if they had an ending
    **dict.fromkeys(("sky", "news", "inning", "outing", "canning"), ""),
    **dict.fromkeys(("howe", "proceed", "exceed", "succeed"), ""),
}
# ending -> what replaces it, if something long enough stands before it
_STEP_2 = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
)
_STEP_3 = (
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
_STEP_4 = (
    *("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment"),
    *("ent", "ion", "ou", "ism", "ate", "iti", "ous", "ive", "ize"),
)


def stem(word: str) -> str:
    """Cut the ending off a word.

    Args:
        word: in lowercase.

    Returns:
        A stem, which need not be a word: "happily" becomes "happili".
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word] or word
    if len(word) <= 2:
        return word
    for step in (_plural, _past, _y, _long_endings, _step_3, _step_4, _e, _ll):
        word = step(word)
    return word


def measure(word: str) -> int:
    """Count how often vowels are followed by consonants: about the syllables.

    Args:
        word: a word or the beginning of one.

    Returns:
        0 for "tree", 1 for "trees", 2 for "private".
    """
    return _shape(word).count("vc")


def _shape(word: str) -> str:
    """Write c for each consonant and v for each vowel; y is what its left is not."""
    kinds = ""
    for letter in word:
        vowel = letter in "aeiou" or (letter == "y" and kinds.endswith("c"))
        kinds += "v" if vowel else "c"
    return kinds


def _ends_short(word: str) -> bool:
    """Whether it ends like "hop" or is like "at", and so may have lost an e."""
    shape = _shape(word)
    return shape == "vc" or (shape.endswith("cvc") and word[-1] not in "wxy")


def _replace(
    word: str, rules: Sequence[tuple[str, str]], allowed: Callable[[str], bool]
) -> str:
    """Apply the first rule whose ending fits, if what stands before it allows it."""
    for ending, other in rules:
        if word.endswith(ending):
            start = word[: len(word) - len(ending)]
            return start + other if allowed(start) else word
    return word


def _plural(word: str) -> str:
    if len(word) == 4 and word.endswith("ies"):
        return word[:-1]
    rules = (("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", ""))
    return _replace(word, rules, lambda start: True)


def _past(word: str) -> str:
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if measure(word[:-3]) > 0 else word
    for ending in ("ed", "ing"):
        start = word[: len(word) - len(ending)]
        if word.endswith(ending) and "v" in _shape(start):
            return _mend(start)
    return word


def _mend(start: str) -> str:
    """Give back what "-ed" and "-ing" had taken: hop(p)ing, fil(e)ing."""
    if start.endswith(("at", "bl", "iz")):
        return start + "e"
    if len(start) > 1 and start[-1] == start[-2] and _shape(start)[-1] == "c":
        return start if start[-1] in "lsz" else start[:-1]
    return start + "e" if measure(start) == 1 and _ends_short(start) else start


def _y(word: str) -> str:
    after_consonant = len(word) > 2 and _shape(word[:-1]).endswith("c")
    return word[:-1] + "i" if word.endswith("y") and after_consonant else word


def _long_endings(word: str) -> str:
    if word.endswith("alli") and measure(word[:-4]) > 0:
        return _long_endings(word[:-2])
    if word.endswith("logi"):
        return word[:-1] if measure(word[:-3]) > 0 else word
    return _replace(word, _STEP_2, lambda start: measure(start) > 0)


def _step_3(word: str) -> str:
    return _replace(word, _STEP_3, lambda start: measure(start) > 0)


def _step_4(word: str) -> str:
    def allowed(start: str) -> bool:
        fits = start[-1:] in ("s", "t") or not word.endswith("ion")
        return measure(start) > 1 and fits

    return _replace(word, [(ending, "") for ending in _STEP_4], allowed)


def _e(word: str) -> str:
    start = word[:-1]
    if word.endswith("e") and measure(start) == 1:
        return word if _ends_short(start) else start
    return start if word.endswith("e") and measure(start) > 1 else word


def _ll(word: str) -> str:
    return word[:-1] if word.endswith("ll") and measure(word[:-1]) > 1 else word
