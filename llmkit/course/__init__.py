"""Exercises that name the misconception, and quizzes that explain every choice.

`check("attention", my_attention)` tries a learner's function; `quiz([...])` asks.
"""

from llmkit.course.checks import CheckResult, check
from llmkit.course.exercise import (
    Case,
    Exercise,
    Mistake,
    all_exercises,
    find_exercise,
)
from llmkit.course.quiz import Question, quiz

__all__ = [
    "Case",
    "CheckResult",
    "Exercise",
    "Mistake",
    "Question",
    "all_exercises",
    "check",
    "find_exercise",
    "quiz",
]
