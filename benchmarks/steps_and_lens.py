"""The stepper and the logit lens against their bars.

    python -m benchmarks.steps_and_lens

There is no peer to time beside them: no other tool steps through the reader's own
model, or shows a lens live. Times are medians; the machine's own speed is given by the
forward pass alone, in the same run.
"""

import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import torch

from llmkit import explore
from llmkit.models import GPT, GPTConfig
from llmkit.trace.lens import logit_lens
from llmkit.viz import codec

TEXT = "The quick brown fox jumps over the lazy dog. " * 8


class Bytes:
    """A tokenizer of bytes, so that a text has as many tokens as letters."""

    bos_id = cls_id = sep_id = None

    def __call__(self, text):
        """Return an encoding of a text."""
        return SimpleNamespace(ids=self.encode(text), tokens=list(text), type_ids=None)

    def encode(self, text):
        """Return a text's bytes."""
        return list(text.encode())

    def decode(self, ids):
        """Return some letters for ids."""
        return bytes(i % 256 for i in ids).decode("latin-1")


def median_ms(work, runs: int = 7) -> float:
    """Return the median time of a call in milliseconds, after one warm-up."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def model(d_model: int, n_heads: int, n_layers: int, vocab_size: int) -> GPT:
    """Return an untrained GPT."""
    torch.manual_seed(0)
    return GPT(
        GPTConfig(
            vocab_size=vocab_size, d_model=d_model, n_heads=n_heads, n_layers=n_layers
        )
    ).eval()


def page_bytes(view) -> int:
    """Return how many bytes of a page the state of a view takes."""
    state = view.static_state().values()
    return sum(
        len(codec.to_text(v)) if isinstance(v, bytes) else len(repr(v)) for v in state
    )


def browser_rows(stepper, lens) -> list[tuple]:
    """Measure first paint and redraw in headless Chromium."""
    from playwright.sync_api import sync_playwright

    from tests.browser.harness import CHROMIUM_ARGS, find_chromium

    redraw = """async act => { const times = [];
        for (let n = 0; n < 25; n++) { const t = performance.now(); act(n);
            await new Promise(d => requestAnimationFrame(
                () => requestAnimationFrame(d)));
            times.push(performance.now() - t); }
        return times.sort((a, b) => a - b)[12]; }"""
    press = """n => document.querySelector("canvas[tabindex='0']").dispatchEvent(
        new KeyboardEvent('keydown', {key: n % 2 ? 'ArrowLeft' : 'ArrowRight'}))"""
    go = """n => { const s = document.querySelector('select');
        s.value = String((n * 5) % s.options.length);
        s.dispatchEvent(new Event('change')); }"""
    paint = """() => { const t = performance.timing;
        return performance.now() - (t.domInteractive - t.navigationStart); }"""
    rows = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        chromium = playwright.chromium.launch(
            executable_path=find_chromium(), args=CHROMIUM_ARGS
        )
        for name, view in (("stepper", stepper), ("lens", lens)):
            path = Path(folder) / f"{name}.html"
            view.to_html(path)
            page = chromium.new_page()
            page.goto(path.as_uri())
            page.wait_for_selector("[data-ready]", state="attached")
            rows.append((f"{name}: page to first paint, ms", page.evaluate(paint), 500))
            page.locator("canvas[tabindex='0']").focus()
            cell = page.evaluate(f"() => ({redraw})({press})")
            rows.append((f"{name}: key to redraw, ms (two frames)", cell, 50))
            if name == "stepper":
                step = page.evaluate(f"() => ({redraw})({go})")
                rows.append(("stepper: step to redraw, ms (two frames)", step, 50))
        chromium.close()
    return rows


def main() -> None:
    """Print each figure beside its bar."""
    torch.set_num_threads(2)
    small, gpt2 = model(384, 6, 6, 8192), model(768, 12, 12, 50257)
    ids = torch.tensor([Bytes().encode(TEXT[:64])])
    with torch.inference_mode():
        alone = median_ms(lambda: small(ids))
        alone2 = median_ms(lambda: gpt2(ids), 3)
    weights = sum(p.numel() for p in small.parameters()) / 1e6
    deep = explore.lens(model(48, 12, 12, 8192), Bytes(), TEXT[:64])
    stepper = explore.steps(model(256, 4, 4, 4096), Bytes(), TEXT[:16])
    whole = median_ms(lambda: logit_lens(small, Bytes(), TEXT[:64]))
    large = explore.lens(gpt2, Bytes(), TEXT[:64])
    column = median_ms(lambda: large._asked(large, {"column": 40}, []), 5)
    rows = [
        (f"lens: {weights:.0f} M weights, 64 tokens, ms", whole, 300),
        ("   times the forward pass alone", whole / alone, None),
        ("lens: GPT-2 small's shape, hovered column, ms", column, 150),
        ("   times the forward pass alone", column / alone2, None),
        ("lens: page, 12 layers x 64 tokens, kB", page_bytes(deep) / 1000, 120),
        ("stepper: page, 16 tokens, d_head 64, kB", page_bytes(stepper) / 1000, 400),
        *browser_rows(stepper, deep),
    ]
    print(f"{'':48}{'measured':>10}{'bar':>10}")
    for name, value, bar in rows:
        print(f"{name:48}{value:10.1f}{'' if bar is None else f'{bar:10.0f}'}")


if __name__ == "__main__":
    main()
