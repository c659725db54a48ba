"""What every view must do, whatever it shows: see `viz/README.md`."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.browser.views import VIEWS, cells

ROOT = ".lm-view[data-ready]"
HOSTILE = "</script><img src=x onerror=alert(1)>\u202eابج🙂\u0000" + "x" * 200

# every pixel of every canvas, summed up: changes when anything is drawn differently
INK = """root => [...root.querySelectorAll('canvas')].map(c => {
    if (!c.width || !c.height) return 0;
    const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
    let h = 0; for (let i = 0; i < d.length; i += 4)
        h = (h * 31 + d[i] + 7 * d[i + 1] + 13 * d[i + 2] + 17 * d[i + 3]) | 0;
    return h; }).join()"""

# text and background of every visible piece of text: the worst contrast, and whose
CONTRAST = """root => {
    const parse = c => { const m = c.match(/[\\d.]+/g).map(Number);
        return m.length < 4 ? [...m, 1] : m; };
    const lum = c => { const f = v => { v /= 255;
        return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
        return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
    let worst = [99, ''];
    for (const node of root.querySelectorAll('*')) {
        const own = [...node.childNodes].some(n => n.nodeType === 3 && n.data.trim());
        if (!own || !node.getClientRects().length) continue;
        if (node.closest(':disabled')) continue;
        const style = getComputedStyle(node);
        if (style.visibility === 'hidden' || node.closest('.lm-say')) continue;
        let back = [255, 255, 255, 1];
        for (let up = node; up; up = up.parentElement) {
            const c = parse(getComputedStyle(up).backgroundColor);
            if (c[3] > 0.99) { back = c; break; }
        }
        const a = lum(parse(style.color)), b = lum(back);
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < worst[0]) worst = [ratio, node.outerHTML.slice(0, 160)];
    }
    return worst; }"""


def axe_script() -> Path | None:
    """Return axe-core's file, which a test dependency carries."""
    spec = find_spec("axe_playwright_python")
    return Path(spec.origin).parent / "axe.min.js" if spec else None


def serious(page, selector: str) -> list[str]:
    """Return what axe calls serious or critical inside one element."""
    page.add_script_tag(path=str(axe_script()))
    found = page.evaluate(
        "async s => (await axe.run(s, {resultTypes: ['violations']})).violations",
        selector,
    )
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:200]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


@pytest.fixture(params=sorted(VIEWS))
def notebook(request, open_notebook):
    """A notebook with one view, twice on the page, with text far below it."""
    nb = open_notebook([*cells(request.param), "view", "print('line\\n' * 150)"])
    nb.view = request.param
    nb.run_all()
    nb.page.wait_for_function(f"document.querySelectorAll('{ROOT}').length === 2")
    nb.theme("light")
    return nb


def test_in_jupyterlab(notebook, guard):
    page, root = notebook.page, notebook.page.locator(ROOT).first

    # accessibility, in both themes; canvases are redrawn when the theme changes
    light = root.evaluate(INK)
    assert serious(page, ROOT) == []
    ratio, where = root.evaluate(CONTRAST)
    assert ratio >= 4.5, where
    notebook.shot(f"view-{notebook.view}-light", root)
    notebook.theme("dark")
    dark = root.evaluate(INK)
    assert "canvas" not in root.inner_html() or dark != light
    assert serious(page, ROOT) == []
    ratio, where = root.evaluate(CONTRAST)
    assert ratio >= 4.5, where
    notebook.shot(f"view-{notebook.view}-dark", root)

    # every control is reached with Tab (of a group of choices, one)
    expected = root.evaluate(
        """root => { window._met = new Set();
        document.addEventListener('focusin', e => window._met.add(e.target), true);
        window._want = [...root.querySelectorAll(
            'button, input, select, textarea, [tabindex]')].filter(n => n.tabIndex >= 0
            && !n.disabled && n.getClientRects().length);
        window._want[0].focus(); return window._want.length; }"""
    )
    assert expected >= 1
    for _ in range(expected + 4):
        page.keyboard.press("Tab")
    missed = page.evaluate(
        "_want.filter(n => !_met.has(n)).map(n => n.outerHTML.slice(0, 99))"
    )
    assert missed == []

    # JupyterLab's shortcuts neither fire nor steal
    loud = root.evaluate(
        """root => [...root.querySelectorAll('button, input, select, textarea, '
            + '[tabindex]')].filter(n => !n.dataset.lmSuppressShortcuts)
            .map(n => n.outerHTML.slice(0, 99))"""
    )
    assert loud == []
    before = page.locator(".jp-Cell").count()
    for node in root.locator("canvas[tabindex='0'], button, select").all()[:6]:
        if node.is_visible() and node.is_enabled():
            node.focus()
            for key in ("a", "b", "x", "j", "k"):
                page.keyboard.press(key)
    assert page.locator(".jp-Cell").count() == before
    assert page.evaluate("document.activeElement.closest('.lm-view') != null")

    # scrolled away and back, nothing is lost
    notebook.settle()
    drawn = root.evaluate(INK)
    page.locator("pre", has_text="line").last.evaluate("n => n.scrollIntoView(false)")
    notebook.settle(4)
    root.scroll_into_view_if_needed()
    notebook.settle(4)
    assert root.evaluate(INK) == drawn
    assert not notebook.tracebacks()
    assert root.locator("*").count() <= 1500
    assert not guard.blocked


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_page_from_disk(page, tmp_path, name):
    space: dict = {}
    code = cells(name)
    exec(code[0], space)
    space["text"] = HOSTILE
    space["letters"] = space["CharTokenizer"].train([HOSTILE, "abc"])
    size = space["letters"].vocab_size
    config = space["GPTConfig"](vocab_size=size, d_model=32, n_heads=4, n_layers=3)
    space["gpt"] = space["GPT"](config).eval()
    exec(code[1].rsplit("\n", 1)[0], space)
    view = space["view"]
    path = tmp_path / "page.html"
    view.to_html(path)
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    page.goto(path.as_uri())
    page.wait_for_selector(ROOT, state="attached")
    assert page.locator(".lm-view img").count() == 0
    assert serious(page, ROOT) == []
    assert page.locator(".lm-view *").count() <= 1500
