"""What older and odd files mean, judged by what `transformers` reads from them."""

import pytest
import transformers

from llmkit.hub.configs import config_in

SIZES = {
    "vocab_size": 40,
    "hidden_size": 24,
    "num_attention_heads": 3,
    "num_hidden_layers": 4,
    "intermediate_size": 20,
    "max_position_embeddings": 32,
}


@pytest.mark.parametrize("kind", ["qwen2", "qwen3"])
@pytest.mark.parametrize("first", [0, 4, 28, None])
def test_older_qwen_files_name_the_first_layer_with_a_window(kind, first):
    hf = SIZES | {"model_type": kind, "use_sliding_window": True, "sliding_window": 8}
    hf |= {} if first is None else {"max_window_layers": first}
    theirs = transformers.AutoConfig.for_model(**hf)
    everywhere = {"sliding_attention": 8, "full_attention": None}
    (kind_of_all,) = set(theirs.layer_types)
    assert config_in(hf, set()).window == everywhere[kind_of_all]


def test_a_window_on_the_upper_layers_only_is_refused():
    hf = SIZES | {"model_type": "qwen2", "use_sliding_window": True}
    hf |= {"sliding_window": 8, "max_window_layers": 3}
    with pytest.raises(ValueError, match="max_window_layers=3 of 4"):
        config_in(hf, set())


@pytest.mark.parametrize("given", [{}, {"pad_token_id": None}, {"pad_token_id": 1}])
def test_robertas_padding_id_is_1_if_nothing_else_is_said(given):
    config = config_in(SIZES | {"model_type": "roberta"} | given, set())
    assert (config.position_offset, config.context_length) == (2, 30)
