"""Who is where, who holds what, who wants what; and what can happen next."""

from __future__ import annotations

from dataclasses import dataclass, field

# name -> is she a girl
PEOPLE = {
    "Anna": True,
    "Ben": False,
    "Clara": True,
    "David": False,
    "Emma": True,
    "Felix": False,
    "Grace": True,
    "Henry": False,
    "Ida": True,
    "Jonas": False,
    "Lily": True,
    "Max": False,
    "Nora": True,
    "Oscar": False,
    "Rosa": True,
    "Tom": False,
}
PLACES = (
    "garden kitchen park library school station market forest museum bakery".split()
)
THINGS = "ball book kite lamp apple drum hat key cup map bell boat".split()
COLOURS = "red blue green yellow white black".split()
MOODS = "sang danced laughed slept".split()


@dataclass(frozen=True)
class Event:
    """One thing that happens; fields that do not apply are empty."""

    kind: str  # went took dropped gave wanted happy sang danced laughed slept
    who: str
    thing: str = ""
    place: str = ""
    whom: str = ""


@dataclass
class World:
    """A state of affairs, changed by events."""

    people: dict[str, str] = field(default_factory=dict)  # name -> place
    things: dict[str, str] = field(default_factory=dict)  # thing -> place or name
    colours: dict[str, str] = field(default_factory=dict)  # thing -> colour
    wants: dict[str, str] = field(default_factory=dict)  # name -> thing

    def copy(self) -> World:
        """Return a world that can be changed without changing this one."""
        return World(
            dict(self.people), dict(self.things), dict(self.colours), dict(self.wants)
        )

    def held_by(self, who: str) -> list[str]:
        """Return what somebody carries."""
        return [thing for thing, where in self.things.items() if where == who]

    def lying_at(self, place: str) -> list[str]:
        """Return what lies about in a place."""
        return [thing for thing, where in self.things.items() if where == place]

    def beside(self, who: str) -> list[str]:
        """Return who else is in the same place."""
        here = self.people[who]
        return [p for p, place in self.people.items() if place == here and p != who]

    def wishes(self, who: str) -> list[str]:
        """Return what somebody could begin to want: nothing while they want already."""
        if who in self.wants:
            return []
        return [thing for thing, where in self.things.items() if where != who]

    def where_is(self, thing: str) -> str:
        """Return the place of a thing, also while it is carried."""
        where = self.things[thing]
        return self.people.get(where, where)

    def possible(self, who: str) -> list[str]:
        """Return the kinds of event that somebody can begin."""
        kinds = ["went", *MOODS]
        if self.lying_at(self.people[who]):
            kinds.append("took")
        if self.held_by(who):
            kinds.append("dropped")
            if self.beside(who):
                kinds.append("gave")
        if self.wishes(who):
            kinds.append("wanted")
        return kinds

    def happen(self, event: Event) -> list[Event]:
        """Change the state, and return what follows of necessity.

        Args:
            event: what happens; it must be possible.

        Returns:
            Nothing, or that somebody is happy: whoever gets what they wanted.

        Raises:
            ValueError: it is not possible in this state.
        """
        happier = None
        if event.kind == "went":
            self.people[event.who] = event.place
        elif event.kind == "took" and event.thing in self.lying_at(
            self.people[event.who]
        ):
            self.things[event.thing] = happier = event.who
        elif event.kind == "dropped" and event.thing in self.held_by(event.who):
            self.things[event.thing] = self.people[event.who]
        elif (
            event.kind == "gave"
            and event.thing in self.held_by(event.who)
            and event.whom in self.beside(event.who)
        ):
            self.things[event.thing] = happier = event.whom
        elif event.kind == "wanted" and event.thing in self.wishes(event.who):
            self.wants[event.who] = event.thing
        elif event.kind not in (*MOODS, "happy"):
            raise ValueError(f"this cannot happen now: {event}")
        if happier is not None and self.wants.get(happier) == event.thing:
            del self.wants[happier]
            return [Event("happy", happier, event.thing)]
        return []
