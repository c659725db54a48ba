"""The stories: every bit is exact, the world holds together, nothing is ambiguous."""

import math
import random
import re
from collections import defaultdict
from itertools import pairwise

import pytest

from llmkit.data.stories import (
    Chooser,
    Event,
    World,
    entropy_rate,
    questions,
    sentence_pair,
    stories,
    summary,
    tell,
    to_chinese,
    vocabulary,
)
from llmkit.data.stories.world import PEOPLE, PLACES
from llmkit.tokenizers import WordPieceTokenizer


class Script(Chooser):
    """Follows a list of choices, then takes the first option; notes what there was."""

    def __init__(self, path):
        super().__init__(random.Random(0))
        self.path, self.seen, self.chance = path, [], 1.0

    def _draw(self, weights):
        step = len(self.seen)
        index = self.path[step] if step < len(self.path) else 0
        self.seen.append((index, len(weights)))
        self.chance *= weights[index] / sum(weights)
        return index


def every_story(opening, **sizes):
    """All stories with one opening, each with its probability given the opening."""
    path = list(opening)
    while True:
        script = Script(path)
        story = tell(script, **sizes)
        yield story, script.chance
        choices = script.seen
        while len(choices) > len(opening) and choices[-1][0] + 1 == choices[-1][1]:
            choices.pop()
        if len(choices) == len(opening):
            return
        path = [index for index, _ in choices]
        path[-1] += 1


# ten choices come before the first event, with two people and two things
@pytest.mark.parametrize(
    ("opening", "longest"),
    [([0, 3, 0, 0, 0, 0, 3, 0, 0, 3], 2), ([2, 1, 5, 4, 1, 1, 4, 2, 2, 1], 2)],
)
def test_the_bits_of_each_word_are_its_exact_surprisal(opening, longest):
    found = list(every_story(opening, longest=longest))
    total = sum(chance for _, chance in found)
    start = found[0][1] / total
    assert len(found) > 500
    assert len({" ".join(s.words) for s, _ in found}) == len(found)  # one way to tell
    mass = defaultdict(float)
    for story, chance in found:
        for end in range(len(story.words) + 1):
            mass[tuple(story.words[:end])] += chance / total
    # words of the opening are certain here: its choices were fixed
    first = next(i for i, w in enumerate(found[0][0].words) if w == "The")
    for story, _ in found[:: max(1, len(found) // 300)]:
        for at in range(first, len(story.words)):
            before, after = tuple(story.words[:at]), tuple(story.words[: at + 1])
            want = -math.log2(mass[after] / mass[before])
            assert story.bits[at] == pytest.approx(want, abs=1e-9)
    assert 0 < start < 1


def test_probability_of_a_story_is_two_to_minus_its_bits():
    for seed in range(50):
        rng = random.Random(seed)
        script = Script([rng.randrange(2) for _ in range(40)])
        story = tell(script)
        assert story.surprisal == pytest.approx(-math.log2(script.chance))


def test_the_text_says_what_the_world_is():
    """An independent reader who only sees the text ends up with the same world."""
    for story in stories(200, seed=5, n_people=3, n_things=3):
        place, thing, last = {}, {}, ""
        for line in story.sentences[:-1]:
            words = line.rstrip(".").split()
            if m := re.fullmatch(r"There was a \w+ (\w+) in the (\w+)\.", line):
                thing[m[1]] = m[2]
                continue
            who = last if words[0] in ("She", "He") else words[0]
            if words[0] in ("She", "He"):
                assert PEOPLE[who] == (words[0] == "She")
            if m := re.fullmatch(r"\w+ (?:was in|went to) the (\w+)\.", line):
                place[who] = m[1]
            elif m := re.fullmatch(r"\w+ took the \w+ (\w+)\.", line):
                assert thing[m[1]] == place[who]
                thing[m[1]] = who
            elif m := re.fullmatch(r"\w+ dropped the \w+ (\w+)\.", line):
                assert thing[m[1]] == who
                thing[m[1]] = place[who]
            elif m := re.fullmatch(r"\w+ gave the \w+ (\w+) to (\w+)\.", line):
                assert thing[m[1]] == who
                assert place[m[2]] == place[who]
                thing[m[1]] = m[2]
            if "was in" not in line:
                last = who
        assert place == story.end.people
        assert thing == story.end.things


def test_vocabulary_is_every_word_that_can_be_said():
    said = {word for story in stories(3000, seed=9) for word in story.words}
    assert set(vocabulary()) == said
    assert len(vocabulary()) == len(said)


def test_a_word_is_one_token():
    tokenizer = WordPieceTokenizer.of_words(vocabulary(), lowercase=False)
    for story in stories(100, seed=4):
        ids = tokenizer.encode(story.text)
        assert [tokenizer.id_to_token(i) for i in ids] == story.words


def test_same_seed_same_story_and_other_seed_another():
    assert tell(7).text == tell(7).text
    texts = {story.text for story in stories(500, seed=1)}
    assert len(texts) > 495


def test_floor_has_an_interval_that_holds_more_stories():
    few, many = list(stories(300, seed=1)), list(stories(4000, seed=2))
    floor, low, high = entropy_rate(few, sum(len(s.words) for s in few))
    truth, *_ = entropy_rate(many, sum(len(s.words) for s in many))
    assert low < truth < high
    assert low < floor < high
    mean_bits = sum(s.surprisal for s in many) / sum(len(s.words) for s in many)
    assert truth == pytest.approx(mean_bits * math.log(2))


def test_questions_are_answered_by_the_end():
    story = tell(11, n_people=2, n_things=1)
    found = dict(questions(story))
    for who, place in story.end.people.items():
        assert found[f"Where is {who}?"] == place
    ((name, colour),) = story.end.colours.items()
    assert found[f"Where is the {colour} {name}?"] in PLACES
    assert len(found) == 2 * 2 + 2


def test_summary_tells_who_has_what():
    for story in stories(60, seed=3):
        text = summary(story)
        assert text.startswith("In the end ")
        for thing, where in story.end.things.items():
            said = f"{where} has the {story.end.colours[thing]} {thing}"
            assert (said in text) == (where in story.end.people)


def test_chinese_has_a_sentence_for_each_english_one():
    for story in stories(100, seed=4):
        lines = to_chinese(story)
        assert len(lines) == len(story.sentences)
        assert not re.search("[A-Za-z]", "".join(lines))
        assert all(line.endswith("。") for line in lines)


def test_sentence_pairs_are_half_true_and_never_give_themselves_away():
    found, source = list(stories(300, seed=6)), random.Random(0)
    draws = []
    for story in found:
        if len(story.events):
            draws.append((story, *sentence_pair(story, found, source)))
    share = sum(follows for *_, follows in draws) / len(draws)
    assert 0.4 < share < 0.6
    for story, first, second, follows in draws:
        lines = story.sentences
        assert first in lines
        assert second not in ("The end.",)
        assert not second.startswith("There was a")
        if follows:
            assert (first, second) in pairwise(lines)


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="n_people must lie between 1 and 16; got 0"):
        tell(0, n_people=0)
    with pytest.raises(ValueError, match="go_on must lie between 0 and 1"):
        tell(0, go_on=1.0)
    with pytest.raises(ValueError, match="at least one option"):
        Chooser(random.Random(0)).pick([])
    with pytest.raises(ValueError, match="cannot happen now"):
        World({"Anna": "park"}, {"ball": "garden"}).happen(
            Event("took", "Anna", "ball")
        )
    with pytest.raises(ValueError, match="two stories or more"):
        entropy_rate([tell(0)], 10)
    with pytest.raises(ValueError, match="at least one event"):
        sentence_pair(tell(3), [tell(3)], random.Random(0))
