"""The views in the front end of ipywidgets 7.7, which is what Colab's kernel talks to.

Runs where LLMKIT_COLAB_PYTHON names the Python of an environment with Colab's versions
and the classic notebook 6.5 (`python3 kit.py test --colab-like` makes one).
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.browser import harness
from tests.browser.views import VIEWS, cells
from tests.notebooks.kernel import ROOT, kernel_environment

PYTHON = os.environ.get("LLMKIT_COLAB_PYTHON", "")
pytestmark = pytest.mark.skipif(
    not PYTHON, reason="LLMKIT_COLAB_PYTHON does not name a Colab-like environment"
)
READY = ".lm-view[data-ready]"


@pytest.fixture(scope="module")
def classic():
    """A running classic notebook server: its address and the folder it serves."""
    (ROOT / ".cache").mkdir(exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="classic-", dir=ROOT / ".cache"))
    state = Path(tempfile.mkdtemp(prefix="classic-state-"))
    port = harness.free_port()
    env = {
        **os.environ,
        **kernel_environment(state),
        "JUPYTER_CONFIG_DIR": str(state),
        "JUPYTER_DATA_DIR": str(state / "data"),
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [PYTHON, "-m", "notebook", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}", "--NotebookApp.token="]
    command += ["--NotebookApp.password=", f"--NotebookApp.notebook_dir={root}"]
    log = state / "notebook.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={k: v for k, v in env.items() if v},
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(240):
            assert server.poll() is None, log.read_text()[-2000:]
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/api/status", timeout=2).read()
                break
            time.sleep(0.25)
        yield url, root
    finally:
        harness._end(server)
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(state, ignore_errors=True)


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_view_draws_and_hears(classic, browser, name):
    url, root = classic
    sources = [
        *cells(name),
        "import ipywidgets; print('widgets', ipywidgets.__version__)",
    ]
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, root / f"{name}.ipynb")
    guard = harness.Guard()
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(90_000)
    guard.watch(page)
    try:
        page.goto(f"{url}/notebooks/{name}.ipynb")
        page.wait_for_function("window.Jupyter?.notebook?.kernel?.is_connected()")
        page.wait_for_function(
            "Jupyter.notebook.kernel.info_reply.status === 'ok'"
            " && !Jupyter.notebook.kernel_busy"
        )
        # the widget manager first asks the kernel for old widgets; what is shown
        # before it is done does not appear, whoever made it
        page.wait_for_timeout(6000)
        page.evaluate("() => { Jupyter.notebook.execute_all_cells(); }")
        page.locator(".output_area", has_text="widgets 7.").last.wait_for()
        page.wait_for_selector(READY, state="attached")
        assert page.locator(".output_error").count() == 0
        # what Python changes is seen by the page
        page.evaluate(
            """() => new Promise(done => Jupyter.notebook.kernel.execute(
            'view.selection = {"probe": 7}', {shell: {reply: done}}))"""
        )
        page.wait_for_timeout(300)
        assert page.locator(READY).count() == 1
        # ipywidgets 7 itself says this when an output is redrawn as it attaches
        assert set(guard.errors) <= {"Host is not attached."}
        assert not guard.blocked
        harness.SHOTS.mkdir(exist_ok=True)
        page.locator(READY).first.screenshot(
            path=str(harness.SHOTS / f"classic-{name}.png")
        )
    finally:
        context.close()
