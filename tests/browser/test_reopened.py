"""A notebook with every view, opened again without being run."""

import secrets
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.browser import harness
from tests.browser.views import SETUP, VIEWS

READY = ".lm-view[data-ready]"


@pytest.fixture(scope="module")
def stored(lab, tmp_path_factory):
    """A function that puts a run copy, with its widgets' state, on the server."""
    folder = tmp_path_factory.mktemp("stored")
    cells = [new_code_cell(SETUP)]
    cells += [new_code_cell(f"view = {code}\nview") for code in VIEWS.values()]
    notebook = new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    # beside the server's folder, so that the set-up finds the kit
    path = lab.root / "stored.ipynb"
    nbformat.write(notebook, path)
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute"]
    done = subprocess.run(
        [*command, "--inplace", str(path)],
        cwd=lab.root,
        env={**harness.os.environ, **harness.kernel_environment(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    run = nbformat.read(path, as_version=4)

    def copy() -> str:
        # a notebook is trusted by its content, so each copy gets its own
        run.cells[0].source = SETUP + f"# {secrets.token_hex(8)}"
        name = f"stored-{secrets.token_hex(4)}.ipynb"
        nbformat.write(run, lab.root / name)
        return name

    return copy


def open_stored(page, lab, name):
    page.goto(f"{lab.url}/doc/tree/{name}?reset&token={lab.token}")
    page.wait_for_selector(".jp-NotebookPanel:visible .jp-Cell")


def test_trusted_every_view_is_alive_again(lab, page, stored):
    open_stored(page, lab, stored())
    page.wait_for_timeout(1500)
    page.evaluate(
        """() => { window.jupyterapp.shell.currentWidget.content.widgets.forEach(
        c => { c.model.trusted = true; }); }"""
    )
    page.wait_for_function(
        f"document.querySelectorAll('{READY}').length === {len(VIEWS)}"
    )
    lab.end_kernels()


def test_untrusted_every_view_is_a_picture_and_a_table(lab, page, stored):
    open_stored(page, lab, stored())
    pictures = page.locator(".jp-OutputArea-output img[alt]")
    pictures.first.wait_for()
    page.wait_for_function(
        "document.querySelectorAll('.jp-OutputArea-output img[alt]').length >= "
        f"{len(VIEWS)}"
    )
    for index in range(len(VIEWS)):
        picture = pictures.nth(index)
        assert len(picture.get_attribute("alt")) > 20
        assert picture.evaluate("n => n.complete && n.naturalWidth") > 150
    # all but the dashboard, whose run has not begun: it has no numbers yet
    tables = page.locator(".jp-OutputArea-output details table").count()
    assert tables >= len(VIEWS) - 1
    assert page.locator(".lm-view").count() == 0
    lab.end_kernels()
