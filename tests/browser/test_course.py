"""A reader's first steps: open a notebook in JupyterLab, run it, move a control."""

import json

from tests.notebooks.kernel import NOTEBOOKS

PICTURE = "canvas => canvas.toDataURL()"


def place_of(name: str, code: str) -> int:
    """The place of the first code cell of a notebook that holds some code."""
    cells = json.loads((NOTEBOOKS / name).read_text("utf-8"))["cells"]
    for place, cell in enumerate(cells):
        if cell["cell_type"] == "code" and code in "".join(cell["source"]):
            return place
    raise LookupError(f"{name} has no cell with {code}")


def test_attention_run_and_moved(open_notebook, page):
    name = "03_attention.ipynb"
    nb = open_notebook(name)
    nb.run_all()
    cell = nb.cell(place_of(name, "live = what_if("))
    view = cell.locator(".lm-view[data-ready]")
    view.wait_for()
    canvas = view.locator("canvas")
    canvas.scroll_into_view_if_needed()
    before = canvas.evaluate(PICTURE)
    weights = nb.run_in_kernel("print(live.weights().round(4).tolist())")
    nb.shot("03-before", view)

    # a slider, by keyboard: the picture and Python's numbers follow
    view.get_by_label("Softmax temperature").press("End")
    page.wait_for_function(
        f"([canvas, old]) => ({PICTURE})(canvas) !== old",
        arg=[canvas.element_handle(), before],
    )
    nb.wait_kernel()
    assert nb.run_in_kernel("print(live.temperature)").strip() == "10.0"
    assert nb.run_in_kernel("print(live.weights().round(4).tolist())") != weights
    nb.shot("03-hot", view)

    # another sentence: the real model runs again
    hot = canvas.evaluate(PICTURE)
    box = view.get_by_label("Sentence")
    box.fill("A cat sleeps")
    box.press("Enter")
    page.wait_for_function(
        f"([canvas, old]) => ({PICTURE})(canvas) !== old",
        arg=[canvas.element_handle(), hot],
    )
    nb.wait_kernel()
    assert nb.run_in_kernel("print(live.text)").strip() == "A cat sleeps"
    assert "cat" in nb.run_in_kernel("print(live.labels())")
    assert not nb.tracebacks()
    nb.theme("dark")
    nb.shot("03-dark", view)
    nb.theme("light")
