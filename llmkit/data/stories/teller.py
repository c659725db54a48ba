"""Tell what happens in the world, word by word, with the bits of each word.

Every choice is told at once: the first word that depends on it carries its bits, and no
two choices give the same word there. So the bits of a word are exactly minus log2 of
its probability given all words before it, and no model can do better on average.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from llmkit.checks import check_positive
from llmkit.data.stories.choices import Chooser
from llmkit.data.stories.world import (
    COLOURS,
    MOODS,
    PEOPLE,
    PLACES,
    THINGS,
    Event,
    World,
)

# how likely each kind of event is, up to a factor, where it is possible
WEIGHTS = {"went": 3.0, "took": 4.0, "dropped": 1.0, "gave": 4.0, "wanted": 2.0}
WEIGHTS |= dict.fromkeys(MOODS, 0.4)
_NEAR = 4.0  # a place that the story has named, against 1 for another


@dataclass
class Story:
    """A story: its words, their bits, and what happened."""

    words: list[str] = field(default_factory=list)
    bits: list[float] = field(default_factory=list)  # one for each word
    start: World = field(default_factory=World)  # before the first event
    end: World = field(default_factory=World)
    events: list[Event] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The story as running text, one sentence to a line."""
        out = ""
        for before, word in zip(["\n", *self.words], self.words, strict=False):
            gap = "" if word == "." or before == "\n" else " "
            out += gap + word if before != "." else "\n" + word
        return out

    @property
    def sentences(self) -> list[str]:
        """The sentences of the story, in order."""
        return self.text.split("\n")

    @property
    def surprisal(self) -> float:
        """How many bits the whole story carries: minus log2 of its probability."""
        return sum(self.bits)


def tell(
    seed: int | Chooser = 0,
    n_people: int = 2,
    n_things: int = 2,
    go_on: float = 0.85,
    longest: int = 14,
) -> Story:
    """Tell one story.

    Args:
        seed: of the random choices, or a `Chooser` to make them.
        n_people: how many people there are.
        n_things: how many things.
        go_on: the probability that another event follows.
        longest: the most events that anybody begins.

    Returns:
        The story. It begins with who and what is where and ends with "The end.".

    Raises:
        ValueError: a number is out of range.
    """
    _check(n_people, n_things, go_on, longest)
    chooser = seed if isinstance(seed, Chooser) else Chooser(random.Random(seed))
    story = Story()
    teller = _Teller(story, chooser)
    world = teller.open(n_people, n_things)
    story.start = world.copy()
    for _ in range(longest):
        if not chooser.pick((True, False), (go_on, 1 - go_on)):
            break
        _act(teller, world)
    teller.say("The", "end", ".")
    story.end = world
    return story


def stories(n: int, seed: int = 0, **sizes) -> Iterator[Story]:
    """Tell many stories; the same seed tells the same ones.

    Args:
        n: how many.
        seed: of all of them.
        **sizes: as for `tell`.

    Yields:
        `n` stories.
    """
    check_positive("n", n)
    chooser = Chooser(random.Random(seed))
    for _ in range(n):
        yield tell(chooser, **sizes)


def vocabulary() -> list[str]:
    """Return every word and mark that a story can hold, each once.

    With these as tokens a word is a token, so that the bits of a word are the bits of
    a token. "The" and "the" are two words.
    """
    fixed = "the . was in There a He She went to took dropped gave wanted happy The end"
    return [*PEOPLE, *PLACES, *THINGS, *COLOURS, *MOODS, *fixed.split()]


def entropy_rate(found: list[Story], n_tokens: int) -> tuple[float, float, float]:
    """Return the least loss that any model can have on these stories.

    Args:
        found: the stories.
        n_tokens: how many tokens they are to the model, ends of stories included.

    Returns:
        The floor in nats for each token, and a 95% interval for the floor over all
        stories of this kind, from the spread between stories.

    Raises:
        ValueError: there are fewer than two stories, or no tokens.
    """
    check_positive("n_tokens", n_tokens)
    if len(found) < 2:
        raise ValueError(f"entropy_rate needs two stories or more; got {len(found)}")
    nats = [story.surprisal * math.log(2) for story in found]
    mean = sum(nats) / len(nats)
    spread = math.sqrt(sum((x - mean) ** 2 for x in nats) / (len(nats) - 1))
    half = 1.96 * spread / math.sqrt(len(nats))
    scale = len(nats) / n_tokens
    return mean * scale, (mean - half) * scale, (mean + half) * scale


class _Teller:
    """Writes words, and puts on each the bits of the choices it reveals."""

    def __init__(self, story: Story, chooser: Chooser):
        self.story, self.chooser = story, chooser
        self.subject = ""  # of the sentence before
        self.named: list[str] = []  # places, in the order they were named

    def say(self, *words: str) -> None:
        for word in words:
            self.story.words.append(word)
            self.story.bits.append(self.chooser.spend())

    def pick(self, options, weights=None):
        return self.chooser.pick(options, weights)

    def open(self, n_people: int, n_things: int) -> World:
        """Say who is where and what lies where."""
        world = World()
        for _ in range(n_people):
            name = self.pick([p for p in PEOPLE if p not in world.people])
            self.say(name, "was", "in", "the")
            world.people[name] = self.place()
        for _ in range(n_things):
            self.say("There", "was", "a")
            colour = self.pick([c for c in COLOURS if c not in world.colours.values()])
            self.say(colour)
            thing = self.pick([t for t in THINGS if t not in world.things])
            self.say(thing, "in", "the")
            world.colours[thing] = colour
            world.things[thing] = self.place()
        return world

    def place(self, but: str = "") -> str:
        """Choose and say a place; one that was named is likelier."""
        options = [p for p in PLACES if p != but]
        near = [_NEAR if p in self.named else 1.0 for p in options]
        place = self.pick(options, near)
        self.say(place, ".")
        if place not in self.named:
            self.named.append(place)
        return place

    def begin(self, who: str) -> None:
        """Name the subject, by a pronoun if it was the subject before."""
        pronoun = "She" if PEOPLE[who] else "He"
        self.say(pronoun if who == self.subject else who)
        self.subject = who

    def the(self, world: World, options: list[str]) -> str:
        """Choose a thing and say it; its colour comes first and gives it away."""
        self.say("the")
        thing = self.pick(options)
        self.say(world.colours[thing], thing)
        return thing


def _act(teller: _Teller, world: World) -> None:
    """Let somebody do something, and tell it and what follows."""
    who = teller.pick(list(world.people))
    teller.begin(who)
    kinds = world.possible(who)
    kind = teller.pick(kinds, [WEIGHTS[k] for k in kinds])
    teller.say(kind)
    thing = place = whom = ""
    if kind == "went":
        teller.say("to", "the")
        place = teller.place(but=world.people[who])
    elif kind == "took":
        thing = teller.the(world, world.lying_at(world.people[who]))
    elif kind in ("dropped", "gave"):
        thing = teller.the(world, world.held_by(who))
    elif kind == "wanted":
        thing = teller.the(world, world.wishes(who))
    if kind == "gave":
        teller.say("to")
        whom = teller.pick(world.beside(who))
        teller.say(whom)
    if kind != "went":
        teller.say(".")
    event = Event(kind, who, thing, place, whom)
    teller.story.events.append(event)
    for after in world.happen(event):
        teller.begin(after.who)
        teller.say("was", "happy", ".")
        teller.story.events.append(after)


def _check(n_people: int, n_things: int, go_on: float, longest: int) -> None:
    for name, value, most in (
        ("n_people", n_people, len(PEOPLE)),
        ("n_things", n_things, len(COLOURS)),
    ):
        if not 1 <= value <= most:
            raise ValueError(f"{name} must lie between 1 and {most}; got {value}")
    if not 0 < go_on < 1:
        raise ValueError(f"go_on must lie between 0 and 1, both excluded; got {go_on}")
    check_positive("longest", longest)
