"""The harness itself: it runs cells, moves controls, and sees what goes wrong."""

import pytest

from tests.browser import harness

SLIDER = """
import ipywidgets as w
from matplotlib.figure import Figure
from IPython.display import display
%matplotlib inline
heat = w.IntSlider(value=3, min=0, max=10, description="heat")
def draw(heat):
    figure = Figure(figsize=(3, 1.5))
    figure.subplots().bar(range(2), [heat, heat + 1])
    print(f"heat is {heat}")
    display(figure)
w.VBox([heat, w.interactive_output(draw, {"heat": heat})])
"""


def test_a_slider_moves_and_the_picture_changes(open_notebook):
    nb = open_notebook(["print('hello')", SLIDER])
    nb.run_all()
    image = nb.cell(1).locator(".jp-OutputArea-output img")
    image.wait_for()
    before = image.get_attribute("src")
    nb.cell(1).locator(".noUi-handle").press("ArrowRight")
    nb.cell(1).get_by_text("heat is 4").wait_for()
    assert nb.run_in_kernel("print(heat.value)").strip() == "4"
    assert image.get_attribute("src") != before
    assert not nb.tracebacks()
    nb.theme("dark")
    assert nb.shot("harness-dark").stat().st_size > 10_000
    nb.theme("light")


def test_the_kit_is_found_as_a_reader_finds_it(open_notebook):
    nb = open_notebook(
        [
            "import pathlib\n"
            "places = [pathlib.Path.cwd(), *pathlib.Path.cwd().parents]\n"
            "print([p for p in places if (p / 'llmkit' / '__init__.py').is_file()])"
        ]
    )
    nb.run_all()
    assert harness.ROOT.name in nb.outputs.first.text_content()


def test_an_error_in_a_widget_is_seen(open_notebook):
    nb = open_notebook(
        ["import ipywidgets as w", "w.interactive(lambda x: 1 / x, x=(0, 2, 1))"]
    )
    nb.run_all()
    nb.cell(1).locator(".noUi-handle").press("ArrowLeft")
    nb.page.get_by_text("ZeroDivisionError").first.wait_for()
    assert nb.tracebacks()


def test_an_error_in_a_cell_is_seen(open_notebook):
    nb = open_notebook(["1 / 0", "print('never')"])
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        nb.run_all()


def test_a_request_that_leaves_is_stopped_and_recorded(open_notebook, guard):
    nb = open_notebook(
        [
            "from IPython.display import HTML\n"
            'HTML(\'<img alt="" src="https://example.com/x.png">\')'
        ]
    )
    nb.run_all()
    nb.page.wait_for_timeout(300)
    assert set(guard.blocked) == {"https://example.com/x.png"}
    guard.blocked.clear()
