"""Refreshing stores a clean notebook, and leaves one alone that does not run."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.notebooks.kernel import ROOT
from tests.notebooks.normalise import normalise
from tests.notebooks.refresh import refresh

CELLS = [
    "import ipywidgets as w, os, pathlib, sys\nprint(1)",
    "print(pathlib.Path.home(), object())",
    "print('careful', file=sys.stderr)\nslider = w.IntSlider()\nslider",
    "print(os.environ.get('LLMKIT_FAST'), end='')\nprint('\\r50 %\\r100 %')",
]


def write(path, cells, **metadata):
    nb = new_notebook(cells=cells, metadata=metadata)
    nbformat.write(nb, path)
    return path


@pytest.mark.slow
def test_two_runs_store_the_same_clean_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LLMKIT_FAST", "1")
    cells = [new_markdown_cell("# A"), *map(new_code_cell, CELLS)]
    path = write(tmp_path / "a.ipynb", cells)
    assert refresh(path)
    once = path.read_text("utf-8")
    assert refresh(path)
    assert path.read_text("utf-8") == once
    said = capsys.readouterr().out
    assert "peak" in said
    assert "careful" in said, "what is dropped from the file is shown to the runner"

    nb = nbformat.read(path, as_version=4)
    nbformat.validate(nb)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4]
    assert set(nb.metadata) == {"kernelspec", "language_info"}
    assert code[1].outputs[0].text == "~ <object object>\n"
    (slider,) = code[2].outputs
    assert set(slider.data) == {"text/plain"}
    # a full run, whatever the shell says; and lines that were overwritten are gone
    assert code[3].outputs[0].text == "100 %\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "1 / 0",
        "import ipywidgets as w; w.interact(lambda x: 1 / x, x=w.IntSlider(0));",
        "import threading as t\n"
        "a = t.Thread(target=lambda: 1 / 0)\na.start(); a.join()",
        "import socket\ntry: socket.create_connection(('192.0.2.1', 80), 1)\n"
        "except OSError: pass",
    ],
    ids=["cell", "widget", "thread", "network"],
)
def test_a_failing_notebook_is_left_alone(tmp_path, code):
    path = write(tmp_path / "a.ipynb", [new_code_cell(code)])
    before = path.read_bytes()
    assert not refresh(path)
    assert path.read_bytes() == before


def test_normalising_again_changes_nothing():
    html = f"<div id='lm-{'a' * 32}'></div><script>'lm-{'a' * 32}'</script>"
    out = new_output(
        "display_data",
        data={
            "text/html": html,
            "text/plain": f"x at 0x7f00aa11 in {ROOT}/llmkit",
            "application/vnd.jupyter.widget-view+json": {"model_id": "x"},
        },
        metadata={"needs_background": "light", "text/html": {"isolated": True}},
    )
    cell = new_code_cell("x", metadata={"execution": {"a": "1"}, "tags": ["exercise"]})
    cell.outputs = [out]
    nb = new_notebook(cells=[cell], metadata={"widgets": {}, "signature": "s"})
    once = json.dumps(normalise(nb))
    assert json.dumps(normalise(nb)) == once
    (kept,) = nb.cells[0].outputs
    assert kept.data["text/plain"] == "x in llmkit"
    assert kept.data["text/html"].count("lm-0") == 2
    assert "model_id" not in once
    assert kept.metadata == {"text/html": {"isolated": True}}
    assert nb.cells[0].metadata == {"tags": ["exercise"]}
