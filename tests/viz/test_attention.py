"""AttentionExplorer without a browser: its state, its numbers, its four outputs."""

import html
import json
import re

import numpy as np
import pytest

from llmkit.viz import codec
from llmkit.viz.attention import AttentionExplorer
from llmkit.viz.attention_maps import AttentionMaps, Side

L, H, T, S, DH = 2, 3, 6, 5, 4
ROWS = ["[CLS]", "un", "##happy", "fox", "fox", "[SEP]"]
HOSTILE = ["</script><b>", "\ud800", "🙂", "שלום\u202e", "x" * 200, ""]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def weights(*shape, seed=0):
    return softmax(np.random.default_rng(seed).normal(size=shape) * 2)


@pytest.fixture
def side():
    return Side(
        labels=ROWS,
        special=[True, False, False, False, False, True],
        words=[None, 0, 0, 1, 2, None],
        segments=[0, 0, 0, 1, 1, 1],
    )


@pytest.fixture
def explorer(side):
    scores = {"sink": weights(L, H, T, T)[..., 1:, 0].mean(-1)}
    maps = AttentionMaps(weights=weights(L, H, T, T), rows=side, scores=scores)
    return AttentionExplorer(maps)


def test_repr_and_alt_are_deterministic(explorer):
    assert repr(explorer) == "AttentionExplorer(2 layers, 3 heads, 6 tokens)"
    assert "layer 0 head 0" in explorer.alt


def test_every_weight_sent_is_within_half_a_step(explorer):
    sent = codec.unpack_weights(explorer.data, (L, H, T, T))
    gap = np.abs(np.sqrt(sent) - np.sqrt(weights(L, H, T, T)))
    assert gap.max() <= 0.5 / 255 + 1e-6


def test_a_causal_model_sends_the_triangle_only():
    w = np.tril(np.ones((L, H, T, T)))
    view = AttentionExplorer(
        AttentionMaps(weights=w / w.sum(-1, keepdims=True), rows=ROWS)
    )
    assert view.maps[0]["causal"]
    assert len(view.data) == L * H * T * (T + 1) // 2


def test_selection_is_clipped_and_gets_the_exact_weight(explorer):
    explorer.selection = {"layer": 9, "head": -4, "query": 3, "key": 2}
    expected = {
        "view": "attention",
        "layer": 1,
        "head": 0,
        "query": 3,
        "key": 2,
        "tokens": ["fox", "##happy"],
        "weight": pytest.approx(weights(L, H, T, T)[1, 0, 3, 2], abs=1e-6),
    }
    assert explorer.selection == expected


def test_a_selection_from_the_browser_is_not_sent_back(explorer, monkeypatch):
    # an answer on its way would undo the keys that were pressed meanwhile
    sent = []
    monkeypatch.setattr(
        type(explorer), "_send", lambda self, msg, buffers=None: sent.append(msg)
    )
    place = {"view": "attention", "layer": 1, "head": 2, "query": 3, "key": 2}
    explorer.set_state({"selection": place})
    assert explorer.selection["tokens"] == ["fox", "##happy"]
    assert [msg for msg in sent if msg["method"] == "update"] == []
    # what Python chooses does travel
    explorer.selection = {"layer": 0}
    (update,) = [msg for msg in sent if msg["method"] == "update"]
    assert update["state"]["selection"] == {"view": "attention", "layer": 0, "head": 0}


def test_hiding_specials_grouping_words_and_renormalising(explorer):
    explorer.set_trait("hide_special", True)
    explorer.set_trait("group_words", True)
    w = weights(L, H, T, T)[0, 0]
    # by hand: rows un+##happy (mean), fox, fox; columns un+##happy (sum), fox, fox
    rows = np.stack([w[[1, 2]].mean(0), w[3], w[4]])
    by_hand = np.stack([rows[:, [1, 2]].sum(1), rows[:, 3], rows[:, 4]], -1)
    by_hand /= by_hand.sum(-1, keepdims=True)
    assert np.allclose(explorer.selected_attention()[0], by_hand, atol=1e-6)
    assert list(explorer.table().index) == ["unhappy", "fox", "fox"]
    explorer.renormalise = False
    assert explorer.selected_attention().sum(-1).max() < 1


def test_several_heads_and_queries(explorer):
    explorer.heads = [[1, 2], [0, 1]]
    explorer.selection = {"layer": 0, "head": 1}
    explorer.queries = [3, 4]
    got = explorer.selected_attention()
    w = weights(L, H, T, T)
    assert np.allclose(got, np.stack([w[1, 2, 3:5], w[0, 1, 3:5]]), atol=1e-6)
    # a selection outside the pinned heads shows alone
    explorer.selection = {"layer": 1, "head": 0}
    assert explorer.selected_heads() == [(1, 0)]


def test_sentence_pairs(explorer):
    explorer.pair = "A to B"
    assert explorer.selected_attention().shape == (1, 3, 3)
    assert np.allclose(explorer.selected_attention().sum(-1), 1)


def test_filter_that_matches_nothing_still_draws(explorer):
    explorer.containing = "zebra"
    assert explorer.selected_attention().shape == (1, 0, T)
    assert explorer.to_png()[:4] == b"\x89PNG"
    explorer.containing = "fox, un"
    assert list(explorer.table().index) == ["un", "fox", "fox"]


def test_cross_attention_has_two_sides():
    maps = {
        "decoder": AttentionMaps(weights=weights(L, H, T, T), rows=ROWS),
        "cross": AttentionMaps(
            weights=weights(L + 1, H, T, S), rows=ROWS, columns=list("abcde")
        ),
    }
    view = AttentionExplorer(maps, selection={"view": "cross"})
    assert view.table().shape == (T, S)
    assert repr(view).endswith("(3 layers, 3 heads, 6 by 5 tokens)")
    assert len(view.data) == L * H * T * T + (L + 1) * H * T * S


@pytest.mark.parametrize("mode", ["arcs", "heat", "detail"])
def test_pictures(explorer, mode):
    explorer.mode = mode
    assert explorer.to_png()[:4] == b"\x89PNG"
    assert explorer.to_svg() == explorer.to_svg()
    assert "<svg" in explorer.to_svg()


def page_state(page):
    found = re.search(r'type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


def test_hostile_tokens_stay_tokens(tmp_path):
    maps = AttentionMaps(weights=weights(L, H, T, T), rows=HOSTILE)
    view = AttentionExplorer(maps)
    page = view.to_html(tmp_path / "page.html")
    assert page.count("</script") == 2  # the state and the module, nothing else
    assert "<b>" not in page
    labels = page_state(page)["maps"][0]["rows"]["labels"]
    assert labels[0] == "</script><b>"
    assert labels[1] == "<U+D800>"
    assert "<U+202E>" in labels[3]
    assert labels[5] == "∅"
    assert html.escape("<U+D800>") in page  # in the table


def test_the_page_holds_all_and_starts_with_picture_and_table(explorer):
    page = explorer.to_html()
    assert page.index("<img alt=") < page.index("<details>") < page.index("<script")
    data = codec.from_text(page_state(page)["data"]["z"])
    assert data == explorer.data
    assert "http" not in re.sub(r"data:[^\"]*", "", page)


def test_long_texts_travel_in_layers():
    long = 300
    w = weights(1, 2, long, long)
    maps = AttentionMaps(weights=w, rows=[f"t{i}" for i in range(long)])
    view = AttentionExplorer(maps)
    assert len(view.data) == 2 * 40 * 40
    thumbs = codec.unpack_weights(view.data, (1, 2, 40, 40))
    assert np.isclose(thumbs.max(), w.max(), atol=0.01)
    sent = []
    view.send = lambda content, buffers: sent.append((content, buffers))
    view._answer(view, {"kind": "layer", "view": "attention", "layer": 0}, [])
    layer = codec.unpack_weights(sent[0][1][0], (2, long, long))
    assert np.abs(np.sqrt(layer) - np.sqrt(w[0])).max() <= 0.5 / 255 + 1e-6
    state = view.static_state()["data"]
    places = np.frombuffer(state[3200 : 3200 + 2 * 2 * long * 16], "<u2")
    assert set(places.reshape(2, long, 16)[1, 7]) == set(np.argsort(-w[0, 1, 7])[:16])


def test_questions_from_the_browser():
    q, k = (np.random.default_rng(i).normal(size=(L, H, T, DH)) for i in (1, 2))
    w = softmax(q @ k.swapaxes(-1, -2) / 2)
    view = AttentionExplorer(AttentionMaps(weights=w, rows=ROWS, queries=q, keys=k))
    sent = []
    view.send = lambda content, buffers: sent.append(buffers[0])
    ask = {"view": "attention", "layer": 1, "head": 2}
    view._answer(view, {**ask, "kind": "row", "row": 4}, [])
    assert np.allclose(np.frombuffer(sent[0], "<f4"), w[1, 2, 4], atol=1e-7)
    view._answer(view, {**ask, "kind": "vectors"}, [])
    both = np.frombuffer(sent[1], "<f4").reshape(2, T, DH)
    assert np.allclose(both, [q[1, 2], k[1, 2]], atol=1e-6)
    view._answer(view, {**ask, "view": "elsewhere", "kind": "row"}, [])
    view._answer(view, {**ask, "kind": "nonsense"}, [])
    assert len(sent) == 2
    assert view.static_state()["vectors"]


def test_every_swept_value_is_accepted(explorer):
    for name, values in explorer.sweep.items():
        for value in values:
            setattr(explorer, name, value)
            explorer.to_png()


def test_the_module_is_small(explorer):
    assert len(explorer._esm.encode()) <= 34_000  # 25 kB once names are shortened


def test_errors_say_what_was_given(side):
    with pytest.raises(ValueError, match="weights must have the shape"):
        AttentionMaps(weights=weights(L, H, T, S), rows=ROWS)
    with pytest.raises(ValueError, match="numbers from 0 to 1"):
        AttentionMaps(weights=-weights(L, H, T, T), rows=ROWS)
    with pytest.raises(ValueError, match="special must have one entry for each of"):
        Side(labels=ROWS, special=[True])
    with pytest.raises(ValueError, match="given together; got only one"):
        AttentionMaps(weights=weights(L, H, T, T), rows=side, keys=weights(L, H, T, DH))
    with pytest.raises(TypeError, match="maps must be Mapping; got list"):
        AttentionExplorer([1])
    with pytest.raises(ValueError, match="at least one AttentionMaps"):
        AttentionExplorer({})
