"""What only the kit computes is saved in its own words, and comes back."""

import json

import pytest
import torch

from llmkit.hub import (
    from_state,
    hf_config,
    load_decoder,
    load_encoder,
    load_pretrained,
    save_pretrained,
)
from llmkit.hub.own import is_own
from llmkit.models import GPT, GPTConfig, Modern, ModernConfig
from llmkit.tokenizers import ByteBPETokenizer
from tests.models.kinds import a_decoder

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
SIZES = {"d_model": 12, "n_heads": 3, "n_layers": 2, "d_ff": 19, "context_length": 9}


@pytest.fixture(scope="module")
def bpe():
    return ByteBPETokenizer.train(["abab ab"], vocab_size=262, special_tokens=SPECIAL)


@pytest.mark.parametrize("kind", ["modern", "ngrams"])
@pytest.mark.parametrize("load", [load_decoder, load_pretrained])
def test_round_trip(kind, load, bpe, tmp_path):
    model = a_decoder(kind, bpe.vocab_size, **SIZES)
    save_pretrained(model, bpe, tmp_path)
    before = torch.random.get_rng_state()
    again, tokenizer = load(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert type(again) is type(model)
    assert again.config == model.config
    assert not again.training
    ids = torch.tensor([tokenizer.encode("ab abab")])
    torch.testing.assert_close(again(ids).logits, model(ids).logits, rtol=0, atol=0)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model_type"].startswith("llmkit_modern")
    assert config["d_model"] == 12
    assert config["eos_token_id"] == bpe.eos_id


def test_only_modern_is_the_kits_own():
    assert is_own(Modern(ModernConfig(vocab_size=5)))
    assert not is_own(GPT(GPTConfig(vocab_size=5, d_model=8)))
    assert not is_own(torch.nn.Linear(2, 2))


def test_messages(bpe, tmp_path):
    model = a_decoder("modern", bpe.vocab_size, **SIZES)
    with pytest.raises(TypeError, match=r"got Modern\. save_pretrained keeps it"):
        hf_config(model)
    save_pretrained(model, bpe, tmp_path)
    with pytest.raises(ValueError, match=r"lead to an encoder.*Modern.*load_decoder"):
        load_encoder(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    with pytest.raises(ValueError, match=r"asks for window, which Modern does not"):
        from_state(config | {"window": 4}, model.state_dict())
    with pytest.raises(ValueError, match=r"do not make a whole Modern.*size mismatch"):
        from_state(config | {"d_ff": 20}, model.state_dict())
    state = model.state_dict()
    del state["final_norm.weight"]
    with pytest.raises(ValueError, match=r"whole Modern.*final_norm\.weight"):
        from_state(config, state)
