"""Random texts of every awkward kind, for the comparisons with references."""

import random

WORDS = (
    "the a cat sat on mat . , ! ? Hello world 3.5 1,000 12-34 don't it's &amp; &quot; "
    "(hi) naïve Ångström 東京 は 猫 “quote” — … 🙂 é x-y U.S. ... -- walking walks "
    "cats happily relational ponies an The #1 50% \u200f\u202e Ω \u00a0"
).split(" ")


def text(rng: random.Random) -> str:
    """A text of no, one or several words, sometimes without spaces."""
    size = rng.choice([0, 0, 1, 2, 5, 9, 17])
    between = rng.choice([" ", " ", " ", "  ", "", "\n"])
    end = rng.choice(["", "", " ", "\n"])
    return between.join(rng.choice(WORDS) for _ in range(size)) + end


def changed(rng: random.Random, words: str) -> str:
    """The same text with other words, words twice, or words out of order."""
    parts = [w if rng.random() < 0.7 else rng.choice(WORDS) for w in words.split(" ")]
    if rng.random() < 0.3:
        parts += parts
    if rng.random() < 0.3:
        rng.shuffle(parts)
    return " ".join(parts)


def pairs(seed: int, count: int = 1000, most: int = 3) -> list[tuple[str, list[str]]]:
    """Candidates, each with one to `most` references, near or far."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        references = [text(rng) for _ in range(rng.randint(1, most))]
        near = rng.random() < 0.8
        candidate = changed(rng, rng.choice(references)) if near else text(rng)
        found.append((candidate, references))
    return found
