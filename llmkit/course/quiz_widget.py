"""The live quiz: real radio buttons with labels, and an answer spoken politely."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

from llmkit.course.quiz import Question, as_html, static_html

_HERE = Path(__file__).parent


class Quiz(anywidget.AnyWidget):
    """Questions with radio buttons; made by `quiz`.

    The verdicts travel with the questions, so choosing needs no running kernel.
    """

    _esm = _HERE / "quiz.js"
    _css = _HERE / "quiz.css"
    # ipywidgets 7 would prefer this method and drop the static twin below
    _ipython_display_ = None

    title = traitlets.Unicode().tag(sync=True)
    data = traitlets.List().tag(sync=True)
    answers = traitlets.List().tag(sync=True)
    # what the automatic test moves: every choice of every question
    _sweep = traitlets.Dict().tag(sync=True)

    def __init__(self, questions: list[Question], title: str = "Quiz"):
        self.questions = questions
        super().__init__(
            title=title,
            data=[_as_data(question) for question in questions],
            answers=[None] * len(questions),
            _sweep={"answers": _all_answers(questions)},
        )

    @property
    def score(self) -> int:
        """How many questions are answered rightly so far."""
        return sum(
            answer == question.key
            for answer, question in zip(self.answers, self.questions, strict=True)
        )

    def to_html(self) -> str:
        """Return the static twin: questions, and answers that unfold."""
        return static_html(self.questions, self.title)

    def __repr__(self) -> str:
        return f"Quiz of {len(self.questions)} questions: {self.title}"

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {
            **data,
            "text/plain": repr(self),
            "text/html": self.to_html(),
        }, metadata


def _as_data(question: Question) -> dict:
    numbers = range(len(question.choices))
    return {
        "text": as_html(question.text),
        "choices": [as_html(choice) for choice in question.choices],
        "said": [as_html(question.explain(number)) for number in numbers],
        "key": question.key,
    }


def _all_answers(questions: list[Question]) -> list[list]:
    """List answers in which each choice of each question occurs, and no answer."""
    most = max(len(question.choices) for question in questions)
    chosen = [[min(n, len(q.choices) - 1) for q in questions] for n in range(most)]
    return [*chosen, [None] * len(questions)]
