"""A small world, simulated: unlimited stories whose exact information is known.

People go places, carry things, give them away and want them. Every story comes with
the surprisal of each of its words, so that a loss can be held against the floor that no
model can pass. Home notebook: 07_pretraining_gpt.
"""

from llmkit.data.stories.chinese import to_chinese
from llmkit.data.stories.choices import Chooser
from llmkit.data.stories.judge import Verdict, judge
from llmkit.data.stories.questions import questions, sentence_pair, summary
from llmkit.data.stories.teller import (
    Story,
    entropy_rate,
    stories,
    tell,
    vocabulary,
)
from llmkit.data.stories.world import Event, World

__all__ = [
    "Chooser",
    "Event",
    "Story",
    "Verdict",
    "World",
    "entropy_rate",
    "judge",
    "questions",
    "sentence_pair",
    "stories",
    "summary",
    "tell",
    "to_chinese",
    "vocabulary",
]
