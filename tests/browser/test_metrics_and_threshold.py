"""Metric meter and threshold view in a real browser."""

import json

import numpy as np
import pytest

from llmkit import explore
from llmkit.explore.threshold import measure
from llmkit.viz.threshold_view import ThresholdView, tempered
from tests.browser.views import cells

ROOT = ".lm-view[data-ready]"
RNG = np.random.default_rng(1)
LABELS = RNG.integers(0, 2, 120)
# with ties and with both ends
SCORES = np.clip(np.round(LABELS * 0.4 + RNG.random(120) * 0.7 - 0.05, 2), 0, 1)
SCORES = SCORES.astype(np.float32)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
@pytest.mark.parametrize(("threshold", "bins"), [(0.5, 10), (0.0, 1), (0.31, 7)])
def test_the_browser_counts_as_python_does(page, temperature, threshold, bins):
    p = tempered(SCORES, temperature)
    # off the scores themselves, where the last bit of a power decides
    threshold += 1e-4
    mine = measure(p, LABELS, threshold, bins)
    code = ThresholdView._esm.rpartition("export default")[0]
    page.set_content("<p>empty</p>")
    theirs = page.evaluate(
        f"""{code}; ([s, y, t, cut, bins]) => {{
        const m = measure(tempered(Float32Array.from(s), t), y, cut, bins);
        return {{ ...m, count: [...m.count], right: [...m.right] }}; }}""",
        [SCORES.tolist(), LABELS.tolist(), temperature, threshold, bins],
    )
    names = {"hits": "hits", "alarms": "false alarms", "misses": "misses"}
    names |= {n: n for n in ("auc", "ap", "ece", "brier")}
    names |= {n: n for n in ("accuracy", "precision", "recall", "f1")}
    for js, py in (names | {"passed": "rejections"}).items():
        assert theirs[js] == pytest.approx(mine[py], abs=1e-9), js
    assert theirs["count"] == [row[2] for row in mine["bins"]]
    np.testing.assert_allclose(theirs["curve"], mine["curve"], atol=1e-12)
    np.testing.assert_allclose(theirs["pr"], mine["pr"], atol=1e-12)


def test_a_threshold_is_moved_by_keys_in_a_page(page, tmp_path):
    view = explore.threshold(SCORES, LABELS, ("no", "yes"))
    view.to_html(tmp_path / "page.html")
    page.goto((tmp_path / "page.html").as_uri())
    root = page.wait_for_selector(ROOT)
    page.locator(f"{ROOT} canvas[tabindex='0']").focus()
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowLeft")
    hits = measure(SCORES, LABELS, 0.59, 10)["hits"]
    page.wait_for_function(
        f"n => JSON.parse(document.querySelector('{ROOT}').dataset.now)[0] === n",
        arg=hits,
    )
    assert json.loads(root.get_attribute("data-now"))[0] == hits


def test_an_edited_candidate_moves_every_score(open_notebook):
    nb = open_notebook([*cells("metrics"), "print(view.scores())"])
    nb.run_all()
    page = nb.page
    root = page.locator(ROOT).first
    before = root.locator(".mm-scores").inner_text()
    area = root.locator("textarea").first
    area.fill("The old bridge was closed yesterday evening because of the storm.")
    page.wait_for_function(
        f"""t => {{ const s = document.querySelector('{ROOT} .mm-scores').innerText;
        return s !== t && s.includes('100.0') && s.includes('1.000'); }}""",
        arg=before,
    )
    # arrow keys name the word; its example is no longer the first one
    root.locator(".mm-words[tabindex='0']").focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.wait_for_function(
        f"document.querySelector('{ROOT} .mm-words .on')?.innerText === '.'"
    )
    assert root.locator("select").first.input_value() == "-1"


def test_examples_of_a_page_without_a_kernel(page, tmp_path):
    explore.metrics().to_html(tmp_path / "page.html")
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector(ROOT)
    page.locator(f"{ROOT} select").first.select_option("5")
    page.wait_for_function(
        f"document.querySelectorAll('{ROOT} .mm-words[tabindex] .clip').length === 10"
    )
