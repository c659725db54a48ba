"""The tree's texts are those of generate, beam_search and speculative."""

import copy

import pytest
import torch

from llmkit import explore
from llmkit.decoding import beam_search, generate, speculative
from llmkit.models import GPT, GPTConfig
from llmkit.tokenizers import CharTokenizer

N = 7


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(0)
    tokenizer = CharTokenizer.train("abcdefghij .")
    size = tokenizer.vocab_size
    config = GPTConfig(vocab_size=size, d_model=16, n_layers=2, context_length=32)
    model = GPT(config).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(6 if p.dim() > 1 else 1)
    return model, tokenizer


@pytest.fixture(scope="module")
def draft(pair):
    other = copy.deepcopy(pair[0])
    with torch.no_grad():
        noise = torch.Generator().manual_seed(0)
        for p in other.parameters():
            p.add_(torch.randn(p.shape, generator=noise) * 0.2 * p.std().nan_to_num())
    return other


def tree(pair, mode="greedy", draft=None, **knobs):
    return explore.generation_tree(
        *(*pair, "abc"), mode=mode, draft=draft, tokens=N, **knobs
    )


def prompt(pair):
    return torch.tensor([pair[1].encode("abc")])


def log_probs(model, ids):
    with torch.no_grad():
        return model(ids).logits[0].log_softmax(-1)


def test_greedy_and_sampled_texts_are_those_of_generate(pair):
    model, tokenizer = pair
    ids = prompt(pair)
    out = generate(model, ids, N)
    assert tree(pair).texts[0][0] == tokenizer.decode(out[0, 3:].tolist())
    settings = {"temperature": 1.5, "top_k": 5, "top_p": 0.9}
    out = generate(
        model, ids, N, generator=torch.Generator().manual_seed(4), **settings
    )
    view = tree(pair, "sampling", seed=4, **settings)
    assert view.texts[0][0] == tokenizer.decode(out[0, 3:].tolist())
    judge = log_probs(model, out)
    for node in view.path(view.texts[0][2]):
        _, depth, _, _, _, log_prob, _, fate = view.nodes[node]
        assert fate == "chosen"
        own = float(judge[2 + depth, out[0, 3 + depth]])
        assert log_prob == pytest.approx(own, abs=1e-3)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("length_penalty", [0.0, 1.5])
def test_beams_are_those_of_beam_search(pair, beams, length_penalty):
    model, tokenizer = pair
    view = tree(pair, "beam", beams=beams, length_penalty=length_penalty)
    found = beam_search(
        model, prompt(pair), N, num_beams=beams, length_penalty=length_penalty
    )
    assert [text for text, _, _ in view.texts] == [
        tokenizer.decode(h.ids) for h in found.best
    ]
    for (_, score, node), h in zip(view.texts, found.best, strict=True):
        assert score == pytest.approx(h.score, abs=1e-3)
        assert view.score(node) == pytest.approx(h.score, abs=1e-3)
    assert [n[-1] for n in view.nodes] == [n.fate for n in found.nodes]


def test_speculative_text_is_greedy_and_every_guess_is_there(pair, draft):
    model, _ = pair
    view = tree(pair, "speculative", draft, guesses=3)
    assert view.texts[0][0] == tree(pair).texts[0][0]
    found = speculative(model, draft, prompt(pair), N, guesses=3)
    fates = [n[-1] for n in view.nodes]
    assert fates.count("accepted") == found.accepted
    assert fates.count("rejected") == found.rejected
    assert sum(fates.count(f) for f in ("accepted", "rejected", "unread")) == (
        found.guessed
    )
    judge = log_probs(model, found.ids)
    for node in view.nodes:
        _, depth, _, _, label, log_prob, _, fate = node
        if fate == "unread":
            assert log_prob is None
        else:
            own = float(judge[2 + depth, pair[1].encode(label.replace("·", " "))[0]])
            assert log_prob == pytest.approx(own, abs=1e-3)


def test_continuing_from_a_token_and_back(pair):
    model, tokenizer = pair
    view = tree(pair, "beam", beams=2)
    pruned = next(i for i, n in enumerate(view.nodes) if n[-1] == "pruned")
    path = "".join(view.nodes[i][4].replace("·", " ") for i in view.path(pruned))
    view.continue_from(pruned)
    assert view.text == "abc" + path
    assert view.can_back
    ids = torch.tensor([tokenizer.encode("abc" + path)])
    best = beam_search(model, ids, N, num_beams=2).best[0].ids
    assert view.texts[0][0] == tokenizer.decode(best)
    view.back()
    assert view.text == "abc"
    assert not view.can_back


def test_an_empty_text_and_a_full_context_are_told(pair):
    view = tree(pair)
    view.text = ""
    assert view.nodes == []
    assert view.note.startswith("Type something")
    view.text = "a" * 40
    assert "Not grown: the text fills the model's context" in view.note
    view.text = "a" * 30
    assert len(view.path(view.texts[0][2])) == 3  # what the context leaves


def test_no_draft_no_speculation(pair):
    with pytest.raises(ValueError, match="mode must be one of"):
        tree(pair, "speculative")
