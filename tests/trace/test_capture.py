"""One call for every model, beside what transformers itself hands out."""

import threading

import numpy as np
import pytest
import torch

from llmkit.hub import from_hf, load_encoder, minilm_path
from llmkit.models import BERT, GPT, BERTConfig, GPTConfig
from llmkit.nn import attention, causal_mask
from llmkit.tokenizers import ByteBPETokenizer, CharTokenizer
from llmkit.trace import Trace, capture, model_lock
from llmkit.trace.tokens import token_label
from tests.hub.tiny import DECODERS, KINDS, TWO_SIDED, tiny
from tests.models.kinds import a_decoder

TEXT = "the dog saw the fox"
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
FIELDS = ("attentions", "hidden_states", "last_hidden_state", "logits", "pooled")
PARTS = (
    "q",
    "k",
    "v",
    "q_before",
    "k_before",
    "head_outputs",
    "attention_outputs",
    "mlp_outputs",
    "mid_states",
)


@pytest.fixture(scope="module")
def tokenizer():
    return ByteBPETokenizer.train([TEXT], vocab_size=264, special_tokens=SPECIAL)


@pytest.fixture(scope="module")
def pairs(tokenizer):
    """The kit's model and transformers', by the family's name."""
    return {k: _pair(k, tokenizer.vocab_size) for k in KINDS}


def _pair(kind, vocab_size):
    hf = tiny(kind, vocab_size=vocab_size)
    if kind in TWO_SIDED:
        hf.config.decoder_start_token_id = 2 if kind == "BART" else 0
    return from_hf(hf), hf


def _capture(kind, model, tokenizer, **more):
    target = "the box" if kind in TWO_SIDED else None
    return capture(model, tokenizer, TEXT, target=target, **more)


@pytest.mark.parametrize("kind", KINDS)
def test_both_kinds_of_model_give_the_same_trace(kind, pairs, tokenizer):
    ours, hf = pairs[kind]
    a = _capture(kind, ours, tokenizer, parts=True)
    b = _capture(kind, hf, tokenizer, parts=True)
    for one, other in ((a, b), (a.encoder, b.encoder)):
        if one is None:
            continue
        assert (one.kind, one.tokens, one.ids) == (other.kind, other.tokens, other.ids)
        assert one.kv_heads == other.kv_heads
        for field in (*FIELDS, *(f"parts.{p}" for p in PARTS)):
            x, y = (_field(trace, field) for trace in (one, other))
            if x is None or y is None:
                assert field in ("logits", "pooled")
                continue
            assert x.dtype == np.float32
            np.testing.assert_allclose(x, y, atol=2e-5, rtol=1e-4, err_msg=field)
    if kind in TWO_SIDED:
        assert a.cross_attentions.shape == (2, 4, len(a), len(a.encoder))
        torch.testing.assert_close(a.cross_attentions, b.cross_attentions)
        for name in ("q", "k", "v", "head_outputs"):
            x, y = getattr(a.cross_parts, name), getattr(b.cross_parts, name)
            torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-5)


def _field(trace, field):
    try:
        return trace.numpy(field)
    except ValueError:
        return None


@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_the_models_own_output(kind, pairs, tokenizer):
    _, hf = pairs[kind]
    if kind in TWO_SIDED:
        pytest.skip("the decoder's ids are tested below")
    trace = _capture(kind, hf, tokenizer)
    hf.set_attn_implementation("eager")
    ids = torch.tensor([trace.ids])
    with torch.no_grad():
        out = hf(input_ids=ids, output_attentions=True, output_hidden_states=True)
    hf.set_attn_implementation("sdpa")
    torch.testing.assert_close(trace.attentions, torch.cat(out.attentions))
    torch.testing.assert_close(
        trace.hidden_states[:-1], torch.cat(out.hidden_states[:-1])
    )
    scores = getattr(out, "logits", getattr(out, "prediction_logits", None))
    if scores is not None:
        torch.testing.assert_close(trace.logits, scores[0])
    assert trace.causal == (kind in DECODERS)


@pytest.mark.parametrize("kind", ["Llama", "BERT, MLM", "GPT-2", "Qwen 3"])
def test_the_parts_fit_together(kind, pairs, tokenizer):
    """q and k give the weights; the stream is the sum of what is added."""
    ours, _ = pairs[kind]
    t = _capture(kind, ours, tokenizer, parts=True)
    mask = causal_mask(len(t)) if t.causal else None
    mixed, weights = attention(t.parts.q, t.parts.k, t.parts.v, mask)
    torch.testing.assert_close(weights, t.attentions)
    torch.testing.assert_close(mixed, t.parts.head_outputs)
    for layer, block in enumerate(ours.blocks):
        with torch.no_grad():
            joined = mixed[layer].transpose(0, 1).flatten(1)
            wrote = block.attention.o_proj(joined)
        torch.testing.assert_close(wrote, t.parts.attention_outputs[layer])
        if block.norm_first:
            middle = t.hidden_states[layer] + wrote
            torch.testing.assert_close(middle, t.parts.mid_states[layer])
            after = middle + t.parts.mlp_outputs[layer]
            torch.testing.assert_close(after, t.hidden_states[layer + 1])
        else:
            with torch.no_grad():
                middle = block.norm1(t.hidden_states[layer] + wrote)
                after = block.norm2(middle + t.parts.mlp_outputs[layer])
            torch.testing.assert_close(middle, t.parts.mid_states[layer])
            torch.testing.assert_close(after, t.hidden_states[layer + 1])
    turned = not torch.equal(t.parts.q, t.parts.q_before)
    assert turned == (kind in ("Llama", "Qwen 3"))
    # position 0 is not turned at all
    torch.testing.assert_close(t.parts.q[:, :, 0], t.parts.q_before[:, :, 0])


def test_shared_heads_are_repeated_and_labelled(pairs, tokenizer):
    trace = capture(pairs["Llama"][0], tokenizer, TEXT, parts=True)
    assert trace.kv_heads == (0, 0, 1, 1)
    torch.testing.assert_close(trace.parts.k[:, 0], trace.parts.k[:, 1])
    assert not torch.equal(trace.parts.k[:, 1], trace.parts.k[:, 2])


def test_decoder_reads_the_target_one_step_late(pairs, tokenizer):
    for kind in TWO_SIDED:
        ours, hf = pairs[kind]
        trace = _capture(kind, hf, tokenizer)
        start = hf.config.decoder_start_token_id
        assert trace.ids == [start, *tokenizer.encode("the box")]
        assert trace.special[0]
        assert trace.offsets[0] == (0, 0)
        assert trace.text == "the box"
        assert trace.encoder.text == TEXT
        assert _capture(kind, ours, tokenizer).ids == trace.ids


SIZES = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "intermediate_size": 40,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
# families that the kit does not write out: caps, sinks, shared layers, relative
# positions, experts, layers in lists of lists
OTHERS = {
    "Gemma2": {**SIZES, "num_key_value_heads": 2, "head_dim": 8},
    "GptOss": {
        **SIZES, "num_key_value_heads": 2, "head_dim": 8, "num_local_experts": 4
    },
    "GPTNeoX": SIZES,
    "Albert": {**SIZES, "embedding_size": 16},
    "ModernBert": {**SIZES, "cls_token_id": 1, "sep_token_id": 2},
    "T5": {
        "d_model": 32, "num_heads": 4, "d_kv": 8, "num_layers": 2,
        "num_decoder_layers": 3, "d_ff": 40, "decoder_start_token_id": 0,
    },
}  # fmt: skip


@pytest.mark.parametrize("family", OTHERS)
def test_families_that_the_kit_does_not_have(family, tokenizer):
    import transformers

    settings = {**OTHERS[family], "vocab_size": tokenizer.vocab_size}
    config = getattr(transformers, f"{family}Config")(**settings)
    kind = "ForConditionalGeneration" if family == "T5" else "Model"
    model = getattr(transformers, f"{family}{kind}")(config).eval()
    target = "the box" if family == "T5" else None
    plain, open_ = (
        capture(model, tokenizer, TEXT, target=target, parts=p) for p in (False, True)
    )
    # listening inside must not change what the model computes
    torch.testing.assert_close(plain.attentions, open_.attentions)
    torch.testing.assert_close(plain.last_hidden_state, open_.last_hidden_state)
    mixed = open_.attentions @ open_.parts.v
    torch.testing.assert_close(mixed, open_.parts.head_outputs, rtol=1e-4, atol=1e-5)
    if family == "T5":
        assert (plain.n_layers, plain.encoder.n_layers) == (3, 2)
        across = open_.cross_attentions @ open_.cross_parts.v
        torch.testing.assert_close(across, open_.cross_parts.head_outputs)


def test_a_model_without_attention_says_so(tokenizer):
    from transformers import MambaConfig, MambaModel

    config = MambaConfig(vocab_size=264, hidden_size=16, num_hidden_layers=1)
    with pytest.raises(RuntimeError, match="no list of layers with attention"):
        capture(MambaModel(config), tokenizer, TEXT)


def test_a_model_that_cannot_be_switched_says_so(tokenizer):
    from transformers import BloomConfig, BloomModel

    model = BloomModel(BloomConfig(vocab_size=264, hidden_size=16, n_layer=1, n_head=2))
    assert capture(model, tokenizer, TEXT).n_heads == 2
    with pytest.raises(RuntimeError, match=r"not let its attention be switched"):
        capture(model, tokenizer, TEXT, parts=True)


def test_two_models_at_the_same_time(pairs, tokenizer):
    models = [pairs["GPT-2"][1], pairs["Qwen 2"][1]]
    expected = [capture(m, tokenizer, TEXT, parts=True).parts.q for m in models]
    wrong = []

    def work(n):
        for _ in range(10):
            found = capture(models[n], tokenizer, TEXT, parts=True).parts.q
            if found.shape != expected[n].shape or not torch.equal(found, expected[n]):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --- tokens


def test_minilm_on_a_pair():
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = load_encoder("minilm")
    pair = ("The café's fox", "unbelievably quick 🦊")
    a = capture(model, tokenizer, *pair)
    hf = AutoModel.from_pretrained(minilm_path())
    b = capture(hf, AutoTokenizer.from_pretrained(minilm_path()), *pair)
    for name in ("tokens", "ids", "token_bytes", "offsets", "special", "words"):
        assert getattr(a, name) == getattr(b, name), name
    assert a.segments == b.segments
    assert {0, 1, None} == set(a.segments)
    assert a.special == [s is None for s in a.segments]
    np.testing.assert_allclose(a.numpy("attentions"), b.numpy("attentions"), atol=1e-5)
    np.testing.assert_allclose(a.numpy("pooled"), b.numpy("pooled"), atol=1e-5)
    for (start, end), token, segment in zip(
        a.offsets, a.tokens, a.segments, strict=True
    ):
        if segment is not None and token != "[UNK]":
            piece = pair[segment][start:end].lower().replace("é", "e")
            assert token.removeprefix("##") == piece
    assert (a.n_layers, a.n_heads) == (6, 12)


def test_byte_level_labels_show_what_is_invisible(pairs, tokenizer):
    text = " a\n\t🦊é"
    trace = capture(pairs["GPT-2"][0], tokenizer, text)
    assert b"".join(trace.token_bytes) == text.encode()
    assert "<0xF0>" in trace.tokens
    assert "⏎" in "".join(trace.tokens)
    assert not any(c.isspace() for token in trace.tokens for c in token)


def test_labels_of_a_borrowed_byte_level_tokenizer(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    from llmkit.tokenizers.borrowed import BorrowedTokenizer

    tokenizer.save(tmp_path)
    borrowed = BorrowedTokenizer(AutoTokenizer.from_pretrained(tmp_path))
    assert borrowed.byte_level
    ids = tokenizer.encode(" fox ü\n<s>")
    assert [token_label(borrowed, i) for i in ids] == [
        token_label(tokenizer, i) for i in ids
    ]


def test_hostile_text(pairs, tokenizer):
    for text in ("</script><b>", "\ud800", "\u202eabc", "x" * 30, "\0"):
        trace = capture(pairs["GPT-2"][0], tokenizer, text)
        assert len(trace.tokens) == len(trace.ids)
        "".join(trace.tokens).encode("utf-8")


# --- how it leaves the model


@pytest.mark.parametrize("parts", [False, True])
def test_the_model_is_as_before(parts, pairs, tokenizer):
    ours, hf = pairs["Llama"]
    for model in (ours, hf):
        model.train()
        next(model.children()).eval()
        modes = [m.training for m in model.modules()]
        hooks = sum(len(m._forward_hooks) for m in model.modules())
        _capture("Llama", model, tokenizer, parts=parts)
        assert modes == [m.training for m in model.modules()]
        assert hooks == sum(len(m._forward_hooks) for m in model.modules())
        model.eval()
    assert hf.config._attn_implementation == "sdpa"


def test_the_model_is_as_before_after_an_error(pairs, tokenizer):
    ours, hf = pairs["GPT-2"]
    for model in (ours, hf):
        before = sum(len(m._forward_hooks) for m in model.modules())
        with pytest.raises(ValueError, match=r"context_length=|between 0 and"):
            capture(model, tokenizer, "abcdefgh " * 30, parts=True)
        assert before == sum(len(m._forward_hooks) for m in model.modules())
    assert hf.config._attn_implementation == "sdpa"


def test_the_trace_can_go_into_a_gradient(pairs, tokenizer):
    trace = capture(pairs["GPT-2"][0], tokenizer, TEXT)
    weight = torch.ones(24, requires_grad=True)
    (trace.hidden_states @ weight).sum().backward()
    assert weight.grad is not None
    assert not trace.logits.requires_grad


def test_many_threads_on_one_model(pairs, tokenizer):
    ours, hf = pairs["Mistral"]
    texts = [TEXT, "a fox", "the box and the dog", "dog"] * 3
    expected = [capture(ours, tokenizer, t).logits for t in texts]
    for model in (ours, hf):
        found = [None] * len(texts)

        def work(n, model=model, found=found):
            found[n] = capture(model, tokenizer, texts[n], parts=True)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(len(texts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for trace, logits in zip(found, expected, strict=True):
            torch.testing.assert_close(trace.logits, logits, rtol=1e-4, atol=1e-5)
            assert trace.parts.q.shape[2] == len(trace)
    assert model_lock(ours) is model_lock(ours)
    assert model_lock(ours) is not model_lock(hf)


@pytest.mark.parametrize("kind", ["modern", "ngrams"])
def test_the_small_modern_decoders(kind, tokenizer):
    model = a_decoder(kind, tokenizer.vocab_size, d_model=12, n_heads=3, n_layers=2)
    trace = capture(model, tokenizer, TEXT, parts=True)
    ids = torch.tensor([tokenizer.encode(TEXT)])
    out = model(ids, output_attentions=True, output_hidden_states=True)
    assert trace.kind == "decoder"
    torch.testing.assert_close(trace.attentions, torch.cat(out.attentions))
    torch.testing.assert_close(trace.hidden_states, torch.cat(out.hidden_states))
    torch.testing.assert_close(trace.logits, out.logits[0])
    q, k = trace.parts.q, trace.parts.k  # (L, H, T, Dh), normed and turned
    scores = (q @ k.transpose(-2, -1) / 2).masked_fill(
        ~causal_mask(len(trace), len(trace)), -torch.inf
    )
    torch.testing.assert_close(scores.softmax(-1), trace.attentions)
    written = trace.parts.attention_outputs + trace.parts.mlp_outputs
    torch.testing.assert_close(
        trace.hidden_states[:-1] + written, trace.hidden_states[1:]
    )


def test_bfloat16_comes_out_as_float32(tokenizer):
    model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, d_model=16, n_layers=2))
    trace = capture(model.to(torch.bfloat16), tokenizer, TEXT, parts=True)
    assert trace.attentions.dtype == trace.parts.q.dtype == torch.float32


# --- what is refused


def test_an_empty_attention_is_an_error(pairs, tokenizer):
    _, hf = pairs["BERT, MLM"]

    class Silent(type(hf)):
        def forward(self, *args, **kwargs):
            out = super().forward(*args, **kwargs)
            out.attentions = ()
            return out

    silent = Silent(hf.config)
    with pytest.raises(RuntimeError, match=r"no attention weights.*eager"):
        capture(silent, tokenizer, TEXT)


def test_wrong_arguments(pairs, tokenizer):
    gpt, bart = pairs["GPT-2"][0], pairs["BART"][0]
    with pytest.raises(ValueError, match="at least one token; got ''"):
        capture(gpt, tokenizer, "")
    with pytest.raises(TypeError, match="text must be str; got list"):
        capture(gpt, tokenizer, ["a"])
    with pytest.raises(TypeError, match=r"one of llmkit, .* of transformers"):
        capture(torch.nn.Linear(2, 2), tokenizer, "a")
    with pytest.raises(TypeError, match=r"tokenizer must be Tokenizer; got str"):
        capture(gpt, "gpt2", "a")
    with pytest.raises(ValueError, match=r"reads one text and writes another"):
        capture(bart, tokenizer, "a")
    with pytest.raises(ValueError, match=r"leave target out"):
        capture(gpt, tokenizer, "a", target="b")
    with pytest.raises(ValueError, match=r"context_length=37"):
        capture(gpt, tokenizer, "abcdefgh " * 30)


def test_a_decoder_needs_a_first_token():
    letters = CharTokenizer.train(["abc"])
    hf = tiny("BART")
    model = from_hf(hf)
    if letters.pad_id is None and letters.eos_id is None:
        with pytest.raises(ValueError, match="a token to start with"):
            capture(model, letters, "abc", target="abc")


def test_trace_access(pairs, tokenizer):
    trace = capture(pairs["GPT-2"][0], tokenizer, TEXT)
    assert isinstance(trace, Trace)
    n = len(trace)
    assert trace.attention(1, -1).shape == (n, n)
    assert np.shares_memory(trace.numpy("attentions"), trace.attentions.numpy())
    assert repr(trace) == f"Trace(GPT, decoder: {n} tokens, 3 layers of 4 heads)"
    with pytest.raises(ValueError, match="layer must lie between 0 and 2; got 3"):
        trace.attention(3, 0)
    with pytest.raises(ValueError, match="head must lie between 0 and 3; got -5"):
        trace.attention(0, -5)
    with pytest.raises(ValueError, match=r"field must be one of attentions, hidden"):
        trace.numpy("weights")
    with pytest.raises(ValueError, match="capture with parts=True"):
        trace.numpy("parts.q")


def test_an_encoder_without_word_head_says_so(tokenizer):
    config = BERTConfig(
        vocab_size=tokenizer.vocab_size, d_model=16, n_layers=1,
        mlm_head=False, nsp_head=False, pooler=False,
    )  # fmt: skip
    trace = capture(BERT(config), tokenizer, TEXT)
    with pytest.raises(ValueError, match=r"no masked-word head.*bert-base-uncased"):
        trace.numpy("logits")


def test_one_token(pairs, tokenizer):
    for kind in ("GPT-2", "BERT, MLM"):
        for model in pairs[kind]:
            trace = capture(model, tokenizer, "a")
            assert trace.attentions.shape == (3, 4, 1, 1)
            assert trace.causal == (kind == "GPT-2")
