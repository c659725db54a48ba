"""The multilingual sentences: complete, in the right script, no two alike."""

import re
import unicodedata

import pytest

from llmkit.data import load_languages, load_sentences

CODES = ["en", "de", "fr", "es", "tr", "ru", "el", "ar", "hi", "zh", "ja", "ko"]
# the words that may open the Unicode name of a letter of each script
LETTERS = {
    "Latin": ("LATIN",),
    "Cyrillic": ("CYRILLIC",),
    "Greek": ("GREEK",),
    "Arabic": ("ARABIC",),
    "Devanagari": ("DEVANAGARI",),
    "Han": ("CJK",),
    "Japanese": ("CJK", "HIRAGANA", "KATAKANA"),
    "Hangul": ("HANGUL",),
}
each_language = pytest.mark.parametrize("code", CODES)


def texts(code):
    return [row[code] for row in load_sentences()]


def test_thirty_sentences_in_twelve_languages():
    assert list(load_languages()) == CODES
    assert len(load_sentences()) == 30
    assert all(list(row) == CODES for row in load_sentences())


@each_language
def test_every_letter_is_of_the_language_s_script(code):
    words = LETTERS[load_languages()[code].script]
    letters = [c for c in "".join(texts(code)) if unicodedata.category(c)[0] in "LM"]
    assert len(letters) > 200
    for letter in letters:
        # the Japanese long-vowel sign has a name of its own
        name = unicodedata.name(letter)
        assert name.startswith((*words, "KATAKANA-HIRAGANA")), (letter, name)


@each_language
def test_no_duplicates_and_sound_text(code):
    found = texts(code)
    assert len(set(found)) == 30
    for text in found:
        assert text == text.strip()
        assert text == unicodedata.normalize("NFC", text)
        assert "  " not in text
        assert text[-1] in ".?!。？！।؟;", text
        assert not any(unicodedata.category(c).startswith("C") for c in text)


@each_language
def test_lengths_are_near_those_of_english(code):
    """A half-translated or swapped sentence would stand out."""
    dense = code in ("zh", "ja", "ko")
    for mine, english in zip(texts(code), texts("en"), strict=True):
        low, high = (0.15, 1.0) if dense else (0.4, 1.9)
        assert low < len(mine) / len(english) < high, (mine, english)


@each_language
def test_the_one_number_is_where_it_belongs(code):
    with_digits = [n for n, text in enumerate(texts(code)) if re.search(r"\d", text)]
    assert with_digits == [24]
    assert "2400" in texts(code)[24]


def test_questions_are_questions():
    def asks(text):
        return text.rstrip()[-1] in "?？؟;" or text.endswith("か。")

    for number, row in enumerate(load_sentences()):
        votes = [asks(text) for text in row.values()]
        # a greeting or a wish may be put as a plain sentence; most must agree
        assert sum(votes) in (0, 11, 12), (number, row)


def test_right_to_left_is_marked():
    directions = {code: lang.direction for code, lang in load_languages().items()}
    assert [c for c, d in directions.items() if d == "rtl"] == ["ar"]
