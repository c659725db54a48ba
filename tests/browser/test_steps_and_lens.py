"""The stepper and the logit lens, in a real JupyterLab and in a page from disk."""

import json

import numpy as np
import pytest
import torch

from llmkit import explore
from llmkit.models import GPT, BERTConfig, GPTConfig, Llama, LlamaConfig
from llmkit.models.bert import BERT
from llmkit.viz.view import module_text
from tests.trace.test_walk import Letters

SETUP = """
import sys, pathlib
here = pathlib.Path.cwd()
root = next(p for p in (here, *here.parents) if (p / "llmkit").is_dir())
sys.path.insert(0, str(root))
import torch
from llmkit import explore
from llmkit.hub import load_encoder
from llmkit.models import GPT, GPTConfig
from tests.trace.test_walk import Letters
torch.manual_seed(0)
"""
GPT_LENS = """
model = GPT(GPTConfig(vocab_size=50, d_model=64, n_heads=4, n_layers=3))
Letters.encode = lambda self, text: self(text).ids
view = explore.lens(model, Letters(), "the quick fox", watch=["a", "b"])
view
"""
MINILM_STEPS = """
model, tokenizer = load_encoder("minilm")
view = explore.steps(model, tokenizer, "The quick brown fox", layer=2, head=3)
view
"""


def walks():
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "d_model": 24, "n_layers": 2}
    return {
        "gpt": GPT(GPTConfig(n_heads=3, **sizes)),
        "llama": Llama(LlamaConfig(n_heads=6, n_kv_heads=2, **sizes)),
        "bert": BERT(BERTConfig(n_heads=3, **sizes)),
    }


@pytest.mark.parametrize("name", ["gpt", "llama", "bert"])
def test_every_sum_the_stepper_shows_gives_the_models_number(page, name):
    view = explore.steps(walks()[name], Letters(), "hello you", layer=1, head=2)
    code = module_text(str(_folder() / "qkv_stepper.js"))
    page.set_content("<p>empty</p>")
    index = []
    start = 0
    for key, array in view.arrays.items():
        rows, cols = array.shape
        index.append({"name": key, "rows": rows, "cols": cols, "start": start})
        start += rows * cols
    floats = np.concatenate([a.reshape(-1) for a in view.arrays.values()])
    floats = [str(x) if not np.isfinite(x) else float(x) for x in floats.astype(float)]
    worst = page.evaluate(
        code
        + """; ([steps, index, floats]) => {
        const data = Float32Array.from(floats, (x) => x === "-inf" ? -Infinity : x);
        const T = matrices(index, data);
        return steps.map((step) => {
          const out = T[step.output]; let worst = 0, silent = 0;
          for (let i = 0; i < out.rows; i++) for (let j = 0; j < out.cols; j++) {
            const why = explain(step, T, i, j), want = out.at(i, j);
            if (!why.text) silent++;
            if (why.value !== want) worst = Math.max(worst, Math.abs(why.value - want));
          }
          return [step.key, worst, silent];
        });
      }""",
        [view.steps, index, floats],
    )
    assert len(worst) == len(view.steps)
    for key, gap, silent in worst:
        assert gap is not None, key
        assert gap < 1e-4, (key, gap)
        assert silent == 0, key


def _folder():
    from llmkit.viz import qkv_stepper

    return __import__("pathlib").Path(qkv_stepper.__file__).parent


def test_stepper_in_jupyterlab(open_notebook, guard):
    nb = open_notebook([SETUP, MINILM_STEPS])
    nb.run_all()
    page = nb.page
    root = page.locator(".lm-view[data-ready]")
    root.wait_for()
    before = nb.run_in_kernel("print(len(view.steps), view.layer)").split()
    assert before[1] == "2"
    # jump to the softmax, point at a cell with the keyboard, read it back
    place = nb.run_in_kernel(
        "print([s['key'] for s in view.steps].index('softmax'))"
    ).strip()
    root.get_by_label("Step", exact=True).select_option(place)
    canvas = root.locator("canvas[tabindex='0']")
    canvas.focus()
    cells = page.locator(".jp-Cell").count()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "j", "x"):
        page.keyboard.press(key)
    nb.settle()
    assert page.locator(".jp-Cell").count() == cells
    shown = float(root.locator("[data-role=sum]").get_attribute("data-value"))
    said = json.loads(
        nb.run_in_kernel(
            "import json; s = view.selection; w = view.tensor('weights');"
            "print(json.dumps([s, float(w[s['row'], s['column']])]))"
        )
    )
    assert (said[0]["row"], said[0]["column"]) == (2, 1)
    assert abs(said[1] - shown) < 1e-4
    assert abs(said[0]["value"] - shown) < 1e-4
    nb.theme("light")
    nb.shot("stepper-light", root)
    # another sentence is another walk
    box = root.get_by_label("Sentence")
    box.fill("A dog")
    page.wait_for_function(
        "document.querySelector('.qs-board figcaption').textContent.includes('4 ×')"
    )
    nb.theme("dark")
    nb.shot("stepper-dark", root)
    # a weight too large to send is asked for
    place = nb.run_in_kernel(
        "print([s['key'] for s in view.steps].index('up'))"
    ).strip()
    root.get_by_label("Step", exact=True).select_option(place)
    page.wait_for_function(
        "document.querySelector('[data-role=sum]').textContent.includes('more + bias')"
    )
    assert not guard.blocked


def test_lens_in_jupyterlab(open_notebook):
    nb = open_notebook([SETUP, GPT_LENS])
    nb.run_all()
    page = nb.page
    root = page.locator(".lm-view[data-ready]")
    root.wait_for()
    canvas = root.locator("canvas.ll-grid")
    canvas.focus()
    cells = page.locator(".jp-Cell").count()
    for key in ("Home", "ArrowRight", "ArrowDown", "Enter", "a", "b"):
        page.keyboard.press(key)
    nb.settle()
    page.wait_for_timeout(200)
    assert page.locator(".jp-Cell").count() == cells
    said = nb.run_in_kernel("print(view.selection)")
    assert "'position': 1" in said
    assert "'row': '2 attention'" in said
    first = nb.run_in_kernel(
        "print(view.words[int(view.lens['top'][5, 1, 0])])"
    ).strip()
    assert first in root.locator(".ll-list li").first.text_content()
    nb.theme("light")
    nb.shot("lens-light", root)
    root.get_by_label("Sentence").fill("another")
    page.wait_for_function("document.querySelector('.ll-list').textContent.length > 10")
    assert nb.run_in_kernel("print(len(view.tokens))").strip() == "7"
    root.get_by_label("Colour").select_option("kl")
    nb.theme("dark")
    nb.shot("lens-dark", root)
    assert nb.run_in_kernel("print(view.metric)").strip() == "kl"
    root.get_by_label("Watch two tokens").fill("nonsense")
    page.wait_for_function(
        "document.querySelector('.lm-say').textContent.includes('single token')"
    )


@pytest.mark.parametrize("make", ["steps", "lens"])
def test_page_from_disk_needs_no_kernel(page, tmp_path, make):
    torch.manual_seed(0)
    Letters.encode = lambda self, text: self(text).ids
    model = GPT(GPTConfig(vocab_size=50, d_model=64, n_heads=4, n_layers=2))
    view = getattr(explore, make)(model, Letters(), "</script><b>&🙂 \u202eabc")
    path = tmp_path / "page.html"
    assert len(view.to_html(path)) < 400_000
    page.goto(path.as_uri())
    page.wait_for_selector(".lm-view[data-ready]", state="attached")
    assert page.locator(".lm-view b", has_text="</script>").count() == 0
    canvas = page.locator("canvas[tabindex='0']")
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    painted = canvas.evaluate(
        """c => { const { width, height } = c;
        const d = c.getContext('2d').getImageData(0, 0, width, height).data;
        let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"""
    )
    assert painted > 1000
    assert page.locator(".lm-view *").count() < 1500


def test_a_cell_of_the_lens_leads_to_its_attention(open_notebook):
    make = """
from llmkit.viz.link import link
model = GPT(GPTConfig(vocab_size=50, d_model=64, n_heads=4, n_layers=3))
Letters.encode = lambda self, text: self(text).ids
lens = explore.lens(model, Letters(), "the quick fox")
from llmkit.tokenizers import CharTokenizer
letters = CharTokenizer.train(["the quick fox"])
looks = explore.attention(model, letters, "the quick fox", selection={"head": 2})
tie = link(lens, looks)
lens
"""
    nb = open_notebook([SETUP, make, "looks"])
    nb.run_all()
    page = nb.page
    page.wait_for_function(
        "document.querySelectorAll('.lm-view[data-ready]').length === 2"
    )
    page.locator("canvas.ll-grid").focus()
    for key in ("Home", "ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.wait_for_function(
        "document.querySelector('.lm-att-caption').textContent.includes('layer 2')"
    )
    said = nb.run_in_kernel("print(looks.selection['layer'], looks.selection['query'])")
    assert said.split() == ["2", "1"]
