"""The tokenizer playground in JupyterLab, and as a page without a kernel."""

import pytest

from llmkit.explore.tokens import tokens
from llmkit.tokenizers import ByteBPETokenizer, CharTokenizer

TEXT = "The quick brown fox jumps over the lazy dog. "
SETUP = f"""
import sys, pathlib
here = pathlib.Path.cwd()
root = next(p for p in (here, *here.parents) if (p / "llmkit").is_dir())
sys.path.insert(0, str(root))
from llmkit.explore import tokens
from llmkit.tokenizers import ByteBPETokenizer, CharTokenizer
text = {TEXT!r}
bpe = ByteBPETokenizer.train(text * 3, 300, ["<|end|>"])
letters = CharTokenizer.train(text, special_tokens=["<unk>"])
"""
SHOW = "view = tokens(text, {'bytes': bpe, 'letters': letters})\nview"
# from a new text to the frame after it was drawn, in milliseconds
RETYPE = """async ([root, text]) => {
    const area = root.querySelector('textarea'), start = performance.now();
    root.dataset.ms = '';
    area.value = text;
    area.dispatchEvent(new Event('input', {bubbles: true}));
    while (!root.dataset.ms) await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    return performance.now() - start; }"""


@pytest.fixture(scope="module")
def bpe():
    return ByteBPETokenizer.train(TEXT * 3, 300, ["<|end|>"])


def test_in_jupyterlab(open_notebook):
    nb = open_notebook([SETUP, SHOW])
    nb.run_all()
    page, root = nb.page, nb.page.locator(".lm-view[data-ready]")
    strip = root.locator(".tk-strip")

    # what is typed is cut by the tokenizers in Python
    root.locator("textarea").fill("the fox<|end|> naïve 👩‍👩‍👧")
    root.locator(".tk-sums", has_text="4 words").wait_for()
    counts = nb.run_in_kernel(
        "print(view.counts()['bytes'], view.cut(0).ids == bpe.encode(view.text))"
    )
    assert counts.split()[1] == "True"
    assert (
        f"{counts.split()[0]} tokens" in root.locator(".tk-head").first.text_content()
    )

    # keys move and pin; Python can read it; the reasons appear
    strip.first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    root.locator(".tk-why li").first.wait_for()
    assert "The pattern cuts out the word" in root.locator(".tk-why").text_content()
    chosen = nb.run_in_kernel("print(view.selection['index'], view.selection['id'])")
    assert chosen.split()[0] == "0"
    page.keyboard.press("Escape")
    assert nb.run_in_kernel("print(view.selection)").strip() == "{}"

    # the replay: no merges, then all that this text needs
    root.get_by_label("Replay").select_option("0")
    root.locator(".tk-news", has_text="No merge yet").wait_for()
    size = nb.run_in_kernel(
        "print(len(view.text.encode()) - len('<|end|>') + 1)"
    ).strip()
    assert f"{size} tokens (replay)" in root.locator(".tk-head").first.text_content()
    root.get_by_label("Merges").focus()
    page.keyboard.press("End")
    root.locator(".tk-news", has_text="→").wait_for()
    assert (
        f"{counts.split()[0]} tokens (replay)"
        in root.locator(".tk-head").first.text_content()
    )

    # from Python to the picture
    nb.run_in_kernel("view.text = 'one two'")
    page.wait_for_function("document.querySelector('textarea').value === 'one two'")

    # 10,000 characters: the bar is 100 ms, three times that on a busy machine
    handle = root.element_handle()
    long = (TEXT * 300)[:10_000]
    times = sorted(page.evaluate(RETYPE, [handle, long + str(n)]) for n in range(7))
    print(f"10,000 characters, live: {times[3]:.0f} ms (median of 7)")
    assert root.locator("*").count() < 400
    assert times[0] < 1000
    nb.shot("tokens-long", root)


def test_page_without_a_kernel(page, tmp_path, bpe):
    view = tokens(TEXT, {"bytes": bpe, "letters": CharTokenizer.train(TEXT)})
    path = tmp_path / "view.html"
    view.to_html(path)
    page.goto(path.as_uri())
    root = page.locator(".lm-view[data-ready]")
    root.wait_for()
    assert (
        f"{len(bpe.encode(TEXT))} tokens"
        in root.locator(".tk-head").first.text_content()
    )

    typed = "unseen naïve 東京 </script><b>x</b> <|end|>"
    root.locator("textarea").fill(typed)
    page.wait_for_function(
        "n => document.querySelector('.tk-head').textContent.includes(` ${n} tokens`)",
        arg=len(bpe.encode(typed)),
    )
    assert root.locator("b", has_text="x").count() == 0
    assert not root.locator(".tk-panel").nth(1).is_visible()  # it needs the kernel

    long = (TEXT * 300)[:10_000]
    handle = root.element_handle()
    times = sorted(page.evaluate(RETYPE, [handle, long + str(n)]) for n in range(7))
    print(f"10,000 characters, no kernel: {times[3]:.0f} ms (median of 7)")
    assert times[0] < 300
