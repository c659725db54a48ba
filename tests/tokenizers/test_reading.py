import json
import subprocess
import sys

import pytest
import tokenizers as hf

from llmkit.tokenizers import (
    ByteBPETokenizer,
    CharTokenizer,
    SpecialToken,
    WordPieceTokenizer,
    load_tokenizer,
    parse_tokenizer,
)

from .conftest import FIELDS, LLAMA3, MANY, assert_same, train_hf

# for a token that takes the space beside it, Hugging Face lists the text it matched
NOT_TOKENS = [name for name in FIELDS if name != "tokens"]


def roundtrip(tokenizer, path):
    """Save, and load with Hugging Face and with ours."""
    tokenizer.save(path)
    return hf.Tokenizer.from_file(str(path)), load_tokenizer(path)


def test_bpe_out_and_in(docs, tmp_path):
    ours = ByteBPETokenizer.train(docs[:30_000], 500, ["<|end|>", "<pad>"])
    theirs, again = roundtrip(ours, tmp_path / "tokenizer.json")
    for text in (MANY, docs[40_000:50_000], "a<|end|>b", ""):
        assert_same(ours(text), theirs.encode(text))
        assert_same(again(text), theirs.encode(text))
    assert (again.vocab, again.merges) == (ours.vocab, ours.merges)
    assert theirs.decode(ours.encode(MANY)) == MANY


def test_wordpiece_out_and_in(docs, tmp_path):
    ours = WordPieceTokenizer.train(docs[:30_000], 500, lowercase=False)
    theirs, again = roundtrip(ours, tmp_path / "tokenizer.json")
    assert_same(ours(docs[:5000], MANY), theirs.encode(docs[:5000], MANY))
    assert_same(again(docs[:5000], MANY), theirs.encode(docs[:5000], MANY))


def test_minilm_out_and_in(minilm_folder, tmp_path):
    ours = load_tokenizer(minilm_folder)
    theirs, _ = roundtrip(ours, tmp_path / "tokenizer.json")
    assert_same(ours(MANY, "pair"), theirs.encode(MANY, "pair"))


@pytest.mark.parametrize("kind", ["llama3", "qwen"])
def test_other_byte_level_files(docs, tmp_path, kind):
    """Pipelines as Llama 3 and Qwen have them, with a vocabulary of our own."""
    trained = ByteBPETokenizer.train([docs[:40_000], MANY], 700, pattern=LLAMA3)
    theirs = hf.Tokenizer(
        hf.models.BPE(
            vocab=trained.vocab, merges=trained.merges, ignore_merges=kind == "llama3"
        )
    )
    theirs.pre_tokenizer = hf.pre_tokenizers.Sequence(
        [
            hf.pre_tokenizers.Split(hf.Regex(LLAMA3), "isolated"),
            hf.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    theirs.decoder = hf.decoders.ByteLevel()
    theirs.add_special_tokens(["<|begin|>", "<|end|>"])
    if kind == "llama3":
        theirs.post_processor = hf.processors.Sequence(
            [
                hf.processors.ByteLevel(trim_offsets=True, add_prefix_space=False),
                hf.processors.TemplateProcessing(
                    single="<|begin|> $A",
                    pair="<|begin|> $A <|begin|>:1 $B:1",
                    special_tokens=[("<|begin|>", 700)],
                ),
            ]
        )
    else:
        theirs.normalizer = hf.normalizers.NFC()
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = load_tokenizer(tmp_path)
    composed = MANY.replace("e\u0301", "é")
    for text in (composed, docs[50_000:60_000], "12345678 WE'LL\n\n  x<|end|>"):
        assert_same(ours(text), theirs.encode(text))
        assert_same(ours(text, "and 1 more"), theirs.encode(text, "and 1 more"))
    # an accent written apart: the same ids, and offsets that cover both characters
    parted = ours("e\u0301")
    assert parted.ids == theirs.encode("e\u0301").ids
    if kind == "qwen":
        assert set(parted.offsets) == {(0, 2)}
    again, ours2 = roundtrip(ours, tmp_path / "again.json")
    assert again.encode(composed).ids == ours2.encode(composed) or kind == "llama3"
    assert again.encode(composed).ids == ours2(composed).ids


def test_roberta_like_file(docs, tmp_path):
    theirs = train_hf([docs[:30_000]], 500, ["<s>", "<pad>", "</s>", "<unk>"])
    theirs.add_special_tokens([hf.AddedToken("<mask>", lstrip=True)])
    ids = {t: theirs.token_to_id(t) for t in ("<s>", "</s>")}
    theirs.post_processor = hf.processors.RobertaProcessing(
        ("</s>", ids["</s>"]), ("<s>", ids["<s>"]), add_prefix_space=False
    )
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = load_tokenizer(tmp_path)
    for text in ("The <mask> fox.", "a  <mask>b", " lead", MANY):
        assert_same(ours(text), theirs.encode(text), NOT_TOKENS)
        assert_same(ours(text, "end"), theirs.encode(text, "end"), NOT_TOKENS)
    assert (ours.bos_id, ours.eos_id, ours.pad_id) == (0, 2, 1)


def test_transformers_loads_the_folder(docs, tmp_path):
    transformers = pytest.importorskip("transformers")
    ours = ByteBPETokenizer.train(docs[:20_000], 400, ["<|endoftext|>"])
    ours.save(tmp_path / "mine")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "mine")
    assert theirs(MANY)["input_ids"] == ours.encode(MANY)
    assert theirs.eos_token_id == ours.eos_id == 0
    assert load_tokenizer(tmp_path / "mine").eos_id == 0
    again = parse_tokenizer(theirs.backend_tokenizer.to_str())
    assert again.encode(MANY) == ours.encode(MANY)


def test_flags_of_added_tokens(docs, tmp_path):
    ours = ByteBPETokenizer.train(docs[:5000], 300)
    ours = ByteBPETokenizer(
        ours.vocab,
        ours.merges,
        [
            SpecialToken(text="<a>", id=ours.vocab_size, rstrip=True),
            SpecialToken(text="<a>b", id=ours.vocab_size + 1),
            SpecialToken(text="cat", id=ours.vocab_size + 2, single_word=True),
            SpecialToken(text="<w>", id=ours.vocab_size + 3, special=False),
            SpecialToken(text="   ", id=ours.vocab_size + 4, special=False),
        ],
    )
    theirs, again = roundtrip(ours, tmp_path / "tokenizer.json")
    for text in ("x<a>  y", "<a>b c", "cat cats a cat.", "<w><a><a>b", "x       y"):
        assert_same(ours(text), theirs.encode(text), NOT_TOKENS)
        assert_same(again(text), theirs.encode(text), NOT_TOKENS)
        ids = ours.encode(text)
        assert ours.decode(ids, skip_special=True) == theirs.decode(ids)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": {"type": "Unigram", "vocab": []}}, "a model of type 'Unigram'"),
        ({"normalizer": {"type": "Lowercase"}}, "behind the normalizers"),
        ({"pre_tokenizer": {"type": "Metaspace"}}, "behind the pre-tokenizers"),
        ({"model": {"byte_fallback": True}}, "byte_fallback"),
        ({"post_processor": {"type": "Odd"}}, "the post-processor 'Odd'"),
    ],
)
def test_what_we_lack_is_refused_in_words(docs, tmp_path, change, words):
    path = ByteBPETokenizer.train(docs[:2000], 260).save(tmp_path / "t.json")
    data = json.loads(path.read_text())
    for key, value in change.items():
        both = isinstance(data[key], dict) and key == "model"
        data[key] = {**data[key], **value} if both else value
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=words):
        load_tokenizer(path)


@pytest.mark.parametrize("text", ["", " "])
def test_special_tokens_have_a_text(text):
    with pytest.raises(ValueError, match="a special token must have a text"):
        CharTokenizer({"a": 0}, [SpecialToken(text=text, id=1, lstrip=True)])


def test_wrong_paths_and_kinds(docs, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"path must lead to a tokenizer.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ValueError, match=r"bad.json is not a readable"):
        load_tokenizer(tmp_path / "bad.json")
    with pytest.raises(ValueError, match=r"text is not a readable.*KeyError: 'vocab'"):
        parse_tokenizer(
            '{"model": {"type": "WordPiece"}, "normalizer": '
            '{"type": "BertNormalizer"}, "pre_tokenizer": '
            '{"type": "BertPreTokenizer"}}'
        )
    CharTokenizer.train("abc").save(tmp_path / "c.json")
    with pytest.raises(ValueError, match="holds a CharTokenizer, not a ByteBPE"):
        ByteBPETokenizer.load(tmp_path / "c.json")


def test_the_room_works_without_torch():
    code = (
        "import sys, llmkit.tokenizers;"
        "heavy = {'torch', 'transformers', 'tokenizers', 'numpy', 'regex'};"
        "assert not heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_config_beside_it_is_named(tmp_path, text):
    CharTokenizer.train(["abc"]).save(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer_config.json").write_text(text)
    with pytest.raises(ValueError, match=r"tokenizer_config\.json (is not|must hold)"):
        load_tokenizer(tmp_path)
