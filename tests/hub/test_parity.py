"""The kit's models beside transformers', on tiny random models of every family."""

import pytest
import torch

from llmkit.hub import from_hf, hf_config, to_hf_state_dict
from tests.hub.minilm import minilm_errors
from tests.hub.tiny import DECODERS, KINDS, errors, same_state_dict, tiny

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
HALF_OPEN = tuple(kind for kind in DECODERS if kind != "GPT-2")


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("kind", KINDS)
def test_float32(kind, padded):
    found = errors(kind, padded=padded)
    assert {"hidden", "attentions"} <= set(found)
    assert "logits" in found or kind == "BERT"
    assert max(found.values()) < 1e-5, found


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("kind", KINDS)
def test_float64(kind, padded):
    found = errors(kind, torch.float64, padded=padded)
    if kind in HALF_OPEN:
        # transformers takes the softmax of these in float32 when it shows the weights
        assert found.pop("attentions") < 1e-6
    assert max(found.values()) < 1e-10, found


@pytest.mark.parametrize("kind", KINDS)
def test_state_dict_round_trip(kind):
    assert same_state_dict(kind)


def test_a_part_given_wrongly_is_seen():
    # the measure itself: one bias moved by little must show
    hf = tiny("Qwen 2")
    ours = from_hf(hf)
    with torch.no_grad():
        ours.blocks[1].attention.k_proj.bias[3] += 0.05
    ids = torch.arange(3, 10)[None]
    gap = (ours(ids).logits - hf(input_ids=ids).logits).abs().max()
    assert gap > 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_config_comes_back(kind):
    import transformers

    hf = tiny(kind)
    config = hf_config(from_hf(hf))
    again = getattr(transformers, KINDS[kind][0])(**config)
    assert config["model_type"] == hf.config.model_type
    assert config["architectures"] == [type(hf).__name__]
    ours = from_hf(hf).config
    model = getattr(transformers, KINDS[kind][1])(again).eval()
    model.load_state_dict(to_hf_state_dict(from_hf(hf)))
    assert from_hf(model).config == _without_dropout(ours, from_hf(model).config)


def _without_dropout(config, other):
    from dataclasses import replace

    if not hasattr(config, "dropout"):
        return config
    return replace(config, dropout=other.dropout)


@pytest.mark.parametrize("kind", DECODERS)
def test_cached_steps_equal_one_pass(kind):
    ours = from_hf(tiny(kind, torch.float64))
    ids = torch.randint(3, 61, (2, 9), generator=torch.Generator().manual_seed(2))
    cache = ours.new_cache()
    with torch.no_grad():
        whole = ours(ids).logits
        steps = [ours(ids[:, t : t + 1], cache=cache).logits for t in range(9)]
    torch.testing.assert_close(torch.cat(steps, 1), whole, rtol=0, atol=1e-12)


def test_untied_tables_stay_apart():
    hf = tiny("GPT-2", tie_word_embeddings=False)
    ours = from_hf(hf)
    assert ours.lm_head.weight is not ours.token_embedding.weight
    ids = torch.arange(3, 10)[None]
    torch.testing.assert_close(ours(ids).logits, hf(input_ids=ids).logits)
    assert hf_config(ours)["tie_word_embeddings"] is False
    torch.testing.assert_close(to_hf_state_dict(ours), dict(hf.state_dict()))


def test_tied_tables_are_one_tensor():
    ours = from_hf(tiny("BERT, MLM"))
    assert ours.mlm_head.decoder.weight is ours.token_embedding.weight


def test_loading_leaves_the_random_generator_alone():
    hf = tiny("BERT")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    from_hf(hf)
    torch.testing.assert_close(torch.rand(3), expected)


def test_dtype_and_mode():
    ours = from_hf(tiny("Llama", torch.float64))
    assert next(ours.parameters()).dtype == torch.float64
    assert not ours.training


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_real_minilm(dtype):
    found = minilm_errors(dtype)
    assert found.pop("same state dict")
    assert max(found.values()) < (1e-5 if dtype == torch.float32 else 1e-10), found
