"""GPT and Llama, judged by PyTorch's encoder stack and by transformers' Llama."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.models import GPT, GPTConfig, Llama, LlamaConfig
from llmkit.models.gpt import count_parameters, shift_targets
from llmkit.nn import document_mask

V, T, D, H, L, B = 17, 9, 12, 6, 3, 2
GPT_SIZES = {
    "vocab_size": V,
    "context_length": 20,
    "d_model": D,
    "n_heads": H,
    "n_layers": L,
}
LLAMA_SIZES = {**GPT_SIZES, "n_kv_heads": 2, "d_ff": 19}
MAKERS = {
    "gpt": lambda: GPT(GPTConfig(**GPT_SIZES)),
    "llama": lambda: Llama(LlamaConfig(**LLAMA_SIZES)),
    "qwen": lambda: Llama(
        LlamaConfig(**LLAMA_SIZES, head_norm=True, qkv_bias=True, tied=True)
    ),
    "mistral": lambda: Llama(LlamaConfig(**LLAMA_SIZES, window=4)),
}


def make(name):
    torch.manual_seed(0)
    model = MAKERS[name]().double().eval()
    for p in model.parameters():  # larger than at the start: no part may hide
        torch.nn.init.normal_(p, std=0.4)
    return model


@pytest.fixture(params=MAKERS)
def model(request):
    return make(request.param)


def ids(batch_size=B, length=T, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randint(V, (batch_size, length), generator=g)


def test_gpt_equals_pytorchs_layers():
    ours = make("gpt")
    layer = torch.nn.TransformerEncoderLayer(
        D,
        H,
        4 * D,
        dropout=0.0,
        activation=lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
        batch_first=True,
        norm_first=True,
    )
    theirs = torch.nn.TransformerEncoder(
        layer, L, norm=torch.nn.LayerNorm(D), enable_nested_tensor=False
    ).double()
    theirs.norm.load_state_dict(ours.final_norm.state_dict())
    for a, b in zip(ours.blocks, theirs.layers, strict=True):
        parts = [a.attention.q_proj, a.attention.k_proj, a.attention.v_proj]
        with torch.no_grad():
            b.self_attn.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
            b.self_attn.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
        b.self_attn.out_proj.load_state_dict(a.attention.o_proj.state_dict())
        b.linear1.load_state_dict(a.mlp.up_proj.state_dict())
        b.linear2.load_state_dict(a.mlp.down_proj.state_dict())
        b.norm1.load_state_dict(a.norm1.state_dict())
        b.norm2.load_state_dict(a.norm2.state_dict())
    batch = ids()
    table = ours.token_embedding.weight
    x = table[batch] + ours.position_embedding.weight[:T]
    hidden = ~torch.ones(T, T).tril().bool()
    want = theirs(x, mask=hidden) @ table.T
    torch.testing.assert_close(ours(batch).logits, want)


@pytest.mark.parametrize("window", [None, 4])
def test_llama_equals_transformers(window):
    import transformers

    ours = make("llama" if window is None else "mistral")
    sizes = {
        "vocab_size": V,
        "hidden_size": D,
        "intermediate_size": 19,
        "num_hidden_layers": L,
        "num_attention_heads": H,
        "num_key_value_heads": 2,
        "head_dim": D // H,
        "max_position_embeddings": 20,
        "rms_norm_eps": 1e-6,
        "attn_implementation": "eager",
    }
    if window is None:
        theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes))
    else:
        theirs = transformers.MistralForCausalLM(
            transformers.MistralConfig(**sizes, sliding_window=window)
        )
    names = {
        "token_embedding": "model.embed_tokens",
        "final_norm": "model.norm",
        "blocks.": "model.layers.",
        ".attention.": ".self_attn.",
        "norm1": "input_layernorm",
        "norm2": "post_attention_layernorm",
    }
    state = {}
    for name, value in ours.state_dict().items():
        for ours_part, theirs_part in names.items():
            name = name.replace(ours_part, theirs_part)
        state[name] = value
    theirs.load_state_dict(state)
    batch = ids()
    want = theirs.double().eval()(batch, output_hidden_states=True)
    got = ours(batch, output_hidden_states=True, output_attentions=True)
    # transformers turns positions into angles in float32
    torch.testing.assert_close(got.logits, want.logits, rtol=1e-5, atol=1e-5)


def test_the_future_cannot_change_the_past(model):
    one, two = ids(), ids()
    two[:, 5] = (two[:, 5] + 1) % V
    a, b = model(one).logits, model(two).logits
    assert torch.equal(a[:, :5], b[:, :5])
    assert (a[:, 5:] != b[:, 5:]).any(dim=-1)[:, 0].all()


def test_a_window_reaches_only_so_far():
    """Three layers of a window of 4 see 3 * 3 tokens back and not one more."""
    model = make("mistral")
    one = ids(1, 20)
    two = one.clone()
    two[:, 2] = (two[:, 2] + 1) % V
    changed = (model(one).logits != model(two).logits).any(dim=-1)[0]
    assert changed.nonzero().flatten().tolist() == list(range(2, 2 + 3 * L + 1))


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(1, T - 1), unique=True).map(sorted))
def test_cached_equals_uncached(name, cuts):
    model, batch = make(name), ids()
    cache, parts = model.new_cache(), []
    with torch.no_grad():
        want = model(batch).logits
        for a, b in zip([0, *cuts], [*cuts, T], strict=True):
            parts.append(model(batch[:, a:b], cache=cache).logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), want)


@pytest.mark.parametrize("cached", [False, True])
def test_padding_on_the_left_never_matters(model, cached):
    batch, mask = ids(), torch.ones(B, T, dtype=torch.bool)
    mask[0, :4] = False
    alone = model(batch[:1, 4:]).logits
    if cached:
        cache, parts = model.new_cache(), []
        with torch.no_grad():
            for t in range(T):
                out = model(batch[:, t : t + 1], mask[:, : t + 1], cache)
                parts.append(out.logits)
        padded = torch.cat(parts, dim=1)
    else:
        padded = model(batch, mask).logits
    torch.testing.assert_close(padded[:1, 4:], alone)
    assert padded.isfinite().all()


def test_padding_on_the_right_never_matters(model):
    batch, mask = ids(), torch.ones(B, T, dtype=torch.bool)
    mask[0, 6:] = False
    padded = model(batch, mask).logits
    torch.testing.assert_close(padded[:1, :6], model(batch[:1, :6]).logits)


def test_asked_for_everything_or_nothing_the_scores_are_the_same(model):
    batch = ids()
    plain = model(batch)
    full = model(batch, output_attentions=True, output_hidden_states=True)
    torch.testing.assert_close(plain.logits, full.logits)
    assert plain.attentions is None is plain.hidden_states
    assert len(full.attentions) == L
    assert full.attentions[0].shape == (B, H, T, T)
    assert len(full.hidden_states) == L + 1
    torch.testing.assert_close(
        model.final_norm(full.hidden_states[-1]), full.last_hidden_state
    )
    torch.testing.assert_close(model.lm_head(full.last_hidden_state), full.logits)


def test_gradients_are_the_same_on_both_paths(model):
    batch, grads = ids(), []
    for output_attentions in (False, True):
        logits = model(batch, output_attentions=output_attentions).logits
        loss = logits.log_softmax(-1)[..., 3].mean()
        grads.append(torch.autograd.grad(loss, list(model.parameters())))
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


def test_one_token_and_full_context(model):
    assert model(ids(1, 1)).logits.shape == (1, 1, V)
    assert model(ids(1, 20)).logits.shape == (1, 20, V)


def test_a_fresh_model_knows_nothing():
    """Its first loss is close to an even guess among V tokens."""
    torch.manual_seed(0)
    for name in MAKERS:
        logits = MAKERS[name]()(ids()).logits
        assert logits.std() < 0.3, name


def test_shared_weights_count_once():
    per_block = 4 * (D * D + D) + (D * 4 * D + 4 * D) + (4 * D * D + D) + 4 * D
    want = V * D + 20 * D + L * per_block + 2 * D
    assert count_parameters(make("gpt")) == want
    assert count_parameters(make("qwen")) < count_parameters(make("llama")) + 3 * D * L


def test_shift_targets():
    inputs, targets = shift_targets(torch.tensor([[1, 2, 3, 4]]))
    assert inputs.tolist() == [[1, 2, 3]]
    assert targets.tolist() == [[2, 3, 4]]


def test_messages(model):
    with pytest.raises(ValueError, match=r"21 positions, but context_length=20"):
        model(ids(1, 21))
    with pytest.raises(ValueError, match=r"between 0 and vocab_size - 1 = 16; got ids"):
        model(torch.full((1, 3), V))
    with pytest.raises(TypeError, match=r"int64 token ids; got torch\.float32"):
        model(torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"ids must have 2 axes, \(B, T\); got 1"):
        model(torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"must cover all 9 tokens.*got 8 columns"):
        model(ids(), torch.ones(B, 8))
    cache = model.new_cache()
    with torch.no_grad():
        model(ids(1, 15), cache=cache)
    with pytest.raises(ValueError, match="needs 21 positions"):
        model(ids(1, 6), cache=cache)


def test_config_messages():
    with pytest.raises(ValueError, match="got d_model=10, n_heads=3"):
        GPTConfig(vocab_size=V, d_model=10, n_heads=3)
    with pytest.raises(ValueError, match="n_layers must be a whole number"):
        LlamaConfig(vocab_size=V, n_layers=0)
    with pytest.raises(ValueError, match="activation must be one of"):
        GPTConfig(vocab_size=V, activation="swish")
    with pytest.raises(ValueError, match="dropout must lie between"):
        GPTConfig(vocab_size=V, dropout=2.0)
    with pytest.raises(TypeError, match="positional"):
        GPTConfig(V)


def test_texts_of_a_packed_row_are_read_as_if_alone(model):
    texts = [torch.randint(V, (n,)) for n in (4, 6, 3)]
    row = torch.cat([*texts, torch.zeros(2, dtype=torch.long)])[None]
    segments = torch.tensor([[1] * 4 + [2] * 6 + [3] * 3 + [0] * 2])
    packed = model(row, attention_mask=document_mask(segments)).logits[0]
    begin = 0
    for ids in texts:
        alone = model(ids[None]).logits[0]
        torch.testing.assert_close(packed[begin : begin + len(ids)], alone)
        begin += len(ids)
    # and without the mask they are not
    joined = model(row).logits[0]
    assert (joined[4:10] - packed[4:10]).abs().max() > 1e-3


def test_a_mask_for_each_token_goes_on_with_a_cache(model):
    ids = torch.randint(V, (2, 7))
    segments = torch.tensor([[1, 1, 1, 2, 2, 2, 2], [1, 1, 2, 2, 2, 2, 2]])
    mask = document_mask(segments)
    full = model(ids, attention_mask=mask).logits
    cache = model.new_cache()
    first = model(ids[:, :5], attention_mask=mask[:, :5, :5], cache=cache).logits
    rest = model(ids[:, 5:], attention_mask=mask[:, 5:], cache=cache).logits
    torch.testing.assert_close(torch.cat([first, rest], dim=1), full)


def test_run_blocks_walks_them_in_order_and_keeps_what_was_asked():
    from llmkit.models.decoder import run_blocks
    from llmkit.models.output import Recorder

    model = make("llama")
    x = torch.randn(B, T, D, dtype=torch.float64)
    recorder = Recorder(hidden=True, weights=False)
    out = run_blocks(model.blocks, x, recorder, None, None)
    want = x
    for block in model.blocks:
        want = block(want)[0]
    torch.testing.assert_close(out, want)
    states = recorder.states()
    assert len(states) == L + 1
    assert recorder.attentions() is None
    torch.testing.assert_close(states[0], x)
    torch.testing.assert_close(states[-1], out)


@pytest.mark.parametrize("length", [1, T])
def test_looking_is_what_the_model_tells_its_blocks(model, length):
    from llmkit.models.decoder import looking

    seen = {}

    def keep(_module, _args, kwargs):
        seen.update(kwargs)

    hook = model.blocks[0].attention.register_forward_pre_hook(keep, with_kwargs=True)
    batch = ids(length=length)
    model(batch)
    hook.remove()
    mask, rotary = looking(model, batch)
    whole = torch.ones(length, length).bool()
    assert torch.equal(mask & whole, whole if seen["mask"] is None else seen["mask"])
    torch.testing.assert_close(rotary, seen["rotary"])
