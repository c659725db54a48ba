"""AttentionExplorer beside BertViz's model view, on the same weights.

    python -m benchmarks.attention_view [--tokens 64 128] [--no-bertviz] [--no-live]

The weights are real: MiniLM's six layers on English prose, each taken twice, which
makes 12 layers of 12 heads. Both views are written to files and opened in the same
headless Chromium; times are medians and count from the start of the navigation to the
first full paint. Live times run from executing the cell to that mark, in JupyterLab.
BertViz needs minutes at 128 tokens.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from llmkit.data import load_pydocs
from llmkit.explore.attention import maps_of
from llmkit.hub import load_encoder
from llmkit.trace import capture
from llmkit.viz import bertviz_offline
from llmkit.viz.attention import AttentionExplorer
from llmkit.viz.attention_maps import AttentionMaps
from tests.browser import harness

READY = "[data-ready]"
STAMP = """const seen = new MutationObserver(() => {
    if (!document.querySelector('[data-ready]')) return;
    seen.disconnect(); window._ready = performance.now(); });
    seen.observe(document, {subtree: true, childList: true, attributes: true});"""
# from the event to the second frame after it, less the frame that is waited for anyway
MOVE = """async ([which, kind]) => {
    const at = document.querySelectorAll('.lm-view canvas')[which], out = [];
    const frame = () => new Promise(requestAnimationFrame);
    const box = at.getBoundingClientRect();
    for (let n = 1; n <= 15; n++) {
        await frame(); await frame();
        const place = {bubbles: true, clientX: box.x + 30 + (box.width - 60) * n / 16,
            clientY: box.y + 30 + (Math.min(box.height, 480) - 60) * n / 16};
        const t = performance.now();
        at.dispatchEvent(new PointerEvent(kind, place));
        await frame();
        out.push(performance.now() - t);
    }
    return out.sort((a, b) => a - b)[7]; }"""
LIVE = """
import pathlib, sys
here = pathlib.Path.cwd()
sys.path.insert(0, str(next(p for p in here.parents if (p / "llmkit").is_dir())))
from benchmarks.attention_view import prose, twelve_layers
from llmkit.viz.attention import AttentionExplorer
maps = {n: twelve_layers(n) for n in SIZES}
"""
DONE = """at => window.jupyterapp.shell.currentWidget.content.widgets[at]
    .model.executionCount != null"""
CHOOSE = """at => {
    window.jupyterapp.shell.currentWidget.content.activeCellIndex = at; }"""
KEY = """async () => {
    const box = document.querySelector('.lm-view input[type=text]'), out = [];
    const view = document.querySelector('.lm-view');
    for (let n = 0; n < 15; n++) {
        const t = performance.now();
        const drawn = new Promise(done => new MutationObserver((_, o) => {
            o.disconnect(); requestAnimationFrame(() => requestAnimationFrame(done)); }
        ).observe(view, {attributeFilter: ['data-turn']}));
        box.value += n % 3 ? 'x' : ' a'; box.dispatchEvent(new Event('input'));
        await drawn; out.push(performance.now() - t);
    }
    return out.sort((a, b) => a - b)[7]; }"""


def prose(n_tokens: int, tokenizer) -> str:
    """Return English text of exactly so many tokens, the special two included."""
    words = " ".join(d.text for d in load_pydocs(max_chars=20_000)).split()
    low, high = 1, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        fits = len(tokenizer(" ".join(words[:middle])).ids) <= n_tokens
        low, high = (middle, high) if fits else (low, middle - 1)
    return " ".join(words[:low])


def twelve_layers(n_tokens: int) -> AttentionMaps:
    """Return real weights of 12 layers of 12 heads over about so many tokens."""
    model, tokenizer = load_encoder("minilm")
    trace = capture(model, tokenizer, prose(n_tokens, tokenizer))
    maps = maps_of(trace)["encoder"]
    return AttentionMaps(
        weights=torch.cat([trace.attentions] * 2),
        rows=maps.rows,
        scores={k: list(v) * 2 for k, v in maps.scores.items()},
    )


def open_page(browser, path: Path, runs: int) -> tuple[float, int, int, object]:
    """Return the median seconds to the first paint, nodes, requests, and the page."""
    times = []
    for _ in range(runs):
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(600_000)
        guard = harness.Guard()
        guard.watch(page)
        page.add_init_script(STAMP)
        page.goto(path.as_uri(), wait_until="commit")
        page.wait_for_selector(READY, state="attached")
        page.evaluate("new Promise(requestAnimationFrame)")
        times.append(page.evaluate("window._ready") / 1000)
        if len(times) < runs:
            page.context.close()
    nodes = page.evaluate("document.querySelectorAll('*').length")
    return statistics.median(times), nodes, len(guard.blocked), page


def line(name, tokens, size, seconds, nodes, requests, moves=(), bar="") -> None:
    """Print one row of the report; `moves` are the ms of a hover and of a click."""
    said = "".join(f"{x:4.0f} ms" for x in moves) or "       –"
    print(
        f"{name:18} {tokens:>4} tokens {size / 1000:>9,.0f} kB {seconds:>7.2f} s "
        f"{nodes:>9,} nodes {requests} requests; hover, click: {said}  {bar}",
        flush=True,
    )


def bertviz_page(maps: AttentionMaps) -> int:
    """Return how many bytes BertViz itself writes; the kit rounds what it sends."""
    import bertviz

    layers = [torch.from_numpy(w)[None] for w in maps.weights]
    tokens = list(maps.rows.labels)
    return len(bertviz.model_view(layers, tokens, html_action="return").data.encode())


def static_pages(browser, sizes, with_bertviz: bool) -> None:
    """Write and open the pages of both views."""
    bars = {64: "bar 650 kB, 0.7 s", 128: "bar 2,100 kB, 1.2 s"}
    with tempfile.TemporaryDirectory() as folder:
        for n in sizes:
            maps = twelve_layers(n)
            tokens = len(maps.rows.labels)
            path = Path(folder) / "page.html"
            size = len(AttentionExplorer(maps).to_html(path).encode())
            seconds, nodes, requests, page = open_page(browser, path, 5)
            hover = page.evaluate(MOVE, [2, "pointermove"])
            click = page.evaluate(MOVE, [0, "click"])
            page.context.close()
            line(
                "AttentionExplorer", tokens, size, seconds, nodes, requests,
                (hover, click), bars.get(n, ""),
            )  # fmt: skip
            if with_bertviz:
                print(f"BertViz's own page: {bertviz_page(maps) / 1000:,.0f} kB")
                view = bertviz_offline.model_view(maps.weights, maps.rows.labels)
                size = len(view.to_html(path).encode())
                seconds, nodes, requests, page = open_page(browser, path, 1)
                page.context.close()
                line("BertViz model view", tokens, size, seconds, nodes, requests)


def live(browser, sizes=(64, 128, 512)) -> None:
    """Time a cell that shows the explorer, and a keystroke, in JupyterLab."""
    cells = [LIVE.replace("SIZES", repr(list(sizes)))]
    cells += [f"AttentionExplorer(maps[{n}])" for n in sizes]
    typed = "from llmkit import explore\nfrom llmkit.hub import load_encoder\n"
    typed += "bert, t = load_encoder('minilm')\n"
    typed += "explore.attention(bert, t, 'The quick brown fox jumps over the dog')"
    with harness.jupyter_lab() as lab:
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(120_000)
        name = harness.place_notebook(lab, [*cells, typed])
        notebook = harness.Notebook(page, lab, name)
        for place in range(len(sizes) + 2):
            page.evaluate(CHOOSE, place)
            start = time.monotonic()
            notebook.command("notebook:run-cell")
            if place:
                page.wait_for_function(
                    f"n => document.querySelectorAll('{READY}').length === n", arg=place
                )
                took = time.monotonic() - start
                if place <= len(sizes):
                    bar = " (bar 3 s)" if sizes[place - 1] == 512 else ""
                    print(
                        f"live, {sizes[place - 1]} tokens: {took:.2f} s{bar}",
                        flush=True,
                    )
            page.wait_for_function(DONE, arg=place)
            notebook.wait_kernel()
        page.evaluate(
            "() => { [...document.querySelectorAll('.lm-view')].slice(0, -1)"
            ".forEach(n => n.remove()); }"
        )
        print(f"live, keystroke to redraw: {page.evaluate(KEY):.0f} ms (bar 150 ms)")
        page.context.close()


def main() -> None:
    """Print the report."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--no-bertviz", action="store_true")
    parser.add_argument("--no-live", action="store_true")
    asked = parser.parse_args()
    module = AttentionExplorer(twelve_layers(16))._esm
    print(f"module with prelude: {len(module.encode()):,} bytes as sent")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=harness.find_chromium(), args=harness.CHROMIUM_ARGS
        )
        static_pages(browser, asked.tokens, not asked.no_bertviz)
        if not asked.no_live:
            live(browser)
        browser.close()


if __name__ == "__main__":
    main()
