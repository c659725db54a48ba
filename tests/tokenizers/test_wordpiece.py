import pytest
import tokenizers as hf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmkit.tokenizers import WordPieceTokenizer

from .conftest import MANY, assert_same

# Hugging Face's Unicode tables are of 2015: only blocks that have not changed since
TEXT = st.lists(
    st.one_of(
        st.characters(max_codepoint=0x24F, exclude_categories=["Cn"]),
        st.characters(min_codepoint=0x300, max_codepoint=0x36F),
        st.characters(min_codepoint=0x4E00, max_codepoint=0x4E40),
        st.characters(min_codepoint=0xAC00, max_codepoint=0xAC40),
        st.sampled_from(
            "İ ﬁ ᾳ Σ 🦖 👩‍👩‍👧 [MASK] [SEP] [CL un ing 's שלום नमस्ते".split()
        ),
        st.sampled_from([" ", "\n", "\u2003", "\u200b", "\0", "\ufffd", "…", "—"]),
    ),
    max_size=25,
).map("".join)


@pytest.fixture(scope="module")
def ours(minilm_folder):
    return WordPieceTokenizer.load(minilm_folder)


@pytest.fixture(scope="module")
def theirs(minilm_folder):
    tokenizer = hf.Tokenizer.from_file(str(minilm_folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@settings(max_examples=400, deadline=None)
@given(TEXT, TEXT)
@example(MANY, "x" * 101)
@example("", "")
def test_every_list_equals_hugging_face_on_minilm(ours, theirs, text, pair):
    assert_same(ours(text), theirs.encode(text))
    assert_same(ours(text, pair), theirs.encode(text, pair))
    ids = ours(text).ids
    assert ours.decode(ids, skip_special=True) == theirs.decode(ids)


def test_real_text_equals_hugging_face(ours, theirs, docs):
    assert_same(ours(docs), theirs.encode(docs))
    assert ours.encode(docs) == theirs.encode(docs, add_special_tokens=False).ids


def test_options_equal_hugging_face(ours):
    text = "Café CAFÉ 東京 İstanbul e\u0301\x00\t x\u00a0y naïve."
    for lowercase in (True, False):
        for accents in (None, True, False):
            for chinese in (True, False):
                for clean in (True, False):
                    judge = hf.normalizers.BertNormalizer(
                        clean, chinese, accents, lowercase
                    )
                    mine = WordPieceTokenizer(
                        {"[UNK]": 0},
                        lowercase=lowercase,
                        strip_accents=accents,
                        handle_chinese_chars=chinese,
                        clean_text=clean,
                    )
                    split = hf.pre_tokenizers.BertPreTokenizer()
                    words = split.pre_tokenize_str(judge.normalize_str(text))
                    assert mine.words(text) == [word for word, _ in words]


def test_longest_match_by_hand():
    names = ["[UNK]", "un", "##aff", "##able", "##a", "##f", "a", "##fa"]
    tokenizer = WordPieceTokenizer({t: i for i, t in enumerate(names)})
    # greedy: it takes "##aff" although "##a" "##f" "##fa" would fit as well
    assert tokenizer("unaffable").tokens == ["un", "##aff", "##able"]
    # one part that fits nowhere makes the whole word unknown
    assert tokenizer("unaffables a").tokens == ["[UNK]", "a"]
    assert tokenizer("unaffables a").offsets == [(0, 10), (11, 12)]


def test_a_word_too_long_is_unknown():
    vocab = {"[UNK]": 0, "a": 1, "##a": 2}
    tokenizer = WordPieceTokenizer(vocab, max_chars_per_word=4)
    assert tokenizer.encode("aaaa aaaaa") == [1, 2, 2, 2, 0]


def test_training_finds_what_hugging_face_finds(docs):
    theirs = hf.Tokenizer(hf.models.WordPiece(unk_token="[UNK]"))
    theirs.normalizer = hf.normalizers.BertNormalizer()
    theirs.pre_tokenizer = hf.pre_tokenizers.BertPreTokenizer()
    trainer = hf.trainers.WordPieceTrainer(
        vocab_size=600,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        show_progress=False,
    )
    theirs.train_from_iterator([docs], trainer)
    ours = WordPieceTokenizer.train(docs, 600)
    assert ours.vocab_size == 600
    # Hugging Face numbers the characters inside words in random order, so ties (and
    # with them the last few merges) come out differently from run to run
    assert len(ours.vocab.keys() & theirs.get_vocab().keys()) >= 590
    assert WordPieceTokenizer.train(docs, 600).vocab == ours.vocab


def test_pairs_and_special_ids(ours):
    encoding = ours("hello", "world")
    assert encoding.tokens == ["[CLS]", "hello", "[SEP]", "world", "[SEP]"]
    assert encoding.type_ids == [0, 0, 0, 1, 1]
    assert encoding.special_tokens_mask == [1, 0, 1, 0, 1]
    roles = [ours.pad_id, ours.unk_id, ours.cls_id, ours.sep_id, ours.mask_id]
    assert roles == [0, 100, 101, 102, 103]
    assert ours.bos_id is None
    assert ours.encode("[MASK]", allow_special=False) == [1031, 7308, 1033]


def test_errors():
    with pytest.raises(ValueError, match=r"must hold the unknown token '\[UNK\]'"):
        WordPieceTokenizer({"a": 0})
    with pytest.raises(ValueError, match=r"vocab_size must be at least 9.*got 5"):
        WordPieceTokenizer.train("ab c", 5)


def test_a_tokenizer_of_whole_words(tmp_path):
    tokenizer = WordPieceTokenizer.of_words(["Anna", "anna", "."], lowercase=False)
    assert tokenizer.vocab_size == 5 + 3
    assert tokenizer.encode("Anna anna.Ann") == [5, 6, 7, tokenizer.unk_id]
    assert tokenizer.decode([5, 6, 7]) == "Anna anna."
    tokenizer.save(tmp_path)
    theirs = hf.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert_same(tokenizer("anna. Anna Ann", "."), theirs.encode("anna. Anna Ann", "."))
    with pytest.raises(ValueError, match=r"got 'Anna', which becomes \['anna'\]"):
        WordPieceTokenizer.of_words(["Anna"])
    with pytest.raises(ValueError, match=r"got 'in the', which becomes"):
        WordPieceTokenizer.of_words(["in the"])
