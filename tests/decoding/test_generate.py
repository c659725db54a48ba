"""The writing loop against transformers' generate, and its own properties."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from llmkit.decoding import beam_search, choose, generate, left_pad, stream
from llmkit.decoding.filters import Sampling
from llmkit.models import GPT, GPTConfig, Llama, LlamaConfig

V, B, T, N, CONTEXT = 37, 3, 5, 12, 40


@pytest.fixture(scope="module")
def gpt():
    torch.manual_seed(0)
    config = GPTConfig(
        vocab_size=V, context_length=CONTEXT, d_model=24, n_heads=3, n_layers=2
    )
    model = GPT(config).double()
    with torch.no_grad():  # wide weights, so that no two tokens are nearly as likely
        for p in model.parameters():
            p.mul_(6 if p.dim() > 1 else 1)
    return model.eval()


@pytest.fixture(scope="module")
def llama():
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=V, context_length=CONTEXT, d_model=24, n_heads=4, n_kv_heads=2
    )
    model = Llama(config).double()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(6 if p.dim() > 1 else 1)
    return model.eval()


@pytest.fixture(scope="module")
def twin(gpt):
    """transformers' GPT-2 with the same weights."""
    config = GPT2Config(
        vocab_size=V, n_positions=CONTEXT, n_embd=24, n_head=3, n_layer=2
    )
    other = GPT2LMHeadModel(config).double().eval()
    for mine, theirs in zip(gpt.blocks, other.transformer.h, strict=True):
        a, m = mine.attention, mine.mlp
        qkv = [a.q_proj, a.k_proj, a.v_proj]
        with torch.no_grad():
            theirs.attn.c_attn.weight.copy_(torch.cat([x.weight.T for x in qkv], 1))
            theirs.attn.c_attn.bias.copy_(torch.cat([x.bias for x in qkv]))
            for src, dst in [
                (a.o_proj, theirs.attn.c_proj),
                (m.up_proj, theirs.mlp.c_fc),
                (m.down_proj, theirs.mlp.c_proj),
            ]:
                dst.weight.copy_(src.weight.T)
                dst.bias.copy_(src.bias)
            for src, dst in [(mine.norm1, theirs.ln_1), (mine.norm2, theirs.ln_2)]:
                dst.weight.copy_(src.weight)
                dst.bias.copy_(src.bias)
    with torch.no_grad():
        other.transformer.wte.weight.copy_(gpt.token_embedding.weight)
        other.transformer.wpe.weight.copy_(next(gpt.position_embedding.parameters()))
        other.transformer.ln_f.weight.copy_(gpt.final_norm.weight)
        other.transformer.ln_f.bias.copy_(gpt.final_norm.bias)
    return other


def prompts(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, V, (B, T), generator=generator)


def theirs(twin, ids, **options):
    return twin.generate(
        ids, max_new_tokens=N, pad_token_id=0, eos_token_id=None, **options
    )


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize(
    ("mine", "hf"),
    [
        ({}, {}),
        ({"repetition_penalty": 1.5}, {"repetition_penalty": 1.5}),
        ({"no_repeat_ngram": 2}, {"no_repeat_ngram_size": 2}),
    ],
)
def test_greedy_equals_transformers(gpt, twin, cache, mine, hf):
    ids = prompts()
    out = generate(gpt, ids, N, cache=cache, **mine)
    assert torch.equal(out, theirs(twin, ids, do_sample=False, **hf))


def test_sampling_equals_transformers_draw_for_draw(gpt, twin):
    ids, options = prompts(), {"temperature": 0.9, "top_k": 9, "top_p": 0.8}
    generator = torch.Generator().manual_seed(7)
    out = generate(gpt, ids, N, generator=generator, **options)
    torch.manual_seed(7)  # transformers draws from the global generator
    assert torch.equal(out, theirs(twin, ids, do_sample=True, **options))


@pytest.mark.parametrize("name", ["gpt", "llama"])
@pytest.mark.parametrize("settings", [{}, {"temperature": 1.3, "top_p": 0.9}])
def test_cache_changes_nothing(request, name, settings):
    model, ids = request.getfixturevalue(name), prompts(2)

    def write(cache):
        generator = torch.Generator().manual_seed(3)
        return generate(model, ids, N, cache=cache, generator=generator, **settings)

    assert torch.equal(write(True), write(False))


@pytest.mark.parametrize("name", ["gpt", "llama"])
@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("pad_id", [0, 5])
def test_unequal_prompts_equal_one_by_one(request, name, cache, pad_id):
    model = request.getfixturevalue(name)
    texts = [[5], [3, 5, 5, 9, 2], [8, 7, 5]]
    settings = {"repetition_penalty": 1.3, "no_repeat_ngram": 2, "cache": cache}
    ids, mask = left_pad(texts, pad_id)
    batch = generate(model, ids, N, attention_mask=mask, **settings)
    for row, text in zip(batch, texts, strict=True):
        alone = generate(model, torch.tensor([text]), N, **settings)
        assert row[-N:].tolist() == alone[0, -N:].tolist()


def test_stop_ids_end_each_text_on_its_own(gpt):
    ids = prompts()
    free = generate(gpt, ids, N)[:, T:]
    stop = int(free[0, 3])
    out = generate(gpt, ids, N, stop_ids=[stop])[:, T:]
    for mine, full in zip(out.tolist(), free.tolist(), strict=True):
        end = full.index(stop) if stop in full else N
        assert mine[: end + 1] == full[: min(end + 1, out.shape[1])]
        assert set(mine[end + 1 :]) <= {stop}
    alone = generate(gpt, ids[:1], N, stop_ids=[stop])
    assert alone.shape[1] == T + free[0].tolist().index(stop) + 1


def test_stream_hands_out_what_generate_returns(gpt):
    ids, heard = prompts(), []
    out = generate(gpt, ids, N, on_token=heard.append)
    streamed = list(stream(gpt, ids, N))
    assert torch.equal(torch.stack(streamed, 1), out[:, T:])
    assert torch.equal(torch.stack(heard, 1), out[:, T:])


def test_stream_can_be_left_early_and_leaves_no_trace(gpt):
    gpt.train()
    steps = stream(gpt, prompts(), N)
    next(steps)
    steps.close()
    assert gpt.training
    assert torch.is_grad_enabled()
    gpt.eval()


def test_same_generator_same_text_other_seed_other_text(gpt):
    def write(seed):
        generator = torch.Generator().manual_seed(seed)
        return generate(gpt, prompts(), N, temperature=2.0, generator=generator)

    assert torch.equal(write(0), write(0))
    assert not torch.equal(write(0), write(1))


def test_draws_follow_the_distribution():
    probs = torch.tensor([0.5, 0.3, 0.15, 0.05, 0.0])
    n = 20_000
    logits = probs.log().expand(n, -1)
    generator = torch.Generator().manual_seed(0)
    drawn = choose(logits, Sampling(), generator).bincount(minlength=5) / n
    # four standard errors of a share p over n draws
    assert ((drawn - probs).abs() <= 4 * (probs * (1 - probs) / n).sqrt()).all()


def test_one_token_and_the_full_context(gpt):
    assert generate(gpt, torch.tensor([[1]]), 1).shape == (1, 2)
    full = generate(gpt, prompts(), CONTEXT + 1 - T)
    assert full.shape == (B, CONTEXT + 1)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda m: generate(m, prompts(), 99), "context_length=40; ask for at most 36"),
        (lambda m: generate(m, prompts()[:, :0], 2), "at least one token; got none"),
        (lambda m: generate(m, prompts(), 0), "max_new_tokens must be .* above 0"),
        (lambda m: generate(m, prompts(), 2, top_p=7), "top_p must lie between"),
        (lambda m: left_pad([[1], []]), r"got lengths \[1, 0\]"),
        (
            lambda m: generate(
                m, prompts(), 2, attention_mask=torch.ones(B, T).tril().bool()
            ),
            "padding belongs on the left",
        ),
    ],
)
def test_errors_say_what_was_given(gpt, call, match):
    with pytest.raises(ValueError, match=match):
        call(gpt)


def test_each_part_keeps_the_mode_it_was_in():
    config = GPTConfig(vocab_size=11, d_model=8, n_heads=2, n_layers=2)
    model = GPT(config).train()
    model.blocks[0].eval()
    before = [module.training for module in model.modules()]
    ids = torch.tensor([[1, 2]])
    generate(model, ids, 2)
    beam_search(model, ids, 2, num_beams=2)
    assert [module.training for module in model.modules()] == before
