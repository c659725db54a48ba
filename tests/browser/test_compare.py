"""Two models on one text, in a real JupyterLab and in a page from disk."""

import json

from tests.browser.views import cells


def test_compare_in_jupyterlab(open_notebook, guard):
    nb = open_notebook(cells("compare"))
    nb.run_all()
    page = nb.page
    root = page.locator(".lm-view[data-ready]")
    root.wait_for()
    heads, maps = (root.locator("canvas[tabindex='0']").nth(i) for i in (0, 1))
    count = page.locator(".jp-Cell").count()
    heads.click(position={"x": 26 + 20 * 1.5, "y": 26 + 20 * 2.5})
    nb.settle()
    assert nb.run_in_kernel("print(view.layer, view.head)").strip() == "2 1"
    page.keyboard.press("ArrowUp")
    for key in ("a", "b", "x"):
        page.keyboard.press(key)
    nb.settle()
    assert nb.run_in_kernel("print(view.layer, view.head)").strip() == "1 1"
    maps.focus()
    for key in ("ArrowUp", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    nb.settle()
    assert page.locator(".jp-Cell").count() == count
    said = json.loads(
        nb.run_in_kernel(
            "import json; s = view.selection; p = s['partner'];"
            "a = view.attention[0][s['layer'], s['head'], s['query'], s['key']];"
            "b = view.attention[1][p[0], p[1], s['query'], s['key']];"
            "print(json.dumps([s, float(a), float(b), len(view.units),"
            "list(view.partner_of(s['layer'], s['head']))]))"
        )
    )
    chosen, a, b, units, partner = said
    assert (chosen["query"], chosen["key"]) == (units - 2, 1)
    assert chosen["partner"] == partner
    # half a step of the codec, on the scale of the square root
    assert abs(chosen["a"] ** 0.5 - a**0.5) <= 0.5 / 255 + 1e-6
    assert abs(chosen["b"] ** 0.5 - b**0.5) <= 0.5 / 255 + 1e-6
    nb.theme("light")
    nb.shot("compare-light", root)
    root.get_by_label("Sentence").fill("dog fox")
    for _ in range(200):  # the models run again in the kernel
        said = nb.run_in_kernel("import json; print(json.dumps(view.units))")
        units = json.loads(said)
        if "".join(units) == "dogfox":
            break
        page.wait_for_timeout(100)
    nb.settle()
    assert "".join(units) == "dogfox"
    root.get_by_label("Sentence").fill("")
    page.wait_for_function(
        "document.querySelector('.mc-cell').textContent.includes('at least one token')"
    )
    nb.theme("dark")
    nb.shot("compare-dark", root)
    assert not guard.blocked
