"""The tour in JupyterLab: what a newcomer does first, and what then happens."""

import pytest

from tests.browser import harness

TOUR = harness.NOTEBOOKS / "00_tour.ipynb"


@pytest.mark.slow
def test_type_roll_and_turn_a_knob(open_notebook, guard):
    nb = open_notebook(TOUR)
    nb.run_all()
    page = nb.page
    play = page.locator(".lm-view").first
    play.scroll_into_view_if_needed()
    page.wait_for_function(
        "document.querySelectorAll('.lm-view[data-ready]').length > 2"
    )

    def top():
        return play.locator(".nt-rows .nt-row").first.inner_text()

    first = top()
    play.locator("textarea").fill("The capital of France is")
    page.wait_for_function(
        "document.querySelector('.nt-strip').textContent.includes('is')"
    )
    nb.settle(4)
    assert nb.run_in_kernel("print(play.text)").strip() == "The capital of France is"
    assert top() != first

    # the coldest temperature: one token takes everything, in the view and in Python
    play.get_by_role("slider", name="Temperature").press("Home")
    page.wait_for_timeout(300)
    best = nb.run_in_kernel("i = play.distribution.argmax(); print(play.vocab[i])")
    assert top().startswith(best.strip())
    before = nb.run_in_kernel("print(len(play.ids))")
    play.get_by_role("button", name="Roll the dice and append").click()
    for _ in range(50):
        if nb.run_in_kernel("print(len(play.ids))") != before:
            break
        page.wait_for_timeout(50)
    assert nb.run_in_kernel("print(play.vocab[play.ids[-1]])") == best

    for theme in harness.THEMES:
        nb.theme(theme)
        nb.shot(f"tour-play-{theme}", play)
    assert not guard.console
