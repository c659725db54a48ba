"""The fine-tuning panel: its choices, numbers, table, and pages."""

import numpy as np
import pytest
import traitlets

from llmkit.viz.fine_tuning import FineTuningPanel

RECORDED = [{"start": "random", "size": 50, "accuracy": 0.6, "low": 0.5, "high": 0.7}]


@pytest.fixture
def panel():
    return FineTuningPanel(
        ["bad", "good"], ["pretrained", "random"], 120, 3, print, RECORDED
    )


def test_choices_are_checked(panel):
    assert panel.sizes == [10, 20, 50, 100, 120]
    assert (panel.start, panel.examples) == ("pretrained", 50)
    for name, value in (
        ("examples", 121),
        ("layers", 4),
        ("lr", 0.0),
        ("epochs", 0),
        ("start", "cold"),
    ):
        with pytest.raises(traitlets.TraitError, match=name):
            setattr(panel, name, value)


def test_buttons_are_heard():
    heard = []
    panel = FineTuningPanel(["a", "b"], ["x"], 10, 1, heard.append)
    for wish in ("start", "stop", "fly"):
        panel._hear(None, {"do": wish}, None)
    assert heard == ["start", "stop"]
    assert not FineTuningPanel(["a", "b"], ["x"], 10, 1).controls


def test_what_is_shown_is_what_was_told(panel):
    assert "no run yet" in panel.alt
    panel.show_curve([(1, 0.7), (2, 0.5)])
    np.testing.assert_allclose(panel.losses(), [[1, 0.7], [2, 0.5]])
    weights = np.random.default_rng(0).dirichlet(np.ones(5), size=(3, 2, 5))
    panel.show_attention("before", weights, list("abcde"))
    np.testing.assert_allclose(panel.weights("before"), weights, atol=0.005)
    assert panel.weights("after") is None
    panel.show_mistakes([[7, 1], [2, 3]], [("fine", 1, 0, 0.9)] * 20)
    assert panel.wrong[0] == ["fine", "good", "bad", 0.9]
    assert (len(panel.wrong), panel.n_wrong) == (12, 20)
    panel.add_result(start="pretrained", size=50, accuracy=0.8, low=0.7, high=0.88)
    assert "0.800 [0.700, 0.880]" in repr(panel)
    assert list(panel.table()["made"]) == ["recorded", "here"]
    assert list(panel.table()["interval"]) == ["0.500 to 0.700", "0.700 to 0.880"]


@pytest.mark.parametrize("filled", [False, True])
def test_pages_and_pictures(panel, filled):
    if filled:
        panel.show_curve([(1, 0.7)])
        panel.show_mistakes([[7, 1], [2, 3]], [("</script>", 1, 0, 0.9)])
    page = panel.to_html()
    assert "</script>'" not in page
    assert "recorded" in page
    assert panel.to_png()[:4] == b"\x89PNG"
    assert "<svg" in panel.to_svg()


def test_the_module_is_small(panel):
    assert len(panel._esm) < 25_000
