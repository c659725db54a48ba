"""The next-token playground against its bars.

    python -m benchmarks.next_token

Nothing else computes these filters in a browser to be timed beside it; the judge of its
numbers is `transformers`. Times are medians. The two that need a running JupyterLab
carry the machine's own noise; the forward pass alone stands beside them.
"""

import base64
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from llmkit import explore
from llmkit.explore.next_token import Reader, filtered
from llmkit.hub import load_decoder
from llmkit.models import GPT, GPTConfig
from llmkit.viz.next_token import OFF, TEMPERATURES, NextToken, Scores
from llmkit.viz.view import _jsonable
from tests.browser import harness
from tests.browser.test_next_token import MATHS, SETTINGS, judge, rows

SIZE = 50_257
SIZES = {"vocab_size": 8192, "d_model": 512, "n_heads": 8, "n_layers": 8}
LIVE = """
import pathlib, sys
here = pathlib.Path.cwd()
sys.path.insert(0, str(next(p for p in here.parents if (p / "llmkit").is_dir())))
import torch
from llmkit import explore
from llmkit.hub import load_decoder
from llmkit.models import GPT, GPTConfig
torch.manual_seed(0)
small, tokenizer = load_decoder("pydocs")
large = GPT(GPTConfig(**SIZES)).eval()
text = "If the argument is a string, return the value. Otherwise raise an error of"
""".replace("SIZES", repr(SIZES))
# a slider step from event to layout, with the frame's wait left out
STEP = """() => { const slider = document.querySelectorAll('input[type=range]')[0];
    window.requestAnimationFrame = f => { f(performance.now()); return 0; };
    const times = [], view = document.querySelector('.lm-view');
    for (let n = 0; n < 45; n++) { const t = performance.now();
        slider.value = 5 + n % 25; slider.dispatchEvent(new Event('input'));
        view.getBoundingClientRect(); times.push(performance.now() - t); }
    return times.slice(5).sort((a, b) => a - b)[20]; }"""
KEY = """async () => { const area = document.querySelector('.lm-view textarea');
    const view = document.querySelector('.lm-view'), times = [];
    for (let n = 0; n < 17; n++) {
        const t = performance.now();
        const drawn = new Promise(d => new MutationObserver((_, o) => {
            o.disconnect(); requestAnimationFrame(() => requestAnimationFrame(d)); }
        ).observe(view, {attributeFilter: ['data-ms']}));
        area.value += n % 3 ? 'x' : ' a'; area.dispatchEvent(new Event('input'));
        await drawn; times.push(performance.now() - t);
        await new Promise(d => setTimeout(d, 120)); }
    return times.slice(2).sort((a, b) => a - b)[7]; }"""


def slider(page, path: Path) -> float:
    """Return the median milliseconds from a step of the temperature to its layout."""
    page.goto(path.as_uri())
    page.wait_for_selector("[data-ready]", state="attached")
    page.get_by_role("slider", name="Top-p").fill("0.9")
    page.evaluate(STEP)
    return page.evaluate(STEP)


def whole_page(folder: Path) -> tuple[Path, NextToken]:
    """Write a page that holds the whole vocabulary, as the view does live."""
    logits = np.random.default_rng(0).normal(size=SIZE).astype(np.float32) * 2.5
    scores = Scores(text="x", ids=[1], tokens=["x"], logits=logits)
    view = NextToken(scores, [f" word{i}" for i in range(SIZE)], filtered)
    path = folder / "whole.html"
    small = view.static_state
    view.static_state = super(NextToken, view).static_state
    view.to_html(path)
    view.static_state = small
    return path, view


def errors(page) -> tuple[float, int, int]:
    """Return the worst error of a probability, wrong nucleus sizes, and cases."""
    page.goto("about:blank")
    page.add_script_tag(content=NextToken._esm.rpartition("export default")[0])
    worst, wrong, cases = 0.0, 0, 0
    for size in (50, SIZE):
        ids = np.random.default_rng(1).integers(0, size, 20).tolist()
        for _, logits in rows(size):
            for settings in SETTINGS:
                wanted, count = judge(logits, ids, settings)
                data = base64.b64encode(logits.tobytes()).decode()
                given = [data, ids, OFF | settings, [], list(TEMPERATURES), None]
                out = page.evaluate(MATHS, given)
                mine = np.frombuffer(base64.b64decode(out["p"]))
                gap = np.abs(np.sort(mine) - np.sort(wanted)).max()
                worst, cases = max(worst, gap), cases + 1
                wrong += bool(settings) and out["tokens"] != count
    return worst, wrong, cases


def live(page, lab) -> list[float]:
    """Return milliseconds from a keystroke to the second frame after the answer."""
    found = []
    for name in ("small", "large"):
        show = f"view = explore.next_token({name}, tokenizer, text)\nview"
        notebook = harness.Notebook(
            page, lab, harness.place_notebook(lab, [LIVE, show])
        )
        notebook.run_all()
        page.wait_for_selector(".lm-view[data-ready]", state="attached")
        found.append(page.evaluate(KEY))
        lab.end_kernels()
    return found


def forward_ms(model, tokenizer) -> float:
    """Return the median time in which Python answers a keystroke, in milliseconds."""
    reader, text, times = Reader(model, tokenizer), "If the argument is a string", []
    for n in range(15):
        text += " a" if n % 3 == 0 else "x"
        start = time.perf_counter()
        reader.ask(text)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[3:])


def main() -> None:
    """Print each figure beside its bar."""
    from playwright.sync_api import sync_playwright

    torch.manual_seed(0)
    small, tokenizer = load_decoder("pydocs")
    large = GPT(GPTConfig(**SIZES)).eval()
    weights = sum(p.numel() for p in large.parameters()) / 1e6
    view = explore.next_token(
        small, tokenizer, "If the argument is a string", top_p=0.9
    )
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        chromium = playwright.chromium.launch(
            executable_path=harness.find_chromium(), args=harness.CHROMIUM_ARGS
        )
        page = chromium.new_page()
        path, gpt2 = whole_page(Path(folder))
        worst, wrong, cases = errors(page)
        saved = Path(folder) / "saved.html"
        view.to_html(saved)
        steps = [slider(chromium.new_page(), place) for place in (path, saved)]
        with harness.jupyter_lab() as lab:
            keys = live(page, lab)
        chromium.close()
    kept = len(json.dumps(gpt2.static_state(), default=_jsonable)) / 1000
    table = [
        (f"slider to redraw, {SIZE:,} tokens live, ms", steps[0], 16),
        ("slider to redraw, a saved page, ms", steps[1], 16),
        ("key to redraw in JupyterLab, 3 M weights, ms", keys[0], 150),
        ("   Python's part of it", forward_ms(small, tokenizer), None),
        (f"key to redraw in JupyterLab, {weights:.0f} M, ms", keys[1], 150),
        ("   Python's part of it", forward_ms(large, tokenizer), None),
        (f"worst error of a probability, {cases} cases, 1e-3", worst * 1000, 1),
        ("nuclei of the wrong size", wrong, 0),
        (f"saved page's data, {SIZE:,} tokens, kB", kept, 20),
        ("module with its prelude, kB", len(NextToken._esm.encode()) / 1024, 25),
    ]
    print(f"{'':52}{'measured':>10}{'bar':>8}")
    for name, value, bar in table:
        print(f"{name:52}{value:10.3f}{'' if bar is None else f'{bar:8.0f}'}")


if __name__ == "__main__":
    main()
