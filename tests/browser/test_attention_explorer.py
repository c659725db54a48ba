"""AttentionExplorer in JupyterLab: point, pin, type, read back, save and open again."""

import json
import re
import secrets
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.browser import harness
from tests.browser.test_every_view import INK, ROOT, serious
from tests.browser.views import SETUP

MAKE = """
from llmkit.hub import load_encoder
bert, pieces = load_encoder("minilm")
view = explore.attention(
    bert, pieces, "The cat sat on the mat.", pair="It was tired."
)
view
"""
MAP = "canvas[aria-roledescription='picture of the chosen heads']"
GRID = "canvas[aria-roledescription='grid of heads']"
CELLS = """() => [...document.querySelectorAll('.jp-Cell')].length
    + ' ' + window.jupyterapp.shell.currentWidget.content.mode
    + ' ' + window.jupyterapp.shell.currentWidget.content.activeCellIndex"""


@pytest.fixture
def notebook(open_notebook):
    nb = open_notebook([SETUP, MAKE, "view.selection"])
    nb.run_all()
    nb.page.wait_for_selector(ROOT, state="attached")
    return nb


def ask(nb, code):
    """Return what an expression is worth in the kernel."""
    return json.loads(nb.run_in_kernel(f"import json; print(json.dumps({code}))"))


def run_cell(nb, place):
    """Run one cell as a reader does."""
    nb.page.evaluate(
        "at => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = at; }",
        place,
    )
    nb.command("notebook:run-cell")
    nb.wait_kernel()


def until(nb, code, expected):
    """Wait until an expression in the kernel has a value."""
    for _ in range(50):
        got = ask(nb, code)
        if got == expected:
            return
        nb.page.wait_for_timeout(60)
    assert got == expected


def test_click_keys_and_python_move_the_same_selection(notebook):
    nb, page = notebook, notebook.page
    root = page.locator(ROOT).first
    grid, picture = root.locator(GRID), root.locator(MAP)

    # a click in the grid chooses a head
    box = grid.bounding_box()
    cell = (box["width"] - 28) / 12
    before = root.evaluate(INK)
    grid.click(position={"x": 26 + 4.5 * cell, "y": 16 + 2.5 * cell})
    until(nb, "[view.selection['layer'], view.selection['head']]", [2, 4])
    nb.settle(3)
    assert root.evaluate(INK) != before
    assert "layer 2 head 4" in root.locator(".lm-att-caption").text_content()
    # ... and the next cell reads it
    run_cell(nb, 2)
    nb.cell(2).get_by_text("'layer': 2, 'head': 4").wait_for()

    # Shift adds another one
    grid.click(
        position={"x": 26 + 1.5 * cell, "y": 16 + 0.5 * cell}, modifiers=["Shift"]
    )
    until(nb, "view.heads", [[2, 4], [0, 1]])
    until(nb, "list(view.selected_attention().shape)", [2, 14, 14])

    # arrows in the grid; JupyterLab notices nothing
    seen = page.evaluate(CELLS)
    grid.focus()
    for key in ("ArrowDown", "ArrowRight", "Enter", "a", "b", "x", "j"):
        page.keyboard.press(key)
    until(nb, "[view.selection['layer'], view.selection['head']]", [1, 2])
    assert page.evaluate(CELLS) == seen

    # arrows in the picture choose a pair, with the exact weight and in words
    picture.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    # the text says "the" and "cat" more than once: wait for the very pair
    until(nb, "[view.selection.get(k) for k in ('query', 'key')]", [1, 2])
    assert ask(nb, "view.selection['tokens']") == ["the", "cat"]
    exact = ask(nb, "view.selection['weight']")
    truth = ask(nb, "float(view._now().weights[1, 2, 1, 2])")
    assert exact == pytest.approx(truth, abs=1e-6)
    page.wait_for_function(
        "w => document.querySelector('.lm-say').textContent.includes(w)",
        arg=f"layer 1 head 2, the to cat {truth:.2f}",
    )
    # Enter adds up queries; Esc forgets them
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    until(nb, "view.queries", [1, 2])
    root.locator(".lm-att-facts b", has_text="the + cat").wait_for()
    page.keyboard.press("Escape")
    until(nb, "view.queries", [])

    # the table shows exact numbers from the kernel
    page.wait_for_function(
        "() => !document.querySelector('.lm-att-facts').textContent.includes('8-bit')"
    )
    shown = root.locator(".lm-att-facts tbody tr").all_text_contents()
    row = np.array(ask(nb, "view._now().weights[1, 2, 2].tolist()"))
    numbers = [float(re.search(r"0\.\d{4}|1\.0000$", text)[0]) for text in shown]
    assert numbers[:3] == pytest.approx(sorted(row)[::-1][:3], abs=6e-5)

    # Python moves the picture
    before = root.evaluate(INK)
    nb.run_in_kernel("view.selection = {'layer': 5, 'head': 11}; view.mode = 'heat'")
    page.wait_for_function(
        """() => document.querySelector('.lm-att-caption').textContent
        .includes('layer 5 head 11')"""
    )
    nb.settle(3)
    assert root.evaluate(INK) != before
    assert not nb.tracebacks()


def test_typing_runs_the_model_and_every_mode_draws(notebook):
    nb, page = notebook, notebook.page
    root = page.locator(ROOT).first
    box = root.get_by_label("Text", exact=True)
    box.fill("The dog ran.")
    until(nb, "view._now().rows.labels[1:4]", ["the", "dog", "ran"])
    box.fill("x " * 600)
    root.get_by_text("Not shown:").wait_for()
    box.fill("The dog unhappily ran </script> 🙂.")
    until(nb, "view.note", "")
    assert serious(page, ROOT) == []
    drawn = {root.evaluate(INK)}
    for label in ("Heat map", "Query · key"):
        root.get_by_role("radio", name=label).click()
        page.wait_for_timeout(250)
        nb.settle(3)
        drawn.add(root.evaluate(INK))
    assert len(drawn) == 3
    for label in ("Hide special tokens", "Whole words"):
        root.get_by_label(label).check()
        nb.settle(3)
        drawn.add(root.evaluate(INK))
    root.get_by_label("Sort heads by").select_option("previous token")
    nb.settle(3)
    drawn.add(root.evaluate(INK))
    assert len(drawn) == 6
    until(nb, "[view.hide_special, view.sort]", [True, "previous token"])
    assert not nb.tracebacks()


def test_a_second_view_follows(notebook):
    nb, page = notebook, notebook.page
    nb.run_in_kernel("other = explore.attention(bert, pieces, 'A b c d e f.')")
    nb.page.evaluate(
        """() => { const w = window.jupyterapp.shell.currentWidget;
        w.content.widgets[2].model.sharedModel.setSource(
            "from IPython.display import display\\n"
            + "from llmkit.viz.link import link\\n"
            + "tie = link(view, other)\\ndisplay(view, other)"); }"""
    )
    run_cell(nb, 2)
    page.wait_for_function(f"document.querySelectorAll('{ROOT}').length === 3")
    nb.run_in_kernel("view.selection = {'layer': 3, 'head': 7}")
    page.wait_for_function(
        """() => [...document.querySelectorAll('.lm-att-caption')].every(
        n => n.textContent.includes('layer 3 head 7'))"""
    )
    ids = page.evaluate(
        "[...document.querySelectorAll('.lm-view [id]')].map(n => n.id)"
    )
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("trusted", [True, False])
def test_opened_again_without_a_run(lab, page, tmp_path, trusted):
    # a notebook is trusted by its content, so each gets its own
    name = f"stored-{secrets.token_hex(4)}.ipynb"
    path = lab.root / name
    cells = [new_code_cell(SETUP + f"# {secrets.token_hex(8)}"), new_code_cell(MAKE)]
    nb = new_notebook(cells=cells)
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(nb, path)
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute"]
    command += ["--inplace", str(path)]
    environment = harness.kernel_environment(tmp_path)
    done = subprocess.run(
        command,
        cwd=harness.ROOT,
        env={**harness.os.environ, **environment, "PYTHONPATH": str(harness.ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    page.goto(f"{lab.url}/doc/tree/{name}?reset&token={lab.token}")
    page.wait_for_selector(".jp-NotebookPanel:visible .jp-Cell")
    if trusted:
        page.wait_for_timeout(1500)
        page.evaluate(
            """() => { window.jupyterapp.shell.currentWidget.content.widgets.forEach(
            c => { c.model.trusted = true; }); }"""
        )
        page.wait_for_selector(ROOT, state="attached")
        root = page.locator(ROOT).first
        root.locator(GRID).focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(
            """() => document.querySelector('.lm-att-caption').textContent
            .includes('layer 0 head 1')"""
        )
    else:
        image = page.locator(".jp-OutputArea-output img[alt^='Attention of']")
        image.wait_for()
        assert image.evaluate("n => n.complete && n.naturalWidth") > 300
        page.locator(".jp-OutputArea-output summary").click()
        assert page.locator(".jp-OutputArea-output table th").count() > 20
        assert page.locator(".lm-view").count() == 0


def test_a_page_from_disk_is_alive(page, tmp_path):
    from llmkit.viz.attention import AttentionExplorer
    from llmkit.viz.attention_maps import AttentionMaps

    tokens = ["</script>", "\ud800", "🙂", "שלום\u202e", "x" * 200, "", "end"]
    x = np.random.default_rng(0).exponential(size=(2, 3, 7, 7))
    weights = x / x.sum(-1, keepdims=True)
    view = AttentionExplorer(AttentionMaps(weights=weights, rows=tokens))
    view.to_html(tmp_path / "page.html")
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector(ROOT)
    root = page.locator(ROOT)
    root.locator(GRID).focus()
    page.keyboard.press("ArrowDown")
    root.locator(".lm-att-caption", has_text="layer 1 head 0").wait_for()
    root.locator(MAP).focus()
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    root.locator(".lm-att-facts b", has_text="שלום<U+202E>").wait_for()
    facts = root.locator(".lm-att-facts").text_content()
    numbers = [float(x) for x in re.findall(r"0\.\d\d(?!\d)", facts)]
    assert numbers[0] == pytest.approx(weights[1, 0, 3].max(), abs=0.01)
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector(".lm-view[data-theme=dark]")
    assert serious(page, ROOT) == []
