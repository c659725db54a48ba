"""Static figures: picture, sentence, table, and what happens with odd input."""

import numpy as np
import pytest

from llmkit.viz import attention_figures as figures
from llmkit.viz import painters

L, H, T, S = 2, 3, 4, 5
ROWS, COLUMNS = ["a", "$b$", "</td>", ""], ["v", "w", "日本", "🙂", "\ud800"]


def weights(*shape):
    x = np.random.default_rng(0).random(shape)
    return x / x.sum(-1, keepdims=True)


def all_of(picture):
    assert picture.to_png()[:4] == b"\x89PNG"
    assert picture.to_png() == picture.to_png()
    assert "<svg" in picture.to_svg()
    shown = picture._repr_html_()
    assert shown.startswith("<div><img alt=")
    assert shown.encode("utf-8")
    return shown


def test_heatmap():
    w = weights(T, S)
    picture = figures.heatmap(w, ROWS, COLUMNS, "one")
    shown = all_of(picture)
    assert "&lt;/td&gt;" in shown
    assert np.allclose(picture.table(), w)
    assert f"{w.max():.2f}." in picture.alt


def test_head_view_of_one_and_of_several():
    all_of(figures.head_view(weights(T, S), ROWS, COLUMNS))
    picture = figures.head_view(weights(H, T, S), ROWS, COLUMNS, names=list("xyz"))
    all_of(picture)
    assert np.allclose(picture.table(), weights(H, T, S).mean(0))


def test_head_grid_and_tensors():
    import torch

    picture = figures.head_grid(torch.from_numpy(weights(L, H, T, S)))
    assert "2 layers with 3 heads" in picture.alt
    all_of(picture)


def test_token_strip():
    picture = figures.token_strip([" the", "fox"] * 30, np.linspace(0, 1, 60))
    all_of(picture)
    assert picture.table()["token"][0] == "·the"
    assert len(figures.token_strip(["a"]).table()) == 1


def test_pooling_keeps_the_strongest():
    w = np.zeros((1, 97, 61))
    w[0, 90, 3] = 0.7
    small = painters.pool(w, 10)
    assert small.shape == (1, 10, 10)
    assert small.max() == 0.7
    assert (small > 0).sum() == 1
    assert painters.pool(w, 200).shape == w.shape


def test_one_token():
    all_of(figures.heatmap(np.ones((1, 1)), ["a"], ["a"]))


def test_errors():
    with pytest.raises(ValueError, match="weights must have the shape"):
        figures.heatmap(weights(T, S), COLUMNS, ROWS)
    with pytest.raises(ValueError, match="numbers from 0 to 1"):
        figures.heatmap(weights(T, S) * 9, ROWS, COLUMNS)
    with pytest.raises(ValueError, match="values must have the shape"):
        figures.token_strip(["a"], [0.1, 0.2])
