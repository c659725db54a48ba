"""The time machine shows what the model did at each snapshot."""

import numpy as np
import pytest
import torch

from llmkit import explore
from llmkit.explore.time_machine import record
from llmkit.metrics.heads import induction_score, previous_token_score
from llmkit.models import BERT, GPT, BERTConfig, GPTConfig
from llmkit.tokenizers import CharTokenizer, WordPieceTokenizer
from llmkit.trace import capture
from llmkit.training import (
    adamw,
    random_windows,
    save_snapshots,
    take_snapshot,
    train,
)

TEXT = "the cat sat on the mat and the dog sat on the cat. "
LETTERS = CharTokenizer.train([TEXT])
N, L, H = 4, 3, 2


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    sizes = {"context_length": 40, "d_model": 8, "n_heads": H, "n_layers": L}
    model = GPT(GPTConfig(vocab_size=LETTERS.vocab_size, **sizes))
    taken = [take_snapshot(model, 0, loss=3.0, note="begin")]
    ids = torch.tensor(LETTERS.encode(TEXT))
    batches = random_windows(ids, 8, 4, torch.Generator().manual_seed(1))

    def keep(step):
        taken.append(take_snapshot(model, step.step + 1, loss=step.loss))

    train(model, batches, adamw(model, 0.02), steps=N - 1, on_step=keep)
    return model, taken


def test_every_number_is_the_models(trained):
    model, taken = trained
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    view = explore.time_machine(taken, model, LETTERS, "the cat", prompt="the ")
    assert view.sizes == [N, L, H, 7]
    assert view.steps == [0, 1, 2, 3]
    for i in range(N):
        past = view.model_at(i)
        trace = capture(past, LETTERS, "the cat")
        torch.testing.assert_close(
            torch.tensor(view.attention_at(i)).sqrt(),
            trace.attentions.sqrt(),
            atol=0.5 / 255 + 1e-5,
            rtol=0,
        )
        torch.testing.assert_close(
            torch.tensor(view.head_score("previous token")[i]),
            torch.tensor(previous_token_score(trace.attentions)),
        )
        odds = past(torch.tensor([LETTERS.encode("the ")])).logits[0, -1].softmax(-1)
        best = odds.topk(5)
        assert [p for _, p in view.odds[i]] == pytest.approx(best.values.tolist())
        assert view.samples[i].startswith("the ")
        assert len(view.samples[i]) == 28
    assert view.scores["loss"] == [s.scores["loss"] for s in taken]
    assert list(view.scores) == ["loss", "weights moved"]  # words are no number
    assert view.score == "induction"  # the sentence repeats letters
    for name, value in model.state_dict().items():  # the given one is left alone
        assert torch.equal(value, weights[name])


def test_induction_is_measured_on_a_row_that_comes_twice(trained):
    model, taken = trained
    view = explore.time_machine(taken, model, LETTERS, "the")
    ids = torch.randperm(
        LETTERS.vocab_size, generator=torch.Generator().manual_seed(0)
    )[: min(16, LETTERS.vocab_size)]
    twice = torch.cat([ids, ids])
    past = view.model_at(2)
    found = past(twice[None], output_attentions=True).attentions
    want = [induction_score(layer[0], twice.tolist()) for layer in found]
    torch.testing.assert_close(
        torch.tensor(view.head_score("induction on random tokens")[2]),
        torch.tensor(np.array(want)),
    )


def test_induction_of_the_sentence_where_it_repeats_itself(trained):
    model, taken = trained
    text = "the cat the cat"
    view = explore.time_machine(taken, model, LETTERS, text)
    trace = capture(view.model_at(1), LETTERS, text)
    torch.testing.assert_close(
        torch.tensor(view.head_score("induction")[1]),
        torch.tensor(induction_score(trace.attentions, trace.ids)),
    )
    without = explore.time_machine(taken, model, LETTERS, "cat")
    assert "induction" not in without.head_names
    assert without.score == "induction on random tokens"


def test_how_far_the_weights_moved(trained):
    model, taken = trained
    moved = record(taken, model, LETTERS, "the").scores["weights moved"]
    flat = [
        torch.cat([w.double().flatten() for w in s.weights.values()]) for s in taken
    ]
    assert moved[0] is None
    for i in range(1, N):
        want = (flat[i] - flat[i - 1]).norm() / flat[i - 1].norm()
        assert moved[i] == pytest.approx(float(want))


def test_from_a_file(trained, tmp_path):
    model, taken = trained
    path = tmp_path / "s.safetensors"
    save_snapshots(path, taken)
    view = explore.time_machine(path, model, LETTERS, "the", floor=1.0, index=1)
    assert view.steps == [0, 1, 2, 3]
    assert view.lines == [["floor", 1.0]]
    assert view.index == 1
    other = GPT(GPTConfig(vocab_size=LETTERS.vocab_size, d_model=8, n_heads=1))
    with pytest.raises(ValueError, match="another configuration"):
        explore.time_machine(path, other, LETTERS, "the")


def test_an_encoder_has_samples_of_its_own():
    pieces = WordPieceTokenizer.train([TEXT], 40)
    torch.manual_seed(0)
    sizes = {"vocab_size": pieces.vocab_size, "d_model": 8, "n_heads": H}
    bert = BERT(BERTConfig(**sizes, n_layers=L)).eval()
    taken = [take_snapshot(bert, 0), take_snapshot(bert, 5)]
    view = explore.time_machine(
        taken,
        bert,
        pieces,
        "the cat and the dog " * 9,
        sample=lambda m: type(m).__name__,
    )
    assert not view.causal
    assert view.sizes[3] <= 24
    assert view.samples == ["BERT", "BERT"]
    assert "induction" in view.head_names  # of the sentence, which repeats itself
    assert view.scores == {"weights moved": [None, 0.0]}
    with pytest.raises(TypeError, match="give sample instead"):
        explore.time_machine(taken, bert, pieces, "the", prompt="the")


def test_what_makes_no_sense_is_refused(trained):
    model, taken = trained
    with pytest.raises(ValueError, match="snapshots must be at least two; got 1"):
        explore.time_machine(taken[:1], model, LETTERS, "the")
    with pytest.raises(TypeError, match="take_snapshot"):
        explore.time_machine([model, model], model, LETTERS, "the")
    with pytest.raises(ValueError, match="prompt must give 1 to 39 tokens"):
        explore.time_machine(taken, model, LETTERS, "the", prompt="")
