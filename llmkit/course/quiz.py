"""Multiple-choice questions in which every wrong choice is explained.

`quiz([Question(...), ...])` shows radio buttons in a live notebook. The same output
holds a static twin, in which each question's answer is folded, for paper, the web and
readers without scripts. `to_html()` gives the twin alone.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Question:
    """One question.

    Args:
        text: the question; words between backticks are shown as code, words between
            asterisks with emphasis. The same holds for choices and `why`.
        choices: what can be chosen, two or more; anything that `str` can write.
        right: the right choice itself. It may be computed by the cell above.
        why: what to say to each choice. Every wrong one needs an entry; the right
            one may have one.
    """

    text: str
    choices: tuple
    right: object
    why: dict = field(default_factory=dict)

    def __post_init__(self):
        choices = tuple(str(choice) for choice in self.choices)
        why = {str(choice): text for choice, text in self.why.items()}
        right = str(self.right)
        if len(choices) < 2 or len(set(choices)) < len(choices):
            raise ValueError(
                f"choices must be two or more different ones; got {choices}"
            )
        if right not in choices:
            raise ValueError(f"right must be one of {choices}; got {right!r}")
        unknown = [choice for choice in why if choice not in choices]
        if unknown:
            raise ValueError(f"why explains {unknown[0]!r}, which is not a choice")
        missing = [c for c in choices if c != right and c not in why]
        if missing:
            raise ValueError(
                f"why must explain every wrong choice; {missing[0]!r} is missing"
            )
        for name, value in (("choices", choices), ("right", right), ("why", why)):
            object.__setattr__(self, name, value)

    @property
    def key(self) -> int:
        """The number of the right choice, counted from 0."""
        return self.choices.index(self.right)

    def explain(self, choice: int) -> str:
        """Say whether a choice is right, and why.

        Args:
            choice: its number, counted from 0.

        Returns:
            "Right. …" or "Not quite. …".
        """
        text = self.why.get(self.choices[choice], "")
        return f"{'Right.' if choice == self.key else 'Not quite.'} {text}".strip()


def quiz(questions: list[Question], title: str = "Quiz"):
    """Ask questions with radio buttons; each choice is explained as it is made.

    Args:
        questions: one or more.
        title: shown above, and read by a screen reader as the group's name.

    Returns:
        A `Quiz`: `.answers` holds the chosen numbers (None where none is), `.score`
        how many are right, `.to_html()` the static twin.
    """
    from llmkit.course.quiz_widget import Quiz

    if not questions or not all(isinstance(q, Question) for q in questions):
        raise ValueError("questions must be a list of one or more Question objects")
    return Quiz(list(questions), title)


def static_html(questions: list[Question], title: str) -> str:
    """Write the questions as plain HTML, the answers folded.

    Args:
        questions: one or more.
        title: the heading.

    Returns:
        HTML without scripts.
    """
    parts = [f"<p><strong>{as_html(title)}</strong></p><ol>"]
    for question in questions:
        parts.append(f"<li><p>{as_html(question.text)}</p><ul>")
        parts += [f"<li>{as_html(choice)}</li>" for choice in question.choices]
        parts.append("</ul><details><summary>Answer</summary><ul>")
        for number, choice in enumerate(question.choices):
            said = f"<em>{as_html(choice)}</em>: {as_html(question.explain(number))}"
            parts.append(f"<li>{said}</li>")
        parts.append("</ul></details></li>")
    return "".join(parts) + "</ol>"


def as_html(text: str) -> str:
    """Escape a text for HTML; `code` and *emphasis* are shown as such."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=True))
    return re.sub(r"(?<![\w*`>])\*(\w(?:[^*<>]*\w)?)\*(?![\w*])", r"<em>\1</em>", text)
