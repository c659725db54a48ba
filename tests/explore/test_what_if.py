"""What-if on whole models: each change is judged by the model run by hand."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from llmkit.explore.what_if import matching, swapped, what_if
from llmkit.models import BERT, BERTConfig
from llmkit.tokenizers import CharTokenizer, WordPieceTokenizer
from llmkit.trace.interventions import AttentionChange, changed_attention
from llmkit.trace.tokens import read_tokens
from tests.models.kinds import KINDS, a_decoder

TEXT = "the cat sat on"
SIZES = {"d_model": 12, "n_heads": 3, "n_layers": 2}


@pytest.fixture(scope="module")
def characters():
    return CharTokenizer.train([TEXT + " a mat"])


@pytest.fixture(scope="module")
def pieces():
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    return WordPieceTokenizer.train([TEXT] * 9, vocab_size=60, special_tokens=special)


def strong(model):
    """Weights large enough that a change is seen."""
    for parameter in model.parameters():
        parameter.data *= 6
    return model.eval()


@pytest.fixture(params=KINDS)
def decoder(request, characters):
    return a_decoder(request.param, characters.vocab_size, **SIZES)


@pytest.fixture
def encoder(pieces):
    torch.manual_seed(0)
    return strong(BERT(BERTConfig(vocab_size=pieces.vocab_size, **SIZES)))


def run(model, tokenizer, text, *changes):
    ids = torch.tensor([tokenizer(text).ids])
    with torch.no_grad(), changed_attention(model, *changes):
        return ids, model(ids, output_attentions=True)


def test_it_shows_the_models_own_weights(decoder, characters):
    view = what_if(decoder, characters, TEXT, layer=1, head=2)
    _, output = run(decoder, characters, TEXT)
    wanted = output.attentions[1][0, 2].numpy()
    np.testing.assert_allclose(view.weights(), wanted, atol=1e-5)
    np.testing.assert_allclose(view.outcome["final"], 1, atol=1e-5)
    assert math.isclose(*view.outcome["loss"], abs_tol=1e-6)


def test_next_token_and_loss_follow_a_hidden_cell(decoder, characters):
    view = what_if(decoder, characters, TEXT, layer=1, head=1)
    last = len(view.tokens) - 1
    view.hidden = [[last, 0], [last, last]]
    change = AttentionChange(layers=(1,), heads=(1,), hidden=((last, 0), (last, last)))
    ids, output = run(decoder, characters, TEXT, change)
    _, still = run(decoder, characters, TEXT)
    shown = output.attentions[1][0, 1].numpy()
    np.testing.assert_allclose(view.weights(), shown, atol=1e-5)
    loss = F.cross_entropy(output.logits[0, :-1], ids[0, 1:])
    assert math.isclose(view.outcome["loss"][1], float(loss), rel_tol=1e-4)
    after, before = (o.logits[0, -1].softmax(-1) for o in (output, still))
    labels = [row[0] for row in view.outcome["next"]]
    for label, old, new in view.outcome["next"]:
        place = characters.token_to_id(label.replace("·", " "))
        assert math.isclose(old, float(before[place]), abs_tol=1e-5)
        assert math.isclose(new, float(after[place]), abs_tol=1e-5)
    assert len(set(labels)) == 6


@pytest.mark.parametrize("scope", ["head", "layer", "all"])
def test_scope_says_where_the_change_applies(decoder, characters, scope):
    view = what_if(decoder, characters, TEXT, layer=1, head=1)
    view.scope, view.divisor, view.temperature = scope, 1.0, 3.0
    change = AttentionChange(
        layers=None if scope == "all" else (1,),
        heads=(1,) if scope == "head" else None,
        scale=math.sqrt(4),
        temperature=3.0,
    )
    _, output = run(decoder, characters, TEXT, change)
    _, still = run(decoder, characters, TEXT)
    shown = output.attentions[1][0, 1].numpy()
    np.testing.assert_allclose(view.weights(), shown, atol=1e-5)
    cosines = F.cosine_similarity(
        output.last_hidden_state[0], still.last_hidden_state[0], dim=-1
    )
    np.testing.assert_allclose(view.outcome["final"], cosines.numpy(), atol=1e-4)


def test_a_dropped_head_is_silent_whatever_the_scope(decoder, characters):
    view = what_if(decoder, characters, TEXT, layer=0, head=2, scope="all")
    view.silent = True
    ids, output = run(
        decoder, characters, TEXT, AttentionChange(layers=(0,), silent=(2,))
    )
    loss = F.cross_entropy(output.logits[0, :-1], ids[0, 1:])
    assert math.isclose(view.outcome["loss"][1], float(loss), rel_tol=1e-4)


def test_an_encoder_reports_the_sentences_vector(encoder, pieces):
    view = what_if(encoder, pieces, TEXT, layer=0, head=0)
    view.mask = "causal"
    size = len(view.tokens)
    future = [(i, j) for i in range(size) for j in range(i + 1, size)]
    change = AttentionChange(layers=(0,), heads=(0,), hidden=tuple(future))
    _, output = run(encoder, pieces, TEXT, change)
    _, still = run(encoder, pieces, TEXT)
    means = (o.last_hidden_state[0].mean(0) for o in (output, still))
    wanted = float(F.cosine_similarity(*means, dim=0))
    assert math.isclose(view.outcome["vector"], wanted, abs_tol=1e-5)
    assert "next" not in view.outcome
    assert view.outcome["vector"] < 0.99999


def test_swapped_words_are_compared_with_themselves(encoder, pieces):
    view = what_if(encoder, pieces, TEXT)
    view.swap = [0, 2]
    ids, output = run(encoder, pieces, "sat cat the on")
    wanted = output.attentions[0][0, 0].numpy()
    np.testing.assert_allclose(view.weights(), wanted, atol=1e-5)
    order = matching(
        read_tokens(pieces, TEXT, None), read_tokens(pieces, "sat cat the on", None)
    )
    old_ids, still = run(encoder, pieces, TEXT)
    assert old_ids[0, order].tolist() == ids[0].tolist()
    assert order != sorted(order)
    before = still.attentions[0][0, 0].numpy()[np.ix_(order, order)]
    np.testing.assert_allclose(view.weights(before=True), before, atol=1e-5)


def test_another_sentence_forgets_old_cells(decoder, characters):
    view = what_if(decoder, characters, TEXT)
    view.hidden, view.swap = [[1, 0]], [0, 1]
    view.text = "a mat"
    assert view.hidden == view.swap == []
    assert "".join(view.tokens) == "a·mat"
    assert view.words == ["a", "mat"]
    view.text = "  "
    assert "at least one word" in view.note
    view.text = "the"
    assert view.note == ""


def test_long_texts_are_cut_and_say_so(decoder, characters):
    view = what_if(decoder, characters, TEXT, longest=6)
    assert len(view.tokens) == 6
    assert "first 6 tokens" in view.note
    whole = what_if(decoder, characters, TEXT, longest=len(TEXT))
    assert len(whole.tokens) == len(TEXT)
    assert whole.note == ""


def test_words_are_swapped_and_spaces_stay():
    assert swapped(" the  cat\tsat ", [2, 0]) == " sat  cat\tthe "
    assert swapped("a b", []) == swapped("a b", [1, 1]) == "a b"
    assert swapped("a b", [0, 7]) == "a b"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"layer": 2}, "layer must lie between 0 and 1; got 2"),
        ({"head": -1}, "head must lie between 0 and 2; got -1"),
    ],
)
def test_what_does_not_exist_is_named(decoder, characters, where, message):
    with pytest.raises(ValueError, match=message):
        what_if(decoder, characters, TEXT, **where)


def test_training_in_another_cell_is_seen(decoder, characters):
    view = what_if(decoder, characters, TEXT)
    with torch.no_grad():
        decoder.token_embedding.weight.mul_(0.5)
    view.temperature = 2.0
    view.temperature = 1.0
    fresh = what_if(decoder, characters, TEXT)
    assert view.outcome == fresh.outcome


def test_a_model_that_fails_says_so(decoder, characters):
    view = what_if(decoder, characters, TEXT)

    def full(*args, **kwargs):
        raise RuntimeError("out of memory")

    decoder.forward = full
    view.temperature = 2.0
    assert view.note == "Not shown: out of memory"
    del decoder.forward
    view.temperature = 3.0
    assert view.note == ""
