"""The judge: every true story passes, every planted lie is named."""

import random

import pytest

from llmkit.data.stories import judge, stories, tell
from llmkit.data.stories.world import PEOPLE, PLACES

OPENING = (
    "Anna was in the park. Ben was in the school. "
    "There was a red ball in the park. There was a blue cup in the market. "
)


@pytest.mark.parametrize(("n_people", "n_things"), [(2, 2), (1, 3), (4, 1)])
def test_what_the_teller_tells_is_possible(n_people, n_things):
    for story in stories(400, seed=8, n_people=n_people, n_things=n_things):
        verdicts = judge(story.text)
        assert [v.sentence for v in verdicts] == story.sentences
        assert all(v.possible and v.grammatical for v in verdicts)


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ("Anna took the red ball.", ""),
        ("Anna took the blue ball.", "the ball is red"),
        ("Anna took the red kite.", "there is no kite"),
        ("Ben took the red ball.", "the ball does not lie where Ben is"),
        ("Anna dropped the red ball.", "Anna does not have the ball"),
        ("Anna went to the park.", "Anna is in the park already"),
        ("Clara went to the park.", "Clara is not in this story"),
        ("She went to the school.", "nobody was spoken of who could be She"),
        ("Anna was happy.", "Anna has no reason to be happy"),
        ("Ben was in the park.", "people are introduced first"),
        ("There was a red hat in the park.", "something else is red"),
        ("There was a green cup in the park.", "there was a cup before"),
        ("Anna took the ball.", "this is no sentence of these stories"),
        ("Anna went to the ball.", "ball stands in a wrong place"),
        ("park the the.", "this is no sentence of these stories"),
        ("Anna sang. Anna slept.", "Anna is She here"),
        ("Anna sang. He slept.", "Anna is not He"),
        ("Anna sang. There was a green hat in the park.", "things are introduced"),
        ("Anna took the red ball. She gave the red ball to Ben.", "Ben is not where"),
        ("Anna wanted the red ball. She wanted the blue cup.", "wants something alr"),
        ("Anna wanted the red ball. She took the red ball. Ben sang.", "must be happy"),
        ("Anna wanted the red ball. She took the red ball. The end.", "must be happy"),
        ("Anna wanted the red ball. She took the red ball. She was happy.", ""),
        ("The end. Anna sang.", "the story had ended"),
    ],
)
def test_the_last_sentence_is_judged(told, problem):
    verdicts = judge(OPENING + told)
    assert all(v.possible for v in verdicts[:-1])
    assert problem in verdicts[-1].problem
    assert verdicts[-1].possible == (problem == "")
    nonsense = ("this is no", "ball stands")
    assert verdicts[-1].grammatical == (not problem.startswith(nonsense))


def test_an_impossible_sentence_changes_nothing():
    told = "Ben took the red ball. Anna took the red ball. The end."
    assert [v.possible for v in judge(OPENING + told)[4:]] == [False, True, True]


def test_a_place_swapped_for_another_is_noticed():
    """A story whose first person starts elsewhere often stops making sense."""
    source, noticed, tried = random.Random(0), 0, 0
    for story in stories(300, seed=1):
        if not any(e.kind in ("took", "gave") for e in story.events):
            continue
        first = next(iter(story.start.people))
        other = source.choice([p for p in PLACES if p != story.start.people[first]])
        old = f"{first} was in the {story.start.people[first]}."
        changed = story.text.replace(old, f"{first} was in the {other}.", 1)
        tried += 1
        noticed += not all(v.possible for v in judge(changed))
    assert tried > 100
    assert noticed > 0.3 * tried


def test_what_is_broken_off_is_left_out():
    story = tell(2)
    assert judge(story.text[:-3]) == judge(story.text)[:-1]
    assert judge("") == []
    assert judge("Anna was in") == []
    with pytest.raises(TypeError, match="text"):
        judge(["Anna"])


def test_pronouns_need_their_person():
    girls = [name for name, girl in PEOPLE.items() if girl]
    text = OPENING.replace("Anna", girls[-1])
    assert judge(f"{text}{girls[-1]} sang. She slept.")[-1].possible
    assert not judge(f"{text}{girls[-1]} sang. He slept.")[-1].possible
