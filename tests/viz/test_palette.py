"""Colours that stay apart for every eye, the same in Python and in the browser."""

import re
from itertools import combinations, pairwise

import numpy as np
import pytest

from llmkit.viz import palette
from llmkit.viz.module import HERE

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB
SIGHT = {
    "full": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
XYZ = [
    [0.4124, 0.3576, 0.1805],
    [0.2126, 0.7152, 0.0722],
    [0.0193, 0.1192, 0.9505],
]


def linear(colour):
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    x = XYZ @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.089])
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_hues_stay_apart(sight):
    seen = [lab(SIGHT[sight] @ linear(c)) for c in palette.PALETTE]
    gaps = [np.linalg.norm(a - b) for a, b in combinations(seen, 2)]
    assert min(gaps) >= 15


@pytest.mark.parametrize("sight", SIGHT)
def test_the_ramp_only_darkens(sight):
    lightness = [lab(SIGHT[sight] @ linear(c))[0] for c in palette.RAMP]
    assert all(a > b + 5 for a, b in pairwise(lightness))


def test_the_browser_has_the_same_colours():
    code = (HERE / "view.js").read_text("utf-8")
    hues = re.search(r"palette: \[(.*?)\]", code)[1]
    assert tuple(re.findall("#[0-9A-F]{6}", hues)) == palette.PALETTE
    for name, stops in (("ramps", palette.RAMP), ("signed", palette.SIGNED)):
        block = code[code.index(f"  {name}: {{") :]
        first = block[block.index("light: ") : block.index("]]")]
        triples = re.findall(r"\[?(\d+), (\d+), (\d+)", first)
        assert ["#{:02X}{:02X}{:02X}".format(*map(int, t)) for t in triples] == list(
            stops
        )


def contrast(a, b):
    first, second = (np.dot([0.2126, 0.7152, 0.0722], linear(c)) for c in (a, b))
    return (max(first, second) + 0.05) / (min(first, second) + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable_in_both_themes(theme):
    code = (HERE / "view.js").read_text("utf-8")
    block = re.search(rf"{theme}: {{ bg(.*?)}}", code, re.DOTALL)[0]
    colours = dict(re.findall(r'(\w+): "(#[0-9a-f]{6})"', block))
    for ground in ("bg", "panel"):
        for ink in ("fg", "muted", "accent", "mark"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        assert contrast(colours["control"], colours[ground]) >= 3


def test_hues_repeat_after_eight():
    assert palette.colour(9) == palette.PALETTE[1]
