"""The playground without a browser: reading back, undo, page data, outputs."""

import json

import numpy as np
import pytest
import torch
import traitlets

from llmkit.decoding import next_token_probabilities
from llmkit.explore.next_token import filtered
from llmkit.viz.next_token import (
    OFF,
    TEMPERATURES,
    NextToken,
    Scores,
    compress,
)
from llmkit.viz.view import _jsonable

V, T = 60, 4
HOSTILE = [
    "",
    " ",
    "\n",
    "</script>",
    "\ud800",
    "🦊",
    "שלום",
    "\u202e",
    "x" * 200,
    "$x$",
]


def vocab(size=V):
    return [*HOSTILE, *(f"t{i}" for i in range(size - len(HOSTILE)))]


def logits(size=V, seed=0):
    return np.random.default_rng(seed).normal(size=size).astype(np.float32) * 3


def ask(source):
    """A stand-in for a model: every letter is a token, the logits follow from ids."""
    ids = [ord(c) % V for c in source] if isinstance(source, str) else list(source)
    text = source if isinstance(source, str) else "".join(chr(i + 60) for i in source)
    tokens = [f"t{i}" for i in ids]
    if not ids:
        return Scores(text=text, ids=[], tokens=[], logits=None, note="Type something.")
    return Scores(text=text, ids=ids, tokens=tokens, logits=logits(seed=sum(ids)))


def view(text="abcd", **settings):
    return NextToken(ask(text), vocab(), filtered, ask, settings)


def test_distribution_is_the_kits_own_over_the_whole_vocabulary():
    settings = {"temperature": 0.7, "top_p": 0.8, "repetition_penalty": 1.4}
    one = view(**settings)
    mine = next_token_probabilities(
        torch.tensor(one.logits)[None], torch.tensor([one.ids]), **settings
    )
    np.testing.assert_allclose(one.distribution, mine[0], atol=1e-6)
    assert [name for name, _ in one.steps()] == [
        "model",
        "repetition_penalty",
        "temperature",
        "top_p",
    ]
    for _, probs in one.steps():
        assert probs.sum() == pytest.approx(1)


def test_typing_asks_the_model_and_reads_back():
    one = view("ab")
    before = one.distribution
    one.text = "abc"
    assert one.ids == ask("abc").ids
    assert not np.allclose(one.distribution, before)
    assert np.frombuffer(one.frame["logits"], np.float32).shape == (V,)


def test_append_undo_and_redo():
    one = view("ab")
    ids = one.ids
    p = one.distribution[7]
    one.append(7)
    one.action = {"do": "append", "id": 9, "how": "rolled", "n": 1}
    assert one.ids == [*ids, 7, 9]
    assert [h["how"] for h in one.history] == ["chosen", "rolled"]
    assert one.history[0]["p"] == pytest.approx(p, abs=1e-6)
    one.undo()
    one.action = {"do": "undo", "n": 2}
    assert (one.ids, one.text, one.history) == (ids, "ab", [])
    assert one.can == {"undo": False, "redo": True}
    one.redo()
    assert one.ids == [*ids, 7]
    one.undo()
    one.undo()  # nothing left to take back
    assert one.ids == ids


def test_a_burst_of_typing_is_one_step_for_undo():
    one = view("ab")
    for text in ("abc", "abcd", "abcde"):
        one.text = text
    one.undo()
    assert one.text == "ab"


def test_the_empty_text_has_no_distribution_and_breaks_nothing():
    one = view("ab")
    one.text = ""
    assert one.frame["logits"] == b""
    assert "empty" in one.alt
    one.action = {"do": "append", "id": 3, "n": 1}
    assert one.text == ""
    with pytest.raises(ValueError, match="there are no logits: Type something"):
        _ = one.distribution
    assert one.to_png()[:4] == b"\x89PNG"
    assert "Type something" in one.to_html()
    one.text = "ab"
    assert one.distribution.sum() == pytest.approx(1)


def test_without_a_model_the_text_is_fixed():
    one = NextToken(ask("ab"), vocab(), filtered)
    assert not one.live
    with pytest.raises(ValueError, match="no model behind it"):
        one.append(3)


def test_settings_are_filled_up_and_checked():
    one = view(top_k=3)
    assert one.settings == OFF | {"top_k": 3}
    one.settings = {"temperature": 2.0}
    assert one.settings == OFF | {"temperature": 2.0}
    with pytest.raises(traitlets.TraitError, match="got topp"):
        one.settings = {"topp": 0.5}
    with pytest.raises(traitlets.TraitError, match="must be above 0; got 0"):
        one.settings = {"temperature": 0}
    with pytest.raises(ValueError, match="top_p must lie between 0 and 1; got 3"):
        one.settings = {"top_p": 3}


def test_the_wrong_number_of_labels_is_named():
    with pytest.raises(ValueError, match="with V=61; got"):
        NextToken(ask("ab"), vocab(V + 1), filtered)


def test_the_temperatures_are_33_and_contain_1():
    assert len(TEMPERATURES) == 33
    assert (TEMPERATURES[0], TEMPERATURES[-1]) == (0.05, 5.0)
    assert 1.0 in TEMPERATURES
    ratios = np.diff(np.log(TEMPERATURES))
    assert ratios.max() / ratios.min() < 1.1


def test_bands_weigh_the_tail_exactly():
    z, ids = logits(50_257), [3, 50_000]
    z[77] = -np.inf
    listed, bands = compress(z, ids, TEMPERATURES)
    assert {3, 50_000} <= set(listed.tolist())
    assert len(listed) + sum(b["n"] for b in bands) == 50_257 - 1
    for k, t in enumerate(TEMPERATURES):
        scaled = z.astype(np.float64) / t
        top = scaled.max()
        whole = np.exp(scaled - top).sum()
        here = np.exp(scaled[listed] - top).sum()
        tail = sum(np.exp(b["lse"][k] - top) for b in bands)
        assert here + tail == pytest.approx(whole, rel=2e-4), t


def test_a_page_without_a_kernel_is_small_and_safe():
    size = 50_257
    one = NextToken(
        Scores(text="</script>", ids=[3], tokens=["</script>"], logits=logits(size)),
        [*HOSTILE, *(f" word{i}" for i in range(size - len(HOSTILE)))],
        filtered,
        ask,
        {"temperature": 0.7},
    )
    state = one.static_state()
    assert 0.7 in state["temperatures"]
    assert 1.0 in state["temperatures"]
    assert len(json.dumps(state, default=_jsonable)) <= 20_000
    page = one.to_html()
    assert page.count("</script>") == 2  # the two that the page itself needs
    page.encode("utf-8")


def test_table_figure_and_alt_say_the_same():
    one = view(top_k=2)
    table = one.table(5)
    assert list(table.columns) == ["model", "top_k"]
    np.testing.assert_allclose(table.sum(), 1.0, atol=1e-6)
    best = int(one.distribution.argmax())
    assert f"{one.vocab[best]} {one.distribution[best]:.0%}" in one.alt
    assert f"2 of {V} tokens can be drawn" in one.alt
    assert one.to_png()[:4] == b"\x89PNG"
    assert "<svg" in one.to_svg()


def test_the_module_is_small_and_needs_nothing():
    code = NextToken._esm
    assert len(code.encode()) <= 25 * 1024
    for word in ("import ", "http://", "https://", "innerHTML"):
        assert word not in code.split("//", 1)[0] + code, word
