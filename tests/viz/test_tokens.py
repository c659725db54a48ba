"""The tokenizer playground without a browser, and its JavaScript against Python."""

import json
import random
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from llmkit.explore.tokens import cutter, explain, tokens
from llmkit.tokenizers import ByteBPETokenizer, CharTokenizer, WordPieceTokenizer
from llmkit.viz.tokens import LONGEST, TokenPlayground

SOURCE = Path(__file__).parents[2] / "llmkit" / "viz" / "tokens.js"
TEXT = "The naïve fox's café,\n東京 👩‍👩‍👧 1234 </script> <|end|>\t\u202e x\u00a0y"
WORDS = "the quick brown fox jumps over the lazy dog café naïve 東京 東京 123 "
HOSTILE = [
    "",
    " ",
    "\n",
    "</script><img src=x onerror=alert(1)>",
    "\ud800 lone \udfff",
    "\u202e\u2066שלום",
    "x" * 200,
    "e" + "\u0301" * 30,
    "$x$ \\frac",
]


@pytest.fixture(scope="module")
def bpe():
    return ByteBPETokenizer.train(WORDS * 3 + TEXT, 330, ["<|end|>", "<pad>"])


@pytest.fixture(scope="module")
def view(bpe):
    words = ["[UNK]", "the", "fox", "na", "##ive", "'", "s", ",", "cafe"]
    return tokens(
        TEXT,
        {
            "characters": CharTokenizer.train(WORDS, special_tokens=["<unk>"]),
            "BPE": bpe,
            "WordPiece": WordPieceTokenizer({t: i for i, t in enumerate(words)}),
        },
        languages={"English": ["the fox", "dog"], "French": ["le renard", "chien"]},
    )


def test_frames_hold_the_tokenizers_own_ids_and_spans(view, bpe):
    encoding = bpe(TEXT)
    frame = view.frames[1]
    assert np.frombuffer(frame["ids"], np.uint32).tolist() == encoding.ids
    spans = np.frombuffer(frame["spans"], np.uint32).reshape(-1, 2)
    assert [tuple(s) for s in spans.tolist()] == encoding.offsets
    assert frame["names"][str(bpe.token_to_id("The"))] == ["The", "54 68 65"]
    assert view.counts()["BPE"] == len(encoding)
    assert list(view.cut(1).ids) == encoding.ids


def test_a_new_text_is_cut_again(bpe):
    view = tokens("one", {"BPE": bpe})
    view.text = "the fox"
    assert list(view.cut().ids) == bpe.encode("the fox")
    assert np.frombuffer(view.frames[0]["ids"], np.uint32).tolist() == bpe.encode(
        "the fox"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_breaks_or_injects(bpe, text):
    view = tokens(
        text, {"BPE": bpe, "characters": CharTokenizer.train(text + "\ufffd")}
    )
    page = view.to_html()
    assert "<img src=x" not in page
    assert len(re.findall("</script>", page)) == 2  # the state's and the module's own
    json.dumps(view.get_state()["text"]).encode("utf-8")  # can be sent
    view.to_svg()
    assert view.alt
    repr(view).encode("utf-8")


def test_a_lone_surrogate_becomes_a_replacement_character(bpe):
    view = tokens("a\ud800b", {"BPE": bpe})
    assert view.text == "a\ufffdb"
    view.text = "x" * (LONGEST + 5)
    assert len(view.text) == LONGEST


def test_table_and_figure(view):
    table = view.table()
    assert list(table.columns) == ["tokenizer", "token", "id", "bytes", "start", "end"]
    assert (table.tokenizer == "BPE").sum() == view.counts()["BPE"]
    row = table[(table.tokenizer == "WordPiece") & (table.token == "##ive")].iloc[0]
    assert TEXT[row.start : row.end] == "ïve"
    assert view.to_png()[:4] == b"\x89PNG"
    assert "tokens by BPE" in view.alt


def test_languages_are_counted(view, bpe):
    assert view.languages[0][0] == "English"
    assert view.languages[1][1][1] == len(bpe.encode("le renard")) + len(
        bpe.encode("chien")
    )


def test_why(view, bpe):
    said = explain(bpe, "the fox", 0)
    assert said[0].startswith("The pattern cuts out the word “the”")
    assert explain(bpe, "<|end|>", 0)[0].startswith("“<|end|>” is a special token")
    wordpiece = view._cutters[2]
    said = wordpiece.explain("Naïve dog", 0)
    assert "it is “naive”" in said[1]
    assert said[-1] == "The longest piece that begins “##ive” is “##ive”."
    assert said[2] == "The longest piece that begins “naive” is “na”."
    assert wordpiece.explain("Naïve dog", 2)[-1].endswith("whole word is [UNK].")
    view.selection = {"n": 2, "index": 0}
    assert view.why
    view.selection = {"n": 9, "index": 0}
    assert view.why == []


def test_one_to_four_tokenizers(bpe):
    with pytest.raises(
        ValueError, match=r"number of tokenizers must lie between 1 and"
    ):
        tokens("x", [bpe] * 5)
    assert isinstance(tokens("x", bpe), TokenPlayground)


def test_it_uses_only_tokenizers_that_the_browser_can_follow(bpe):
    assert cutter("a", bpe).rules["merges"]
    other = ByteBPETokenizer(bpe.vocab, bpe.merges, add_prefix_space=True)
    assert cutter("a", other).rules is None


# --- the same in JavaScript ---------------------------------------------------------
CODE = """
const lm = {};
%s
const jobs = JSON.parse(require("fs").readFileSync(0, "utf8"));
const out = jobs.map(({ rules, texts, limits }) => {
  const engine = bpe(rules);
  return texts.map((text, i) => {
    const { ids, spans } = engine.encode(text, limits[i] ?? Infinity);
    return [ids, spans, engine.steps(text)];
  });
});
console.log(JSON.stringify(out));
"""


def run_js(jobs):
    """Run the widget's own engine in node."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    engine = SOURCE.read_text("utf-8").split("// every sign that prints nothing")[0]
    done = subprocess.run(
        ["node", "-e", CODE % engine],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


def rules_for_js(tokenizer):
    rules = dict(cutter("x", tokenizer).rules)
    for name in ("byte_ids", "merges"):
        rules[name] = np.frombuffer(rules[name], np.uint32).tolist()
    return {**rules, "byteIds": rules["byte_ids"]}


def fuzz(count, seed=0):
    rng = random.Random(seed)
    blocks = [(32, 127), (0, 33), (0x80, 0x250), (0x300, 0x370), (0x400, 0x460)]
    blocks += [(0x5D0, 0x5EB), (0x900, 0x980), (0x2000, 0x2070), (0x4E00, 0x4E20)]
    blocks += [(0x1F600, 0x1F650), (0xAC00, 0xAC20), (0xFEF0, 0xFF10), (0x2150, 0x2190)]
    points = [
        c
        for a, b in blocks
        for c in range(a, b)
        if unicodedata.category(chr(c)) != "Cn"
    ]
    bits = [
        "<|end|>",
        "<|en",
        "the",
        " fox",
        "'ll",
        "'s",
        "  ",
        "\n\n",
        "👩‍👩‍👧",
        "東京",
    ]
    return [
        "".join(
            rng.choice(
                [chr(rng.choice(points)), chr(rng.randint(97, 122)), rng.choice(bits)]
            )
            for _ in range(rng.randint(0, 40))
        )
        for _ in range(count)
    ]


def test_javascript_equals_python_on_a_thousand_strings(bpe):
    texts = [*fuzz(1000), TEXT, "東京" * 3000, "the" * 200]
    rng = random.Random(1)
    limits = [
        None if i % 2 else rng.randint(0, len(bpe.merges)) for i in range(len(texts))
    ]
    [found] = run_js([{"rules": rules_for_js(bpe), "texts": texts, "limits": limits}])
    for text, limit, (ids, spans, steps) in zip(texts, limits, found, strict=True):
        fewer = bpe
        if limit is not None:
            kept = bpe.merges[:limit]
            fewer = ByteBPETokenizer(bpe.vocab, kept, bpe.special_tokens)
        encoding = fewer(text)
        assert ids == encoding.ids, repr(text)
        assert list(zip(spans[::2], spans[1::2], strict=True)) == encoding.offsets
        assert steps == sorted(steps)


def test_javascript_follows_vocabularies_with_two_ways_to_a_token():
    jobs, ours = [], []
    for seed in range(30):
        rng = random.Random(seed)
        words = ["".join(rng.choices("abc", k=rng.randint(1, 9))) for _ in range(60)]
        tokenizer = ByteBPETokenizer.train(" ".join(words), 420)
        texts = ["".join(rng.choices("abc ", k=40)) for _ in range(20)]
        jobs.append({"rules": rules_for_js(tokenizer), "texts": texts, "limits": []})
        ours.append([tokenizer.encode(text) for text in texts])
    found = run_js(jobs)
    assert [[ids for ids, _, _ in texts] for texts in found] == ours
