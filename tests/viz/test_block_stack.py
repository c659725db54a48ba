"""The block stack as a widget: choices, outputs, and pages without a kernel."""

import json
import re

import pytest

from llmkit.viz.block_stack import CHOICES, BlockStack


def fake(choice):
    """Numbers that tell which choice they belong to."""
    layers = choice["layers"]
    size = 0.5 if choice["residual"] else 2.0
    return {
        "stream": [size * (i + 1) for i in range(layers + 1)],
        "gradient": [size / (i + 1) for i in range(layers)],
        "likeness": [0.1 if choice["attention"] else 0.9] * (layers + 1),
        "loss": 3.0,
        "note": f"residual {choice['residual']}, norm {choice['norm']}",
    }


def test_a_choice_is_measured_at_once():
    view = BlockStack(fake, layers=4)
    assert view.now == view.usual == fake(view.choices())
    view.residual = False
    assert view.now["stream"][0] == 2.0
    assert view.usual["stream"][0] == 0.5
    view.layers = 2
    assert len(view.now["stream"]) == len(view.usual["stream"]) == 3
    assert set(view.choices()) == set(CHOICES)


def test_the_cursor_stays_on_the_stack():
    view = BlockStack(fake, layers=8, layer=8)
    view.layers = 3
    assert view.layer == 3


def test_outputs():
    view = BlockStack(fake, layers=4, residual=False, norm="none")
    assert repr(view) == "BlockStack(4 layers, no residual, no norm)"
    assert view.alt.endswith("residual False, norm none")
    assert view.table().shape == (5, 3)
    assert view.to_png()[:4] == b"\x89PNG"
    assert "</svg>" in view.to_svg()


def test_a_page_holds_the_answer_to_every_choice_of_parts():
    page = BlockStack(fake, layers=4).to_html()
    state = json.loads(re.search(r'-state">(.*?)</script>', page)[1])
    assert len(state["answers"]) == 2**4 * 3
    assert state["answers"]["0111none"]["note"] == "residual False, norm none"
    assert state["answers"]["1011before"]["likeness"][0] == 0.9
    assert len(page) < 100_000
    assert len(BlockStack._esm) < 25_000


def test_values_out_of_range_are_brought_back():
    view = BlockStack(fake)
    view.gain, view.layers = 100.0, 99
    assert (view.gain, view.layers) == (8.0, 24)
    with pytest.raises(Exception, match="norm"):
        view.norm = "sideways"
