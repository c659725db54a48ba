"""BertViz's views from our arrays: what is sent, what is stored, what is refused.

That they draw is judged by a browser: tests/browser/test_bertviz_offline.py.
"""

import importlib.util
import json
import re

import numpy as np
import pytest

pytest.importorskip("bertviz", reason="BertViz is not installed (it is not in Colab)")

from llmkit.viz import bertviz_offline
from llmkit.viz.bertviz_offline import head_view, model_view, neuron_view

L, H, T, S, DH = 2, 3, 5, 7, 4
TOKENS = ["[CLS]", "</script>", "ab", "日本", ""]
KEYS = list("stuvwxy")


def weights(t=T, s=T):
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(s), size=(L, H, t))


def test_head_view_sends_what_it_was_given():
    given = weights(s=S)
    view = head_view(given, TOKENS, KEYS, layer=1, heads=[2])
    (part,) = view.params["attention"]
    np.testing.assert_allclose(part["attn"], given, atol=5e-5)
    assert part["left_text"] == ["[CLS]", "</script>", "ab", "日本", "∅"]
    assert part["right_text"] == KEYS
    assert view.params["layer"] == 1
    assert view.params["heads"] == [2]
    assert view.params["include_layers"] == [0, 1]


def test_layers_may_come_as_transformers_gives_them():
    import torch

    given = weights()
    as_tuple = tuple(torch.from_numpy(layer)[None] for layer in given)
    assert head_view(as_tuple, TOKENS).params == head_view(given, TOKENS).params


def test_model_view_keeps_the_chosen_layers_and_heads():
    given = weights()
    view = model_view(given, TOKENS, layers=[1], heads=[0, 2])
    (part,) = view.params["attention"]
    np.testing.assert_allclose(part["attn"], given[[1]][:, [0, 2]], atol=5e-5)
    assert view.params["include_heads"] == [0, 2]
    assert view.params["total_heads"] == H


def test_neuron_view_cuts_a_pair_of_sentences():
    rng = np.random.default_rng(1)
    q, k = rng.normal(size=(2, L, H, T, DH))
    view = neuron_view(weights(), q, k, TOKENS, sentence_b_start=2, head=1)
    parts = view.params["attention"]
    assert list(parts) == ["all", "aa", "bb", "ab", "ba"]
    np.testing.assert_allclose(parts["ab"]["queries"], q[:, :, :2], atol=5e-4)
    np.testing.assert_allclose(parts["ab"]["keys"], k[:, :, 2:], atol=5e-4)
    np.testing.assert_allclose(parts["ba"]["attn"], weights()[:, :, 2:, :2], atol=5e-5)
    assert parts["ba"]["left_text"] == ["ab", "日本", "∅"]


def test_a_saved_notebook_gets_a_picture_and_no_script():
    data, _ = head_view(weights(), TOKENS)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/png"]
    assert len(json.dumps(data)) < 60_000
    assert "<script" not in data["text/html"]
    assert re.search(r'<img alt="BertViz head view, 2 layers', data["text/html"])


def test_the_page_holds_everything_and_no_token_ends_its_script():
    page = neuron_view(weights(), *np.ones((2, L, H, T, DH)), TOKENS).to_html()
    assert page.count("</script>") == page.count("<script") == 2
    assert not re.search(r"""(?:src|href)=["']?https?:""", page)


@pytest.mark.parametrize("view", ["head", "model", "neuron"])
def test_figure_and_table_exist_for_each(view):
    made = {
        "head": lambda: head_view(weights(), TOKENS),
        "model": lambda: model_view(weights(), TOKENS),
        "neuron": lambda: neuron_view(weights(), *np.ones((2, L, H, T, DH)), TOKENS),
    }[view]()
    assert made.to_png().startswith(b"\x89PNG")
    assert len(made.table()) == T
    assert f"{view} view" in repr(made)


def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch):
    found = importlib.util.find_spec

    def without_jquery(name, *rest):
        return None if name.startswith("xstatic") else found(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without_jquery)
    with pytest.raises(ModuleNotFoundError, match=r"pip install .*XStatic-jQuery"):
        head_view(weights(), TOKENS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: head_view([], TOKENS), "attn_implementation='eager'"),
        (lambda: head_view(weights(), TOKENS[:3]), "each of the 5 positions.*got 3"),
        (lambda: head_view(weights(), TOKENS, layer=2), "layer must lie between 0 and"),
        (lambda: model_view(weights(), TOKENS, heads=[3]), "heads must lie .*got 3"),
        (lambda: head_view(weights()[0, 0], TOKENS), r"one \(H, T, S\) array for each"),
        (
            lambda: head_view(weights(), TOKENS, sentence_b_start=5),
            "from 1 to 4; got 5",
        ),
        (
            lambda: neuron_view(weights(), np.ones((L, H, T, DH)), 0, TOKENS),
            r"keys must have the shape \(L, H, T, Dh\)",
        ),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_scripts_are_those_of_the_packages():
    scripts = bertviz_offline.scripts("head")
    assert "d3js.org v5" in scripts["d3"][:60]
    assert "jQuery" in scripts["jquery"][:60]
    assert "headAttention" in scripts["view"]
