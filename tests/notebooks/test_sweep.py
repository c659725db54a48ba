"""Each planted failure turns the run of a notebook red, and a good one stays green."""

import os
import re
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.notebooks.kernel import ROOT, environment
from tests.notebooks.sweep import moves

W = "import ipywidgets as w, threading, time"
VIEW = """
import anywidget, traitlets
class Dial(anywidget.AnyWidget):
    _esm = "export default { render() {} }"
    n = traitlets.Int(0).tag(sync=True)
    _sweep = traitlets.Dict(PLAN).tag(sync=True)
    def __init__(self):
        super().__init__()
        self.on_msg(lambda _, content, buffers: self.hear(content))
    def hear(self, content):
        pass
dial = Dial()
"""


def view(plan: str) -> str:
    """The code of a view that names these moves."""
    return VIEW.replace("PLAN", plan)


GOOD = {
    "sliders": [
        W,
        "@w.interact(a=(0, 9), b=(0.1, 0.9), c=['x', 'y'], d=True, e='text')\n"
        "def f(a, b, c, d, e):\n    print(a, b, c, d, e)",
    ],
    "kinds": [
        W,
        "every = [w.IntRangeSlider(), w.FloatLogSlider(), w.Play(), w.Combobox(),\n"
        "    w.SelectMultiple(options='ab'), w.SelectionRangeSlider(options='ab'),\n"
        "    w.ColorPicker(), w.DatePicker(), w.BoundedIntText(), w.FloatText(),\n"
        "    w.ToggleButtons(options='ab'), w.Textarea(), w.Valid(), w.IntProgress(),\n"
        "    w.Password(), w.Tab([w.HTML('x')]), w.Accordion([w.Label('x')]),\n"
        "    w.FileUpload(), w.RadioButtons(options='ab'), w.Select(options='ab'),\n"
        "    w.SelectionSlider(options='ab'), w.ToggleButton(), w.Image()]",
    ],
    "view": [view("{'n': [1, 2], '@messages': [{'key': 'a'}]}")],
    "thread": [W, "t = threading.Thread(target=time.sleep, args=(0.1,)); t.start()"],
    "warning": ["import sys; print('careful', file=sys.stderr)"],
    "loopback": [
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname()).close()"
    ],
}
BAD = {
    "cell": (["1 / 0"], "ZeroDivisionError"),
    "callback at once": (
        [W, "w.interact(lambda x: 1 / x, x=w.IntSlider(0))"],
        "ZeroDivisionError",
    ),
    "callback at the far end": (
        [W, "w.interactive(lambda x: 1 / (100 - x), x=(0, 100))"],
        "ZeroDivisionError",
    ),
    "observer at the far end": (
        [
            W,
            "s = w.IntSlider(max=7)\n"
            "s.observe(lambda change: 1 / (7 - change['new']), 'value')",
        ],
        "ZeroDivisionError",
    ),
    "one option": (
        [W, "w.interactive(lambda x: {'a': 1}[x], x=['a', 'b'])"],
        "KeyError",
    ),
    "button": (
        [W, "b = w.Button()\nb.on_click(lambda b: 1 / 0)"],
        "ZeroDivisionError",
    ),
    "submit": (
        [W, "t = w.Text()\nt.on_submit(lambda t: 1 / 0)"],
        "ZeroDivisionError",
    ),
    "output": ([W, "with w.Output():\n    1 / 0"], "ZeroDivisionError"),
    "thread": (
        [W, "threading.Thread(target=lambda: 1 / 0).start(); time.sleep(0.2)"],
        "ZeroDivisionError",
    ),
    "thread after the last cell": (
        [
            W,
            "def late():\n    time.sleep(1)\n    1 / 0\n"
            "threading.Thread(target=late, daemon=True).start()",
        ],
        "ZeroDivisionError",
    ),
    "thread started by a button": (
        [
            W,
            "b = w.Button()\n"
            "b.on_click(lambda b: threading.Thread(target=lambda: 1 / 0).start())",
        ],
        "ZeroDivisionError",
    ),
    "task nobody awaits": (
        [
            "import asyncio\nasync def f(): 1 / 0\ntask = asyncio.ensure_future(f())\n"
            "del task"
        ],
        "ZeroDivisionError",
    ),
    "trait of a view": (
        [
            view("{'n': [1, 2]}"),
            "dial.observe(lambda change: 1 / (2 - change['new']), 'n')",
        ],
        "ZeroDivisionError",
    ),
    "message to a view": (
        [
            view("{'@messages': [{'key': 'a'}]}"),
            "Dial.hear = lambda self, content: 1 / 0",
        ],
        "ZeroDivisionError",
    ),
    "view with nothing to move": ([view("{}")], "names nothing to move"),
    "network": (
        [
            "import urllib.request as u\ntry:\n    u.urlopen('http://example.com')\n"
            "except OSError:\n    pass"
        ],
        "tried to reach the network: example.com",
    ),
    "network by number": (
        [
            "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 1)\n"
            "except OSError:\n    pass"
        ],
        "tried to reach the network: 192.0.2.1",
    ),
}


def run(folder, books: dict[str, list[str]], *more: str) -> tuple[int, str]:
    """Run notebooks as `kit.py test` does; return the status and the report."""
    for name, cells in books.items():
        nb = new_notebook(cells=[new_code_cell(cell) for cell in cells])
        nbformat.write(nb, folder / f"{name}.ipynb")
    command = [sys.executable, "-m", "pytest", "-p", "tests.notebooks.plugin"]
    command += ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=60"]
    command += [
        "-q",
        "-rf",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(ROOT),
        str(folder),
    ]
    command += ["-c", str(ROOT / "pyproject.toml"), *more]
    done = subprocess.run(
        command,
        cwd=ROOT,
        # room for the whole cause on one line
        env={**os.environ, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_good_notebooks_are_green_and_recorded(tmp_path):
    status, report = run(tmp_path, GOOD)
    assert status == 0, report
    for name in GOOD:
        assert f"{name}.ipynb" in report
    # every cell once, and one item more for each notebook
    items = sum(len(cells) + 1 for cells in GOOD.values())
    assert f"{items} passed" in report


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """All bad notebooks in one run."""
    books = {name: cells for name, (cells, _) in BAD.items()}
    return run(tmp_path_factory.mktemp("bad"), books)


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_a_planted_failure_is_red(bad, name):
    status, report = bad
    assert status == 1
    assert re.search(rf"(?m)^FAILED (?:\S*/)?{name}\.ipynb", report), report
    assert re.search(rf"(?m)^{name}\.ipynb: .*{BAD[name][1]}", report), report


@pytest.mark.slow
def test_the_order_is_shuffled_by_a_seed(tmp_path):
    books = {f"n{i}": ["1"] for i in range(5)}
    orders = {}
    for seed in ("1", "2", ""):
        with environment({"LLMKIT_NOTEBOOK_ORDER": seed}):
            _, report = run(tmp_path, books, "--collect-only")
        orders[seed] = re.findall(r"(n\d)\.ipynb::every control", report)
    assert sorted(orders["1"]) == orders[""] == list(books)
    assert orders["1"] != orders["2"]


def test_moves_of_a_slider_reach_both_ends_and_return():
    state = {"_model_name": "IntSliderModel", "min": -2, "max": 7, "value": 3}
    values = [move["state"]["value"] for move in moves(state)]
    assert values == [-2, 2, 7, 3]


def test_an_unknown_kind_is_not_passed_over():
    with pytest.raises(LookupError, match="how NewThingModel is moved"):
        moves({"_model_name": "NewThingModel"})
