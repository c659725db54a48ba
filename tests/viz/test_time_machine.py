"""The time machine's numbers, sizes and static twins."""

import time
from dataclasses import replace

import numpy as np
import pytest
import traitlets

from llmkit.viz.time_machine import Recording, TimeMachine

N, L, H, T = 4, 2, 3, 5


def recording(n=N, n_layers=L, n_heads=H, t=T, causal=True):
    draw = np.random.default_rng(0)
    raw = draw.random((n, n_layers, n_heads, t, t))
    raw = np.tril(raw) if causal else raw
    return Recording(
        steps=[10 * i for i in range(n)],
        tokens=[f"t{i}" for i in range(t)],
        attentions=raw / raw.sum(-1, keepdims=True),
        causal=causal,
        head_scores={
            "sink": draw.random((n, n_layers, n_heads)),
            "entropy": draw.random((n, n_layers, n_heads)),
            "unknown": np.full((n, n_layers, n_heads), np.nan),
        },
        scores={
            "loss": [4.0 - i / 2 for i in range(n)],
            "moved": [None] + [0.1] * (n - 1),
        },
        samples=[f"text {i}" for i in range(n)],
        odds=[[["a", 0.5], ["b", 0.25]]] * n,
    )


def test_each_snapshot_comes_back():
    given = recording()
    view = TimeMachine(given)
    assert view.index == N - 1  # it begins at the end
    assert len(view.attention) == N * L * H * T * (T + 1) // 2
    for i in range(N):
        got = view.attention_at(i)
        assert got.shape == (L, H, T, T)
        gap = np.abs(np.sqrt(got) - np.sqrt(given.attentions[i])).max()
        assert gap <= 0.5 / 255 + 1e-6
    np.testing.assert_allclose(
        view.change_at(-1), given.attentions[3] - given.attentions[2], atol=0.009
    )
    assert not view.change_at(0).any()
    np.testing.assert_allclose(
        view.head_score("entropy"), given.head_scores["entropy"], atol=1e-6
    )
    assert view.head_names == ["sink", "entropy"]  # what no head has is left out


def test_an_encoder_keeps_both_triangles():
    given = recording(causal=False)
    view = TimeMachine(given)
    assert len(view.attention) == N * L * H * T * T
    np.testing.assert_allclose(view.attention_at(1), given.attentions[1], atol=0.009)


def test_its_static_twins():
    view = TimeMachine(
        recording(), curve=[(i, 4 - i / 10) for i in range(31)], lines={"floor": 1.0},
        index=2, score="sink",
    )  # fmt: skip
    best = recording().head_scores["sink"].max(axis=(1, 2))
    assert repr(view) == "TimeMachine(4 snapshots, 2 layers of 3 heads, at step 20)"
    assert "the loss is 3.00, at first 4.00" in view.alt
    assert f"is {best[2]:.2f}, at first {best[0]:.2f}" in view.alt
    table = view.table()
    assert list(table.index) == [0, 10, 20, 30]
    assert list(table.columns) == [
        "loss", "moved", "sink, highest head", "entropy, highest head",
        "what it writes",
    ]  # fmt: skip
    assert table.loc[0, "moved"] == ""
    assert table.loc[20, "sink, highest head"] == pytest.approx(best[2], abs=1e-3)
    assert view.to_png().startswith(b"\x89PNG")
    assert 'src="http' not in view.to_html()
    bare = replace(recording(), scores={}, samples=(), odds=())
    plain = TimeMachine(bare)
    assert plain.to_png() != view.to_png()
    assert "loss" not in plain.alt


def test_twenty_snapshots_of_a_model_of_a_million_weights_are_small():
    """The bar: 1.5 MB for a page; 5 layers of 6 heads, as the larger shipped one."""
    view = TimeMachine(
        recording(n=20, n_layers=5, n_heads=6, t=24),
        curve=[(i, 4.0) for i in range(2000)],
    )
    begin = time.process_time()
    page = view.to_html()
    took = time.process_time() - begin
    print(f"page: {len(page) / 1e6:.2f} MB, made in {took:.2f} s of processor time")
    assert len(page) < 1.5e6 / 2  # random attention compresses worst
    assert len(TimeMachine._esm) <= 25_000


def test_weights_of_a_snapshot_on_demand():
    asked = []
    view = TimeMachine(recording(), load=lambda i: asked.append(i) or f"model {i}")
    assert view.can_load
    assert view.model is None
    assert view.model_at(1) == "model 1"
    assert view.loaded == 1
    view.index = 2
    assert view.model_at() == view.model == "model 2"
    view._hear(view, {"do": "load", "index": 3}, [])
    assert view.model == "model 3"
    view._hear(view, {"do": "load", "index": 99}, [])
    assert asked == [1, 2, 3, 3]
    with pytest.raises(ValueError, match="holds no weights"):
        TimeMachine(recording()).model_at(0)


def test_the_index_stays_inside():
    view = TimeMachine(recording())
    view.index = 99
    assert view.index == N - 1
    view.index = -4
    assert view.index == 0


def test_what_makes_no_sense_is_refused():
    good = recording()
    with pytest.raises(ValueError, match="number of snapshots must be a whole number"):
        TimeMachine(recording(n=1))
    with pytest.raises(ValueError, match="steps must have one entry for each of 4"):
        TimeMachine(replace(good, steps=[1, 2]))
    with pytest.raises(ValueError, match="loss must have one entry"):
        TimeMachine(replace(good, scores={"loss": [1.0]}))
    with pytest.raises(ValueError, match="tokens must name each of the 5"):
        TimeMachine(replace(good, tokens=["a"]))
    with pytest.raises(ValueError, match="attentions must be numbers from 0 to 1"):
        TimeMachine(replace(good, attentions=good.attentions * 9))
    with pytest.raises(ValueError, match="head_scores must hold at least one"):
        TimeMachine(replace(good, head_scores={}))
    with pytest.raises(ValueError, match=r"sink must have the shape \(N, L, H\)"):
        TimeMachine(replace(good, head_scores={"sink": np.ones((N, H, L))}))
    with pytest.raises(traitlets.TraitError, match="score must be one of sink, entr"):
        TimeMachine(good).score = "magic"
