"""One small example of every view, for the tests that all views must pass.

`python -m tests.browser.views` takes a picture of each in both themes and stores them
in `shots/`.
"""

SETUP = """
import sys, pathlib
here = pathlib.Path.cwd()
root = next(p for p in (here, *here.parents) if (p / "llmkit").is_dir())
sys.path.insert(0, str(root))
import torch
from llmkit import explore
from llmkit.metrics import Interval
from llmkit.models import BERT, BERTConfig, GPT, GPTConfig
from llmkit.tasks import CurvePoint, FineTuning
from llmkit.tokenizers import ByteBPETokenizer, CharTokenizer, WordPieceTokenizer

torch.manual_seed(0)
text = "The quick brown fox jumps over the lazy dog."
letters = CharTokenizer.train([text, "é 🙂 abcdefghijklmnopqrstuvwxyz"])
bytewise = ByteBPETokenizer.train(text * 3, 300, ["<|end|>"])
gpt = GPT(GPTConfig(vocab_size=letters.vocab_size, d_model=32, n_heads=4, n_layers=3))
gpt.eval()
small = GPT(GPTConfig(vocab_size=bytewise.vocab_size, d_model=16, n_layers=2))
pieces = WordPieceTokenizer.train(text * 3, 200)
bert = BERT(BERTConfig(vocab_size=pieces.vocab_size, d_model=32, n_layers=2)).eval()


def run(steps=12):
    from llmkit.training import Run, adamw, random_windows

    batches = random_windows(torch.tensor(letters.encode(text)), 8, 4)
    return Run(gpt, batches, adamw(gpt, 0.01), steps=steps)


def snapshots():
    from llmkit.training import take_snapshot

    trained, taken = run(6), [take_snapshot(gpt, 0, loss=3.6)]
    trained.listen(
        lambda s: taken.append(take_snapshot(gpt, s.step + 1, loss=s.loss)))
    trained.wait()
    return taken


def study():
    from llmkit.tasks import Classifier, Study

    words = {0: ["bad", "awful", "sad"], 1: ["good", "nice", "lovely"]}
    texts = [f"a {a} and {b} film" for w in words.values() for a in w for b in w]
    labels = [label for label in words for _ in range(9)]
    known = WordPieceTokenizer.train(" ".join(texts), 60)
    sizes = {"vocab_size": known.vocab_size, "d_model": 16, "n_layers": 2}
    fresh = lambda: Classifier(BERT(BERTConfig(**sizes)), 2)
    return Study({"fresh": fresh}, known, (texts, labels), (texts, labels))
"""

TRAINING = """explore.training(run(), letters, floor=1.2, baselines={"bigram": 2.9},
    validation=lambda: 3.0, prompt=text[:3], sentence=text[:9], every=4,
    notes=lambda: ["The learning rate is high."])"""

TIME_MACHINE = """explore.time_machine(snapshots(), gpt, letters, text[:9], floor=1.2,
    prompt=text[:3], curve=[(i, 3.0) for i in range(9)], baselines={"bigram": 2.9})"""

FINE_TUNING = """explore.fine_tuning(study(), FineTuning(lr=3e-3, epochs=2),
    recorded=[CurvePoint("fresh", 10, Interval(0.6, 0.5, 0.7), 0.5, 0.7, 3)])"""

# name -> code whose last line is the view
VIEWS = {
    "block": "explore.block(n_layers=6, d_model=16, residual=False)",
    "attention": "explore.attention(gpt, letters, text[:20])",
    "compare": "explore.compare(gpt, letters, small, bytewise, text[:20])",
    "embeddings": "explore.embeddings(gpt, letters, list(letters.vocab)[:20])",
    "fill_mask": "explore.fill_mask(bert, pieces, text, [2, 4])",
    "fine_tuning": FINE_TUNING,
    "metrics": "explore.metrics()",
    "learning_rate": "explore.learning_rate('rows', 'momentum', 0.1)",
    "loss": "explore.loss(gpt, letters, text[:9], answer=text[9], n=4)",
    "generation_tree": "explore.generation_tree(gpt, letters, text[:9], mode='beam')",
    "lens": "explore.lens(gpt, letters, text[:20], watch=['a', 'b'])",
    "next_token": "explore.next_token(gpt, letters, text[:20])",
    "positions": "explore.positions()",
    "sentence_pair": "explore.sentence_pair(bert, pieces, text, 'dog.', ['fox', 'ox'])",
    "sick_run": "explore.sick_run('rate_high')",
    "steps": "explore.steps(gpt, letters, text[:9], layer=1, head=2)",
    "threshold": "explore.threshold([k / 24 for k in range(24)], [0, 0, 1] * 8)",
    "time_machine": TIME_MACHINE,
    "tokens": "explore.tokens(text, {'bytes': bytewise, 'letters': letters})",
    "training": TRAINING,
    "what_if": "explore.what_if(gpt, letters, text[:9])",
}


def cells(name: str) -> list[str]:
    """Return the code cells that make and show a view, called `view`."""
    return [SETUP, f"view = {VIEWS[name]}\nview"]


def main() -> None:
    """Store a picture of every view in both themes."""
    from playwright.sync_api import sync_playwright

    from tests.browser import harness

    with harness.jupyter_lab() as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=harness.find_chromium(), args=harness.CHROMIUM_ARGS
        )
        for name in VIEWS:
            page = browser.new_context(
                viewport={"width": 1280, "height": 1000}
            ).new_page()
            notebook = harness.Notebook(
                page, lab, harness.place_notebook(lab, cells(name))
            )
            notebook.run_all()
            page.wait_for_selector(".lm-view[data-ready]", state="attached")
            for theme in harness.THEMES:
                notebook.theme(theme)
                place = page.locator(".lm-view").first
                print(notebook.shot(f"view-{name}-{theme}", place))
            page.context.close()
            lab.end_kernels()
        browser.close()


if __name__ == "__main__":
    main()
