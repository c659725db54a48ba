"""Every number of a walk equals what the model itself computes."""

from types import SimpleNamespace

import pytest
import torch

from llmkit.models import (
    BERT,
    GPT,
    BERTConfig,
    GPTConfig,
    Llama,
    LlamaConfig,
    Modern,
    ModernConfig,
    ModernNGrams,
    ModernNGramsConfig,
    Seq2Seq,
    Seq2SeqConfig,
)
from llmkit.nn import MLP, Block, MultiHeadAttention
from llmkit.trace.steps import code_line
from llmkit.trace.walk import walk

V, D, H, L = 50, 24, 3, 2


class Letters:
    """A tokenizer of single characters."""

    def __call__(self, text):
        ids = [ord(c) % V for c in text]
        return SimpleNamespace(ids=ids, tokens=list(text), type_ids=[0] * len(ids))

    def decode(self, ids):
        return "".join(chr(97 + i) for i in ids)


def models():
    torch.manual_seed(3)
    sizes = {"vocab_size": V, "d_model": D, "n_layers": L}
    found = {
        "gpt": GPT(GPTConfig(n_heads=H, **sizes)),
        "llama": Llama(LlamaConfig(n_heads=6, n_kv_heads=2, head_norm=True, **sizes)),
        "windowed": Llama(LlamaConfig(n_heads=6, window=3, **sizes)),
        "modern": Modern(ModernConfig(n_heads=6, **sizes)),
        "n-grams": ModernNGrams(ModernNGramsConfig(n_heads=6, buckets=31, **sizes)),
        "bert": BERT(BERTConfig(n_heads=H, **sizes)),
    }
    for name in ("modern", "n-grams"):
        for weight in found[name].parameters():  # many are 0 at the start
            torch.nn.init.normal_(weight, std=0.3)
    return found


@pytest.mark.parametrize(
    "name", ["gpt", "llama", "windowed", "modern", "n-grams", "bert"]
)
@pytest.mark.parametrize("layer", [0, 1])
def test_tensors_equal_the_models_own(name, layer):
    model = models()[name].eval()
    text, head = "hello you", 2
    found = walk(model, Letters(), text, layer, head)
    seen = {}

    def keep(key):
        return lambda _module, _inputs, output: seen.setdefault(key, output)

    block = model.blocks[layer]
    hooks = [
        module.register_forward_hook(keep(key))
        for key, module in {
            "attention out": block.attention.o_proj,
            "hidden": block.mlp.up_proj,
            "MLP out": block.mlp,
            "norm1 out": block.norm1,
            "norm2 out": block.norm2,
            "v.whole": block.attention.v_proj,
        }.items()
    ]
    ids = torch.tensor([Letters()(text).ids])
    out = model(ids, output_hidden_states=True, output_attentions=True)
    for hook in hooks:
        hook.remove()
    whole = seen.pop("v.whole")[0]
    for key, value in seen.items():
        torch.testing.assert_close(found.tensors[key], value[0], atol=1e-6, rtol=1e-5)
    width = block.attention.d_head
    group = head // (block.attention.n_heads // block.attention.n_kv_heads)
    torch.testing.assert_close(
        found.tensors["v"], whole[:, group * width : (group + 1) * width]
    )
    torch.testing.assert_close(
        found.tensors["weights"], out.attentions[layer][0, head], atol=1e-6, rtol=1e-5
    )
    torch.testing.assert_close(found.tensors["stream"], out.hidden_states[layer][0])
    last = "norm2 out" if name == "bert" else "after MLP"
    torch.testing.assert_close(
        found.tensors[last], out.hidden_states[layer + 1][0], atol=1e-6, rtol=1e-5
    )
    best = out.logits[0, -1].topk(10).values
    torch.testing.assert_close(found.tensors["logits"][-1], best)


@pytest.mark.parametrize("name", ["gpt", "llama", "modern", "n-grams", "bert"])
def test_steps_name_tensors_and_real_lines(name):
    found = walk(models()[name], Letters(), "abc")
    keys = [step.key for step in found.steps]
    assert len(keys) == len(set(keys))
    for must in ("embed", "q", "k", "v", "scores", "scale", "softmax", "mix", "logits"):
        assert must in keys
    assert ("mask" in keys) == (name != "bert")
    for step in found.steps:
        assert {*step.inputs, step.output} <= set(found.tensors)
        assert step.code
        assert found.tensors[step.output].shape[0] == 3


def test_walk_leaves_the_model_in_its_mode():
    model = models()["gpt"].train()
    model.blocks[0].eval()  # a part of it rests
    walk(model, Letters(), "abc")
    assert model.training
    assert not model.blocks[0].training


def test_bad_input_is_refused_with_a_sentence():
    model = models()["gpt"]
    with pytest.raises(ValueError, match="at least one token"):
        walk(model, Letters(), "")
    with pytest.raises(ValueError, match="layer must lie between 0 and 1; got 2"):
        walk(model, Letters(), "ab", layer=2)
    with pytest.raises(ValueError, match="head must lie between 0 and 2; got -1"):
        walk(model, Letters(), "ab", head=-1)
    other = Seq2Seq(Seq2SeqConfig(vocab_size=V, d_model=D, n_heads=H))
    with pytest.raises(TypeError, match="from_hf"):
        walk(other, Letters(), "ab")


def test_code_line_is_found_or_refused():
    assert code_line(MLP.forward, "down_proj").startswith("return self.down_proj(")
    assert "o_proj" in code_line(MultiHeadAttention.forward, "self.o_proj(")
    with pytest.raises(LookupError, match="no line with"):
        code_line(Block.forward, "no such thing")


def test_n_grams_are_one_step_more():
    found = walk(models()["n-grams"], Letters(), "abcab")
    (step,) = [step for step in found.steps if step.key == "ngrams"]
    a, b = (found.tensors[name] for name in step.inputs)
    torch.testing.assert_close(a + b, found.tensors[step.output])
    assert step.where.endswith("ModernNGrams.embed")
    assert "position" not in [step.key for step in found.steps]
