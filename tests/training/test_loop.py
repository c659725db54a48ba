"""The loop, judged by the same steps written out with PyTorch alone."""

import copy

import pytest
import torch
from torch.nn import functional as F

from llmkit.models import GPT, GPTConfig
from llmkit.training import adamw, evaluate, random_windows, train, warmup_cosine

V, T, B = 11, 8, 4
CONFIG = GPTConfig(vocab_size=V, context_length=T, d_model=16, n_heads=2, n_layers=2)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return GPT(CONFIG)


@pytest.fixture
def text():
    return torch.arange(300) % 7  # 0 1 2 3 4 5 6 0 1 …


def batches(text, seed=0):
    return random_windows(text, T, B, torch.Generator().manual_seed(seed))


def test_equals_the_loop_written_out(model, text):
    twin, share = copy.deepcopy(model), warmup_cosine(6, warmup=2)
    train(model, batches(text), adamw(model, 0.01), steps=6, schedule=share, clip=0.5)
    optimizer = adamw(twin, 0.01)
    for step, (ids, targets) in zip(range(6), batches(text), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * share(step)
        loss = F.cross_entropy(twin(ids).logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
        optimizer.step()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_learns_to_count(model, text):
    history = train(model, batches(text), adamw(model, 0.01), steps=150)
    assert [s.step for s in history] == list(range(150))
    assert history[0].loss > 2 > 0.2 > history[-1].loss
    assert evaluate(model, [next(batches(text, 9))]) < 0.2


def test_on_step_sees_everything_and_can_stop(model, text):
    seen = []

    def stop(step):
        seen.append(step)
        return step.step == 3

    history = train(model, batches(text), adamw(model, 0.01), steps=9, on_step=stop)
    assert history == seen
    assert len(seen) == 4
    assert seen[0].lr == 0.01
    assert seen[0].grad_norm > 0


def test_a_second_run_starts_from_the_full_rate(model, text):
    optimizer = adamw(model, 0.01)
    train(model, batches(text), optimizer, steps=3, schedule=warmup_cosine(3))
    again = train(model, batches(text), optimizer, steps=1)
    assert again[0].lr == 0.01


def test_evaluate_leaves_the_mode_after_an_error_too(model):
    model.train()
    with pytest.raises(ZeroDivisionError):
        evaluate(model, [(torch.zeros(1, 1),)], loss=lambda model, batch: 1 / 0)
    assert model.training


def test_evaluate_weighs_rows_and_leaves_the_mode(model, text):
    model.train()
    ids, targets = next(batches(text))
    parts = [(ids[:1], targets[:1]), (ids[1:], targets[1:])]
    whole = evaluate(model, [(ids, targets)])
    assert evaluate(model, parts) == pytest.approx(whole, rel=1e-5)
    assert evaluate(model, parts, max_batches=1) == pytest.approx(
        evaluate(model, parts[:1])
    )
    assert model.training
    model.eval()
    evaluate(model, parts)
    assert not model.training


@pytest.mark.parametrize("accumulate", [2, 3])
def test_several_small_batches_make_the_step_of_a_large_one(model, text, accumulate):
    model.double()
    twin = copy.deepcopy(model)
    whole_batches = random_windows(text, T, 6, torch.Generator().manual_seed(3))
    large = [next(whole_batches) for _ in range(4)]
    small = [
        tuple(part[i::accumulate] for part in batch)
        for batch in large
        for i in range(accumulate)
    ]
    whole = train(model, large, adamw(model, 0.01), steps=4)
    parts = train(twin, small, adamw(twin, 0.01), steps=4, accumulate=accumulate)
    for a, b in zip(whole, parts, strict=True):
        assert (a.loss, a.grad_norm) == pytest.approx((b.loss, b.grad_norm), rel=1e-12)
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_bf16_learns_too(model, text):
    history = train(model, batches(text), adamw(model, 0.01), steps=60, bf16=True)
    assert history[-1].loss < history[0].loss / 2
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_messages(model, text):
    with pytest.raises(ValueError, match="ran out after 2 steps"):
        train(model, [next(batches(text))] * 2, adamw(model, 0.01), steps=3)
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 0.*rate"):
        train(
            model,
            batches(text),
            adamw(model, 0.01),
            steps=1,
            loss=lambda model, batch: model(batch[0]).logits.sum() * float("nan"),
        )
    with pytest.raises(ValueError, match="at least one batch"):
        evaluate(model, [])
    with pytest.raises(ValueError, match="ran out after 1 steps"):
        train(
            model,
            [next(batches(text))] * 3,
            adamw(model, 0.01),
            steps=2,
            accumulate=2,
        )
    with pytest.raises(ValueError, match="accumulate must be a whole number"):
        train(model, batches(text), adamw(model, 0.01), steps=2, accumulate=0)


def test_a_loss_that_is_no_number_leaves_the_weights_alone(model, text):
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(FloatingPointError, match="step 0"):
        train(
            model,
            batches(text),
            adamw(model, 0.01),
            steps=1,
            loss=lambda model, batch: model(batch[0]).logits.sum() * float("inf"),
        )
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name]), name
