"""BertViz's three views draw in JupyterLab, and nothing asks for the network."""

import re

import pytest

SET_UP = """
import sys, pathlib
here = pathlib.Path.cwd()
root = next(p for p in (here, *here.parents) if (p / "llmkit").is_dir())
sys.path.insert(0, str(root))
import numpy as np
from llmkit.viz.bertviz_offline import head_view, model_view, neuron_view
rng = np.random.default_rng(0)
weights = rng.dirichlet(np.ones(6), size=(4, 3, 6))
q, k = rng.normal(size=(2, 4, 3, 6, 8))
tokens = ["[CLS]", "</script>", "cafÃ©", "Ġfox", "<b>x</b>", "日"]
"""
LABELS = ["[CLS]", "</script>", "café", "·fox", "<b>x</b>", "日"]
READY = ".llmkit-bertviz[data-ready]"
LINES = "r => r.querySelectorAll('svg line, svg path').length"


@pytest.fixture
def views(open_notebook):
    notebook = open_notebook(
        [
            SET_UP,
            "head_view(weights, tokens, layer=1)",
            "model_view(weights, tokens)",
            "neuron_view(weights, q, k, tokens, sentence_b_start=3, head=2)",
        ]
    )
    notebook.run_all()
    notebook.page.wait_for_function(
        f"document.querySelectorAll('{READY}').length === 3"
    )
    return notebook, notebook.page.locator(READY)


def test_all_three_draw_every_weight(views):
    _, view = views
    head, model, neuron = (view.nth(i) for i in range(3))
    assert head.evaluate(LINES) >= 3 * 6 * 6
    assert model.evaluate(LINES) >= 4 * 3 * 6 * 6
    assert neuron.evaluate(LINES) >= 6 * 6
    shown = head.locator("svg text").all_text_contents()
    assert shown == LABELS * 2
    assert head.locator("#layer").input_value() == "1"
    assert neuron.locator("#att_head").input_value() == "2"
    assert head.evaluate("r => getComputedStyle(r).backgroundColor") == (
        "rgb(255, 255, 255)"
    )


def test_they_react(views):
    notebook, view = views
    head, model, neuron = (view.nth(i) for i in range(3))
    head.scroll_into_view_if_needed()
    head.locator("#layer").select_option("3")
    strokes = head.locator("#attention line").evaluate_all(
        "lines => lines.map(l => +l.getAttribute('stroke-opacity'))"
    )
    stored = notebook.run_in_kernel("print((weights[3] / 3).round(4).ravel().tolist())")
    wanted = [float(x) for x in re.findall(r"[\d.e-]+", stored)]
    assert len(strokes) == len(wanted) == 3 * 6 * 6
    assert max(abs(a - b) for a, b in zip(strokes, wanted, strict=True)) < 2e-4

    before = model.evaluate(LINES)
    model.scroll_into_view_if_needed()
    model.locator("svg .thumbnail, svg g").last.click(force=True)
    notebook.settle()
    assert model.evaluate(LINES) >= before  # a click enlarges one head

    neuron.scroll_into_view_if_needed()
    neuron.locator("#filter").select_option("ab")
    shown = neuron.locator("#collapsed text.token").all_text_contents()
    assert shown == LABELS[:3] + LABELS[3:]
    # names that scripts from the web would have left behind
    left = notebook.page.evaluate(
        "['require', 'requirejs', 'define', 'd3', 'jQuery', 'bertviz_params']"
        ".filter(name => name in window)"
    )
    assert left == []


def test_a_file_from_disk_draws_too(page, tmp_path):
    import numpy as np

    from llmkit.viz.bertviz_offline import neuron_view

    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(4), size=(2, 3, 4))
    q, k = rng.normal(size=(2, 2, 3, 4, 8))
    file = tmp_path / "neuron.html"
    neuron_view(weights, q, k, ["a", "</script>", "", "🙂"]).to_html(file)
    page.goto(file.as_uri())
    page.wait_for_selector(READY)
    assert page.locator("#collapsed text.token").count() == 8
