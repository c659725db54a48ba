"""The lens equals transformers' own stream given to its own output layer."""

from types import SimpleNamespace

import pytest
import torch
import transformers

from llmkit.hub import from_hf
from llmkit.models import BERT, GPT, BERTConfig, GPTConfig
from llmkit.trace.lens import lens_cost, logit_lens, one_token
from tests.models.kinds import KINDS, a_decoder

V = 50


class Letters:
    """A tokenizer of single characters, except that "zz" is one token as well."""

    bos_id = cls_id = sep_id = None

    def __call__(self, text):
        return SimpleNamespace(ids=self.encode(text), tokens=list(text))

    def encode(self, text):
        return [49] if text == " zz" else [ord(c) % 49 for c in text]

    def decode(self, ids):
        return "".join(chr(97 + i) for i in ids)


@pytest.fixture
def gpt2():
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=V, n_positions=32, n_embd=24, n_layer=3, n_head=3
    )
    return transformers.GPT2LMHeadModel(config).eval()


def test_rows_equal_transformers_stream_through_its_output_layer(gpt2):
    text = "the fox"
    ids = torch.tensor([Letters().encode(text)])
    middles = []
    for block in gpt2.transformer.h:
        block.ln_2.register_forward_pre_hook(lambda _m, x: middles.append(x[0]))
    after = []
    for block in gpt2.transformer.h:
        block.register_forward_hook(
            lambda _m, _x, y: after.append(y[0] if isinstance(y, tuple) else y)
        )
    with torch.no_grad():
        states = gpt2(ids, output_hidden_states=True).hidden_states
        streams = [states[0]]
        for middle, end in zip(middles, after, strict=True):
            streams += [middle, end]
        read = gpt2.lm_head(gpt2.transformer.ln_f(torch.cat(streams)))
    probs = read.double().softmax(-1)
    found = logit_lens(from_hf(gpt2), Letters(), text, top=4, watch=["a", "zz"])
    assert found.rows == [
        "embedding",
        *(f"{layer} {part}" for layer in range(3) for part in ("attention", "MLP")),
    ]
    best = probs.topk(4)
    assert torch.equal(found.top_ids, best.indices)
    torch.testing.assert_close(found.top_probs, best.values.float())
    torch.testing.assert_close(found.watched, probs[..., [ord("a") % 49, 49]].float())
    bits = -(probs * probs.log2()).sum(-1)
    torch.testing.assert_close(found.entropy, bits.float())
    last = probs[-1]
    kl = (last * (last.log2() - probs.log2())).sum(-1)
    torch.testing.assert_close(found.kl, kl.float(), atol=1e-5, rtol=1e-4)
    assert (found.kl[-1] == 0).all()
    assert (found.rank[-1] == 1).all()
    order = probs.argsort(-1, descending=True)
    for row in range(len(found.rows)):
        for column in range(len(text)):
            first = int(best.indices[-1, column, 0])
            place = order[row, column].tolist().index(first)
            assert found.rank[row, column] == place + 1


def test_some_columns_equal_the_same_columns_of_all(gpt2):
    model = from_hf(gpt2)
    whole = logit_lens(model, Letters(), "the fox")
    part = logit_lens(model, Letters(), "the fox", columns=[6, 2])
    assert part.columns == [6, 2]
    assert torch.equal(part.top_ids, whole.top_ids[:, [6, 2]])
    torch.testing.assert_close(part.kl, whole.kl[:, [6, 2]])


def test_an_encoder_is_read_through_its_masked_word_head():
    torch.manual_seed(1)
    model = BERT(BERTConfig(vocab_size=V, d_model=24, n_heads=3, n_layers=2))
    found = logit_lens(model, Letters(), "abc")
    model.eval()
    logits = model(torch.tensor([Letters().encode("abc")])).logits[0]
    assert torch.equal(found.top_ids[-1, :, 0], logits.argmax(-1))
    none = BERT(
        BERTConfig(vocab_size=V, d_model=24, n_heads=3, n_layers=2, mlm_head=False)
    )
    with pytest.raises(ValueError, match="needs the masked-word head"):
        logit_lens(none, Letters(), "abc")


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_row_of_every_decoder_is_its_own_answer(kind):
    model = a_decoder(kind, V, d_model=24, n_heads=3, n_layers=2)
    found = logit_lens(model, Letters(), "the fox", top=3)
    assert found.top_ids.shape == (5, 7, 3)
    out = model(torch.tensor([Letters().encode("the fox")]), output_hidden_states=True)
    want = out.logits[0].softmax(-1).topk(3)
    torch.testing.assert_close(found.top_probs[-1], want.values)
    first = model.lm_head(model.final_norm(out.hidden_states[1][0])).softmax(-1)
    torch.testing.assert_close(found.top_probs[2], first.topk(3).values)


def test_bad_input_is_refused(gpt2):
    model = GPT(GPTConfig(vocab_size=V, d_model=24, n_heads=3, n_layers=2))
    with pytest.raises(ValueError, match="at least one token"):
        logit_lens(model, Letters(), "")
    with pytest.raises(TypeError, match="from_hf"):
        logit_lens(gpt2, Letters(), "abc")
    with pytest.raises(ValueError, match="'abc' must be a single token"):
        logit_lens(model, Letters(), "abc", watch=["abc"])


def test_one_token_also_tries_the_space_before():
    assert one_token(Letters(), "zz") == 49


def test_cost_counts_the_output_layer():
    model = GPT(GPTConfig(vocab_size=V, d_model=24, n_heads=3, n_layers=2))
    assert lens_cost(model, 7) == 5 * 7 * 24 * V


def test_tokens_of_bytes_are_shown_as_text():
    from llmkit.tokenizers import ByteBPETokenizer
    from llmkit.trace.walk import walk

    tokenizer = ByteBPETokenizer.train(["a fox a fox"], vocab_size=260)
    model = GPT(
        GPTConfig(vocab_size=tokenizer.vocab_size, d_model=24, n_heads=3, n_layers=1)
    )
    for found in (
        logit_lens(model, tokenizer, "a fox"),
        walk(model, tokenizer, "a fox"),
    ):
        assert "Ġ" not in "".join(found.tokens)
        assert "".join(found.tokens) == "a·fox"
