import pytest
import tokenizers as hf
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.tokenizers import CharTokenizer


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_round_trip(text):
    tokenizer = CharTokenizer.train(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer(text).offsets == [(i, i + 1) for i in range(len(text))]


def test_ids_follow_code_points():
    tokenizer = CharTokenizer.train("banana é", special_tokens=["<pad>"])
    assert tokenizer.vocab == {"<pad>": 0, " ": 1, "a": 2, "b": 3, "n": 4, "é": 5}
    assert tokenizer.encode("nab<pad>") == [4, 2, 3, 0]
    assert tokenizer.pad_id == 0


def test_a_small_vocabulary_keeps_the_frequent():
    tokenizer = CharTokenizer.train("aaab", vocab_size=2, special_tokens=["<unk>"])
    assert tokenizer.encode("ab") == [1, 0]


def test_unknown_characters():
    tokenizer = CharTokenizer.train("abc")
    with pytest.raises(ValueError, match="holds 'x' at 2, which is not in vocab"):
        tokenizer.encode("abx")
    with pytest.raises(ValueError, match="single characters and special tokens; got"):
        CharTokenizer({"ab": 0})


def test_hugging_face_reads_it(tmp_path):
    ours = CharTokenizer.train("some text, é 東", special_tokens=["<unk>", "<end>"])
    ours.save(tmp_path / "chars.json")
    theirs = hf.Tokenizer.from_file(str(tmp_path / "chars.json"))
    for text in ("text é", "new words<end>東", ""):
        assert ours.encode(text) == theirs.encode(text).ids
        assert ours(text).offsets == theirs.encode(text).offsets
    again = CharTokenizer.load(tmp_path / "chars.json")
    assert again.vocab == ours.vocab
    assert again.encode("x<end>") == ours.encode("x<end>")


def test_special_tokens_are_left_out_of_a_tensor_too():
    torch = pytest.importorskip("torch")
    tokenizer = CharTokenizer.train("ab", special_tokens=["<pad>"])
    ids = tokenizer.encode("a<pad>b")
    for row in (ids, torch.tensor(ids)):
        assert tokenizer.decode(row, skip_special=True) == "ab"
        assert tokenizer.decode(row) == "a<pad>b"
