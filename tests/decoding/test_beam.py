"""Beam search finds what transformers finds, with the same scores."""

import itertools

import pytest
import torch
import transformers

from llmkit.decoding.beam import beam_search
from llmkit.hub import from_hf
from llmkit.models import GPT, GPTConfig

V, EOS = 23, 5


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=V, n_positions=48, n_embd=24, n_layer=2, n_head=3,
        bos_token_id=0, eos_token_id=EOS, pad_token_id=0,
    )  # fmt: skip
    judge = transformers.GPT2LMHeadModel(config).eval()
    # large weights make distributions that are far from flat
    for name, weight in judge.named_parameters():
        if weight.dim() == 2 and "wpe" not in name:
            weight.data.mul_(6)
    return judge, from_hf(judge)


SETTINGS = [
    dict(zip(("num_beams", "length_penalty", "early_stopping"), values, strict=True))
    for values in itertools.product(
        (1, 2, 4, 5), (0.0, 1.0, 2.0, -0.7), (False, True, "never")
    )
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_texts_and_scores_equal_transformers(pair, settings):
    judge, model = pair
    if settings["num_beams"] == 1:
        settings = settings | {"num_beams": 3}
    for seed in range(2):
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(6, V, (1, 4), generator=generator)
        out = judge.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=12,
            do_sample=False,
            num_return_sequences=2,
            return_dict_in_generate=True,
            output_scores=True,
            eos_token_id=EOS,
            pad_token_id=0,
            **settings,
        )
        found = beam_search(model, ids, 12, stop_ids=[EOS], **settings)
        for row, hypothesis in enumerate(found.best[:2]):
            theirs = out.sequences[row, 4:].tolist()
            assert theirs[: len(hypothesis.ids)] == hypothesis.ids
            assert set(theirs[len(hypothesis.ids) :]) <= {0}
            score = float(out.sequences_scores[row])
            assert hypothesis.score == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"no_repeat_ngram": 2}, {"no_repeat_ngram_size": 2}),
        ({"repetition_penalty": 1.4}, {"repetition_penalty": 1.4}),
        ({"bad_words": [[7], [8, 9]]}, {"bad_words_ids": [[7], [8, 9]]}),
    ],
)
def test_penalties_equal_transformers(pair, ours, theirs):
    judge, model = pair
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(6, V, (1, 4), generator=generator)
        out = judge.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=10,
            do_sample=False,
            num_beams=3,
            eos_token_id=EOS,
            pad_token_id=0,
            **theirs,
        )
        found = beam_search(model, ids, 10, num_beams=3, stop_ids=[EOS], **ours).best[0]
        assert out[0, 4 : 4 + len(found.ids)].tolist() == found.ids


def test_enough_beams_find_the_best_text_of_all(pair):
    _, model = pair
    texts = torch.tensor(list(itertools.product(range(V), repeat=2)))  # all of them
    prompt = torch.tensor([7, 8]).expand(len(texts), 2)
    with torch.no_grad():
        log_probs = model(torch.cat([prompt, texts], 1)).logits.log_softmax(-1)
    totals = log_probs[:, 1:3].gather(-1, texts[..., None]).sum((1, 2))
    wide = beam_search(model, prompt[:1], 2, num_beams=V, length_penalty=0.0)
    assert wide.best[0].ids == texts[totals.argmax()].tolist()
    assert wide.best[0].log_prob == pytest.approx(float(totals.max()), abs=1e-4)


def test_tree_leads_from_each_text_back_to_the_prompt(pair):
    _, model = pair
    found = beam_search(
        model, torch.tensor([[7, 8, 9]]), 8, num_beams=3, stop_ids=[EOS]
    )
    for hypothesis in found.best:
        node, tokens, total = hypothesis.node, [], 0.0
        while node != -1:
            tokens.append(found.nodes[node].token)
            total += found.nodes[node].log_prob
            node = found.nodes[node].parent
        assert tokens[::-1] == hypothesis.ids
        assert total == pytest.approx(hypothesis.log_prob, abs=1e-4)
        assert found.nodes[hypothesis.node].fate == "finished"
    by_step = {}
    for node in found.nodes:
        by_step.setdefault(node.step, []).append(node.fate)
    for fates in by_step.values():
        assert fates.count("kept") <= 3


def test_greedy_is_one_beam(pair):
    from llmkit.decoding import generate

    _, model = pair
    ids = torch.tensor([[7, 8, 9]])
    found = beam_search(model, ids, 9, num_beams=1).best[0]
    assert generate(model, ids, 9)[0, 3:].tolist() == found.ids


def test_bad_input_is_refused():
    model = GPT(GPTConfig(vocab_size=V, d_model=24, n_heads=3, n_layers=1))
    ids = torch.tensor([[1, 2]])
    with pytest.raises(ValueError, match="early_stopping must be one of"):
        beam_search(model, ids, 3, early_stopping="yes")
    with pytest.raises(ValueError, match="num_beams must be a number above 0"):
        beam_search(model, ids, 3, num_beams=0)
    with pytest.raises(ValueError, match="context_length=256"):
        beam_search(model, ids, 256)
    with pytest.raises(ValueError, match=r"ids must have the shape \(1, T\)"):
        beam_search(model, torch.ones(2, 3, dtype=torch.int64), 3)
