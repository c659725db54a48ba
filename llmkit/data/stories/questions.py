"""What can be asked of a story, and what is left of it in one sentence."""

from __future__ import annotations

import random
from collections.abc import Sequence

from llmkit.data.stories.teller import Story


def questions(story: Story) -> list[tuple[str, str]]:
    """Return every question that the end of a story answers.

    Args:
        story: what `tell` returned.

    Returns:
        Questions and answers of one word each, such as
        ("Where is the red ball?", "garden") and ("Who has the red ball?", "Anna").
    """
    world = story.end
    found = [(f"Where is {who}?", place) for who, place in world.people.items()]
    for thing, holder in world.things.items():
        name = f"the {world.colours[thing]} {thing}"
        found.append((f"Where is {name}?", world.where_is(thing)))
        answer = holder if holder in world.people else "nobody"
        found.append((f"Who has {name}?", answer))
    for who in world.people:
        wish = world.wants.get(who)
        answer = f"the {world.colours[wish]} {wish}" if wish else "nothing"
        found.append((f"What does {who} want?", answer))
    return found


def summary(story: Story) -> str:
    """Return what came of it all, in one or two sentences.

    Args:
        story: what `tell` returned.

    Returns:
        Who has what, and who still wants what; or that nothing changed hands.
    """
    world = story.end
    parts = []
    for thing, holder in world.things.items():
        if holder in world.people:
            parts.append(f"{holder} has the {world.colours[thing]} {thing}")
    for who, thing in world.wants.items():
        parts.append(f"{who} still wants the {world.colours[thing]} {thing}")
    if not parts:
        return "In the end nobody has anything."
    head, last = parts[:-1], parts[-1]
    return "In the end " + (", ".join(head) + " and " if head else "") + last + "."


def sentence_pair(
    story: Story, others: Sequence[Story], source: random.Random
) -> tuple[str, str, bool]:
    """Draw two sentences for next-sentence prediction (Devlin et al. 2019, 3.1).

    Args:
        story: where the first sentence comes from.
        others: where a wrong second sentence may come from.
        source: where randomness comes from.

    Returns:
        Two sentences, and whether the second follows the first in the story. It does
        in half of the draws; otherwise it comes from another story, whose opening and
        end are left out, for they would give it away.

    Raises:
        ValueError: no story has a sentence between its opening and its end.
    """
    middles = [
        lines for other in others if other is not story and (lines := _body(other))
    ]
    if not middles:
        raise ValueError("others must hold a story with at least one event")
    lines = story.sentences
    # the first sentence is the last of the opening, or any event but the last
    first = len(lines) - len(_body(story)) - 2
    if len(lines) - first < 3:
        raise ValueError("story must have at least one event; tell another one")
    at = source.randrange(first, len(lines) - 2)
    if source.random() < 0.5:
        return lines[at], lines[at + 1], True
    return lines[at], source.choice(source.choice(middles)), False


def _body(story: Story) -> list[str]:
    """Return the sentences that tell events."""
    opening = len(story.start.people) + len(story.start.things)
    return story.sentences[opening:-1]
