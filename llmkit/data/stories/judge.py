"""Read a story that somebody else told, and say whether it could have happened.

An independent reader of the grammar: it sees words only, keeps the world in mind as it
reads, and names the first rule that each sentence breaks. So what a model writes can be
judged without a person. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from llmkit.checks import check_type
from llmkit.data.stories.world import (
    COLOURS,
    MOODS,
    PEOPLE,
    PLACES,
    THINGS,
    Event,
    World,
)


@dataclass(frozen=True)
class Verdict:
    """What is to be said about one sentence.

    Attributes:
        sentence: its words.
        problem: "" if all is well, else what is wrong with it.
        grammatical: whether it is a sentence of this language at all.
    """

    sentence: str
    problem: str = ""
    grammatical: bool = True

    @property
    def possible(self) -> bool:
        """Whether it could have happened after what was told before."""
        return not self.problem


def judge(text: str) -> list[Verdict]:
    """Judge each sentence of a story in the light of those before it.

    A sentence that cannot be changes nothing in the world; those after it are judged
    as if it had not been said.

    Args:
        text: a story, from its beginning; its end may be missing. A sentence that is
            broken off at the end of the text is left out.

    Returns:
        One `Verdict` for each sentence.
    """
    check_type("text", text, str)
    reader = _Reader()
    lines = text.replace(".", " . ").split(" . ")
    return [reader.read(line.split()) for line in lines[:-1]]


@dataclass
class _Reader:
    """What is known after some sentences."""

    world: World = field(default_factory=World)
    subject: str = ""  # of the sentence before, if it told an event
    due: list[Event] = field(default_factory=list)  # what must be told next
    begun: bool = False  # whether an event has been told
    ended: bool = False

    def read(self, words: list[str]) -> Verdict:
        sentence = " ".join(words) + "."
        try:
            self._read(words)
        except _Odd as odd:
            return Verdict(sentence, str(odd), odd.grammatical)
        return Verdict(sentence)

    def _read(self, words: list[str]) -> None:
        if self.ended:
            raise _Odd("the story had ended")
        match words:
            case ["There", "was", "a", colour, thing, "in", "the", place]:
                _known((colour, COLOURS), (thing, THINGS), (place, PLACES))
                self._thing(colour, thing, place)
            case [who, "was", "in", "the", place] if who in PEOPLE:
                _known((place, PLACES))
                self._person(who, place)
            case ["The", "end"]:
                self._nothing_due()
                self._opened()
                self.ended = True
            case [who, *rest] if who in PEOPLE or who in ("He", "She"):
                kind, thing, place, whom, colour = _event(rest)
                self._opened()
                event = Event(kind, self._who(who), thing, place, whom)
                self._happen(event, colour)
            case _:
                raise _Odd("this is no sentence of these stories", grammatical=False)

    def _person(self, who: str, place: str) -> None:
        if self.begun or self.world.things:
            raise _Odd("people are introduced first")
        if who in self.world.people:
            raise _Odd(f"{who} was introduced before")
        self.world.people[who] = place

    def _thing(self, colour: str, thing: str, place: str) -> None:
        if self.begun or not self.world.people:
            raise _Odd("things are introduced after the people, before all events")
        if thing in self.world.things:
            raise _Odd(f"there was a {thing} before")
        if colour in self.world.colours.values():
            raise _Odd(f"something else is {colour}")
        self.world.things[thing] = place
        self.world.colours[thing] = colour

    def _opened(self) -> None:
        if not self.world.things:
            raise _Odd("nothing has been introduced yet")

    def _nothing_due(self) -> None:
        if self.due:
            raise _Odd(f"{self.due[0].who} must be happy first")

    def _who(self, word: str) -> str:
        """Find out who is meant; the same subject again is a pronoun, and only then."""
        if word in PEOPLE:
            if word not in self.world.people:
                raise _Odd(f"{word} is not in this story")
            if word == self.subject:
                pronoun = "She" if PEOPLE[word] else "He"
                raise _Odd(f"{word} is {pronoun} here")
            return word
        if not self.subject:
            raise _Odd(f"nobody was spoken of who could be {word}")
        if PEOPLE[self.subject] != (word == "She"):
            raise _Odd(f"{self.subject} is not {word}")
        return self.subject

    def _happen(self, event: Event, colour: str) -> None:
        if event.kind == "happy":
            if not self.due or self.due[0].who != event.who:
                raise _Odd(f"{event.who} has no reason to be happy")
            self.due.pop(0)
        else:
            self._nothing_due()
            self._check(event, colour)
            self.due = self.world.happen(event)
        self.subject, self.begun = event.who, True

    def _check(self, event: Event, colour: str) -> None:
        world, who = self.world, event.who
        if event.thing:
            if event.thing not in world.things:
                raise _Odd(f"there is no {event.thing}")
            if world.colours[event.thing] != colour:
                raise _Odd(f"the {event.thing} is {world.colours[event.thing]}")
        if event.kind == "went" and world.people[who] == event.place:
            raise _Odd(f"{who} is in the {event.place} already")
        if event.kind == "took" and event.thing not in world.lying_at(
            world.people[who]
        ):
            raise _Odd(f"the {event.thing} does not lie where {who} is")
        if event.kind in ("dropped", "gave") and event.thing not in world.held_by(who):
            raise _Odd(f"{who} does not have the {event.thing}")
        if event.kind == "gave" and event.whom not in world.beside(who):
            raise _Odd(f"{event.whom} is not where {who} is")
        if event.kind == "wanted" and event.thing not in world.wishes(who):
            raise _Odd(f"{who} has the {event.thing} or wants something already")


class _Odd(Exception):
    """Why a sentence cannot stand."""

    def __init__(self, problem: str, grammatical: bool = True):
        super().__init__(problem)
        self.grammatical = grammatical


def _event(words: list[str]) -> tuple[str, str, str, str, str]:
    """Return kind, thing, place, person and colour of what somebody did."""
    match words:
        case ["was", "happy"]:
            return "happy", "", "", "", ""
        case [mood] if mood in MOODS:
            return mood, "", "", "", ""
        case ["went", "to", "the", place]:
            _known((place, PLACES))
            return "went", "", place, "", ""
        case ["took" | "dropped" | "wanted" as kind, "the", colour, thing]:
            _known((colour, COLOURS), (thing, THINGS))
            return kind, thing, "", "", colour
        case ["gave", "the", colour, thing, "to", whom]:
            _known((colour, COLOURS), (thing, THINGS), (whom, PEOPLE))
            return "gave", thing, "", whom, colour
    raise _Odd("this is no sentence of these stories", grammatical=False)


def _known(*pairs) -> None:
    for word, group in pairs:
        if word not in group:
            raise _Odd(f"{word} stands in a wrong place", grammatical=False)
