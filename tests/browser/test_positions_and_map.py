"""The position explorer, the map of embeddings and the quiz, in a real browser."""

import numpy as np
import pytest
import torch

from llmkit import explore
from llmkit.course import Question, quiz
from llmkit.viz.embedding_map import EmbeddingMap
from tests.browser.test_every_view import serious

SETUP = """
import sys, pathlib
here = pathlib.Path.cwd()
root = next(p for p in (here, *here.parents) if (p / "llmkit").is_dir())
sys.path.insert(0, str(root))
import numpy as np
from llmkit import explore
from llmkit.course import Question, quiz
from llmkit.viz.embedding_map import EmbeddingMap
"""
SETTINGS = [
    ("sinusoidal", {"Width": 16, "Base": 2.0, "Position": 12}),
    ("rotary", {"Width": 6, "Base": 4.0, "Position": 63}),
    ("alibi", {"Heads": 6, "Head": 5, "Position": 30}),
    ("learned", {"Position": 3}),
]


def shown_numbers(page):
    """The second row of the little table: similarity at a few distances."""
    cells = page.locator(".po-numbers tbody td").all_text_contents()
    return [float(text.replace("−", "-")) for text in cells]


def move(root, label, value):
    root.get_by_label(label, exact=True).evaluate(
        "(i, v) => { i.value = v; i.dispatchEvent(new Event('input')); }", value
    )


@pytest.mark.parametrize(("kind", "settings"), SETTINGS)
def test_the_browser_computes_what_the_kit_computes(page, tmp_path, kind, settings):
    torch.manual_seed(0)
    learned = torch.randn(40, 6)
    view = explore.positions(learned=learned)
    page.goto(_page(view, tmp_path))
    root = page.locator(".lm-view[data-ready]")
    root.get_by_label("Kind").select_option(kind)
    for label, value in settings.items():
        move(root, label, value)
    page.wait_for_timeout(100)
    trait = {"Width": "width", "Position": "position", "Heads": "heads"}
    arguments = {trait[k]: v for k, v in settings.items() if k in trait}
    if "Base" in settings:
        arguments["base"] = 10 ** settings["Base"]
    if "Head" in settings:
        arguments["head"] = settings["Head"] - 1
    judge = explore.positions(kind, learned=learned, **arguments).table().iloc[:, 0]
    # a learned table travels in 16 bits
    near = 3e-4 if kind == "learned" else 1e-4
    assert shown_numbers(page) == pytest.approx(judge.tolist(), abs=near)


def _page(view, folder):
    path = folder / "page.html"
    view.to_html(path)
    return path.as_uri()


def test_positions_in_jupyterlab(open_notebook):
    nb = open_notebook(
        [
            SETUP,
            "view = explore.positions(learned=np.random.default_rng(0)"
            ".normal(size=(64, 8)))\nview",
        ]
    )
    nb.run_all()
    page, root = nb.page, nb.page.locator(".lm-view[data-ready]")
    cells = page.locator(".jp-Cell").count()
    root.locator("canvas.po-heat").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Enter", "a", "b", "x"):
        page.keyboard.press(key)
    nb.settle()
    page.wait_for_timeout(200)
    assert page.locator(".jp-Cell").count() == cells
    said = nb.run_in_kernel("print(view.position, view.selection['column'])")
    assert said.split() == ["2", "1"]
    # a slider reaches Python, and Python moves the picture
    move(root, "Base", 2)
    page.wait_for_timeout(200)
    assert nb.run_in_kernel("print(view.base)").strip() == "100.0"
    nb.run_in_kernel("view.kind = 'alibi'; view.position = 40")
    page.wait_for_function(
        "document.querySelector('.po-row figcaption').textContent.includes('40')"
    )
    judge = nb.run_in_kernel("print(*view.table().iloc[:, 0])")
    expected = [float(x) for x in judge.split()]
    assert shown_numbers(page) == pytest.approx(expected, abs=1e-4)
    for theme in ("light", "dark"):
        nb.theme(theme)
        nb.shot(f"positions-{theme}", root)


def test_map_in_jupyterlab(open_notebook):
    make = """
rng = np.random.default_rng(0)
spots = [[-1, -1], [1, 1], [-1, 1], [1, -1], [0, 0]]
view = EmbeddingMap(["a", "bee", "c", "d", "mid"], rng.normal(size=(5, 6)),
                    groups={"ends": ["a", "d"]}, places=spots)
view"""
    nb = open_notebook([SETUP, make])
    nb.run_all()
    page, root = nb.page, nb.page.locator(".lm-view[data-ready]")
    canvas = root.locator("canvas.em-map")
    box = canvas.bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(*middle)
    page.wait_for_function(
        "document.querySelector('.em-side').textContent"
        ".includes('nearest in the full space')"
    )
    assert nb.run_in_kernel("print(view.selected)").strip() == "['mid']"
    judge = nb.run_in_kernel("print(view.nearest('mid').word[0])").strip()
    first = root.locator(".em-side tbody th").first.text_content()
    assert first == judge
    # circle the upper half: the words whose second axis is 1
    root.get_by_role("radio", name="Circle").click()
    box = canvas.bounding_box()
    left, right = box["x"] + 5, box["x"] + box["width"] - 5
    top, low = box["y"] + 3, box["y"] + box["height"] * 0.4
    page.mouse.move(left, top)
    page.mouse.down()
    for corner in ((right, top), (right, low), (left, low)):
        page.mouse.move(*corner, steps=5)
    page.mouse.up()
    page.wait_for_timeout(200)
    assert nb.run_in_kernel("print(view.selected)").strip() == "['bee', 'c']"
    # the keyboard walks from point to point and the search finds
    canvas.focus()
    cells = page.locator(".jp-Cell").count()
    for key in ("Escape", "ArrowDown", "Enter", "b", "+"):
        page.keyboard.press(key)
    page.wait_for_timeout(200)
    assert page.locator(".jp-Cell").count() == cells
    assert len(nb.run_in_kernel("print(*view.selected)").split()) == 1
    root.get_by_label("Find a word").fill("be")
    page.wait_for_timeout(300)
    assert nb.run_in_kernel("print(view.selected)").strip() == "['bee']"
    nb.run_in_kernel("view.select('d')")
    page.wait_for_function("document.querySelector('.em-side b').textContent === 'd'")
    for theme in ("light", "dark"):
        nb.theme(theme)
        nb.shot(f"map-{theme}", root)


def test_ten_thousand_points_move_smoothly(page, tmp_path):
    rng = np.random.default_rng(0)
    view = EmbeddingMap(
        [f"word{i}" for i in range(10_000)], rng.normal(size=(10_000, 8))
    )
    page.goto(_page(view, tmp_path))
    page.wait_for_selector(".lm-view[data-ready]", state="attached")
    times = page.locator("canvas.em-map").evaluate(
        """async (c) => { const box = c.getBoundingClientRect(), out = [];
        const frame = () => new Promise((done) => requestAnimationFrame(done));
        for (let i = 0; i < 30; i++) { const start = performance.now();
          c.dispatchEvent(new WheelEvent('wheel', { deltaY: i < 15 ? -60 : 60,
            clientX: box.x + 200, clientY: box.y + 150, cancelable: true }));
          await frame(); await frame(); out.push((performance.now() - start) / 2); }
        return out; }"""
    )
    median = float(np.median(times))
    print(f"median frame {median:.1f} ms")
    assert median < 3 * 33


def test_quiz_in_jupyterlab(open_notebook):
    ask = """
asked = quiz([Question("2 + 2?", (3, 4, 5), right=4,
                       why={3: "One short.", 5: "One over."}),
              Question("Is `x` <b>bold</b>?", ("yes", "no"), right="no",
                       why={"yes": "Look again."})])
asked"""
    nb = open_notebook([SETUP, ask])
    nb.run_all()
    page, box = nb.page, nb.page.locator(".llmkit-quiz[data-ready]")
    first = box.get_by_role("group", name="1. 2 + 2?")
    first.get_by_role("radio", name="3").check()
    assert first.get_by_role("status").text_content() == "Not quite. One short."
    page.keyboard.press("ArrowDown")
    assert first.get_by_role("status").text_content() == "Right."
    assert "(1 of 2 right)" in box.text_content()
    page.wait_for_timeout(200)
    assert nb.run_in_kernel("print(asked.score, asked.answers)").strip() == (
        "1 [1, None]"
    )
    assert box.locator("b").count() == 0
    nb.run_in_kernel("asked.answers = [1, 1]")
    page.wait_for_function(
        "document.querySelector('.llmkit-quiz').textContent.includes('2 of 2')"
    )
    for theme in ("light", "dark"):
        nb.theme(theme)
        assert serious(page, ".llmkit-quiz") == []
        nb.shot(f"quiz-{theme}", box)


def test_the_quiz_s_static_twin_reads_without_scripts(page):
    asked = quiz([Question("Is it?", ("yes", "no"), right="no", why={"yes": "No."})])
    page.set_content(asked.to_html())
    page.locator("summary").click()
    assert "Not quite. No." in page.locator("details").text_content()
