"""Stop strings end a text where transformers ends it."""

import pytest
import torch
import transformers
from transformers.generation.stopping_criteria import StopStringCriteria

from llmkit.decoding import generate
from llmkit.decoding.stopping import StopStrings
from llmkit.models import GPT, GPTConfig
from llmkit.tokenizers import ByteBPETokenizer

TEXT = (
    "the end. the cat ended the story. ends meet; the endless end of the end.\n\n" * 4
)
STRINGS = (["end."], ["the"], ["e e"], ["\n\n"], ["nd of", "y. "], ["dless end"])


@pytest.fixture(scope="module")
def ours():
    return ByteBPETokenizer.train(TEXT + "é🙂", 290)


@pytest.fixture(scope="module")
def theirs(ours, tmp_path_factory):
    path = ours.save(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")
    return transformers.PreTrainedTokenizerFast(tokenizer_file=str(path))


@pytest.mark.parametrize("strings", STRINGS, ids=str)
def test_every_prefix_is_judged_as_transformers_does(ours, theirs, strings):
    ids = ours.encode(TEXT[:90])
    judge, mine = StopStringCriteria(theirs, strings), StopStrings(strings, ours)
    found = 0
    for end in range(1, len(ids) + 1):
        batch = torch.tensor([ids[:end]])
        verdict = mine.completed(batch)
        assert verdict.tolist() == judge(batch, None).tolist(), (strings, ids[:end])
        found += int(verdict)
    assert found


def test_a_character_cut_into_bytes_is_waited_for(ours):
    ids = ours.encode("é🙂")
    verdicts = [
        bool(StopStrings(["🙂"], ours).completed(torch.tensor([ids[:end]])))
        for end in range(1, len(ids) + 1)
    ]
    assert verdicts == [False] * (len(ids) - 1) + [True]


def test_generate_stops_each_text_at_its_own_string(ours):
    torch.manual_seed(1)
    size = ours.vocab_size
    model = GPT(GPTConfig(vocab_size=size, d_model=16, n_heads=2, n_layers=1)).eval()
    ids = torch.tensor([[5], [9], [80]])
    options = {"temperature": 1.0}
    free = generate(
        model, ids, 40, generator=torch.Generator().manual_seed(0), **options
    )
    texts = [ours.decode(row) for row in free[:, 1:].tolist()]
    string = texts[0][5:7]
    out = generate(
        model,
        ids,
        40,
        generator=torch.Generator().manual_seed(0),
        stop_strings=[string],
        tokenizer=ours,
        stop_ids=[0],
        **options,
    )
    new = out[0, 1:].tolist()
    judge = StopStrings([string], ours)
    ends = [bool(judge.completed(free[:1, : 2 + i])) for i in range(40)]
    end = ends.index(True) + 1
    assert new[:end] == free[0, 1 : 1 + end].tolist()
    assert set(new[end:]) <= {0}
    assert string in ours.decode(new[:end])


def test_bad_stop_strings_are_refused(ours):
    for strings in ("end", [""], [3]):
        with pytest.raises(ValueError, match="stop_strings must be a list of texts"):
            StopStrings(strings, ours)
    with pytest.raises(TypeError, match="needs a tokenizer with decode"):
        StopStrings(["end"], None)
