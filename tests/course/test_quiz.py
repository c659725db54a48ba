"""Quizzes: keys, explanations, the live model and the static twin."""

import pytest

from llmkit.course import Question, quiz

WHY = {12: "That is the number of heads.", 384: "That is the `width`."}


def question(**changes):
    arguments = {
        "text": "How many <rows> has `table`?",
        "choices": (12, 384, 30522),
        "right": 30522,
        "why": WHY,
    }
    return Question(**{**arguments, **changes})


def test_the_key_and_the_explanations():
    q = question()
    assert q.key == 2
    assert q.explain(2) == "Right."
    assert q.explain(0) == "Not quite. That is the number of heads."


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"right": 7}, "right must be one of"),
        ({"choices": (30522,)}, "two or more"),
        ({"choices": (30522, 30522)}, "two or more different"),
        ({"why": {12: "x"}}, "'384' is missing"),
        ({"why": {**WHY, 5: "x"}}, "'5', which is not a choice"),
    ],
)
def test_a_bad_question_is_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        question(**changes)


def test_score_follows_the_answers():
    asked = quiz([question(), question(text="Again?")])
    assert (asked.score, asked.answers) == (0, [None, None])
    asked.answers = [2, 0]
    assert asked.score == 1


def test_an_empty_quiz_is_refused():
    with pytest.raises(ValueError, match="one or more Question"):
        quiz([])
    with pytest.raises(ValueError, match="one or more Question"):
        quiz(["How many?"])


def test_the_bundle_has_a_live_view_and_a_static_twin():
    asked = quiz([question()], title="After <this> chapter")
    data, _ = asked._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == "Quiz of 1 questions: After <this> chapter"
    page = data["text/html"]
    assert "<script" not in page
    assert "&lt;rows&gt;" in page
    assert "<code>table</code>" in page
    assert page.count("<details>") == 1
    assert all(
        text.replace("`width`", "<code>width</code>") in page for text in WHY.values()
    )
    assert asked._ipython_display_ is None


def test_the_browser_gets_escaped_text_only():
    asked = quiz([question(why={12: "</script><b>", 384: "x"})])
    sent = str(asked.data)
    assert "<b>" not in sent
    assert "&lt;/script&gt;" in sent


def test_emphasis_and_code_are_shown_as_such():
    why = {12: "The *variance* and *two words*.", 384: "`*args` and 2*3*4, a * b * c"}
    page = quiz([question(why=why)]).to_html()
    assert "The <em>variance</em> and <em>two words</em>." in page
    assert "<code>*args</code> and 2*3*4, a * b * c" in page
