"""What a stored run knows of its model, and how it tells another one."""

import pytest
import torch

from llmkit.models import GPT, GPTConfig
from llmkit.training.weights import (
    check_config,
    config_of,
    differences,
    own_weights,
)

SIZES = {"vocab_size": 7, "d_model": 6, "n_heads": 3, "n_layers": 2}


def test_shared_weights_come_once_and_are_the_models_own():
    model = GPT(GPTConfig(**SIZES))  # its output layer is the token table
    found = own_weights(model)
    assert sum(x.numel() for x in found.values()) == sum(
        p.numel() for p in model.parameters()
    )
    table = found["token_embedding.weight"]
    assert table.data_ptr() == model.lm_head.weight.data_ptr()
    assert "lm_head.weight" not in found


def test_buffers_are_kept_too():
    norm = torch.nn.BatchNorm1d(3)
    assert {"running_mean", "running_var", "weight"} <= set(own_weights(norm))


def test_config_is_as_json_gives_it_back():
    assert config_of(GPT(GPTConfig(**SIZES)))["n_layers"] == 2
    assert config_of(torch.nn.Linear(2, 2)) is None


def test_another_configuration_is_named():
    model = GPT(GPTConfig(**SIZES))
    check_config(config_of(model), model, "run.safetensors")
    saved = config_of(model) | {"n_heads": 2, "window": 4}
    with pytest.raises(
        ValueError, match=r"^x was saved.*n_heads=2 there and 3 here"
    ) as e:
        check_config(saved, model, "x")
    assert "window=4 there and None here" in str(e.value)
    assert "d_model" not in str(e.value)
    bare = torch.nn.Linear(2, 2)
    check_config(None, bare, "x")
    assert differences({"a": 1}, {"a": 1}) == ""


def test_a_field_that_is_younger_than_the_file_has_its_default():
    model = GPT(GPTConfig(**SIZES))
    old = {k: v for k, v in config_of(model).items() if k != "dropout"}
    check_config(old, model, "the file")
    other = GPT(GPTConfig(**SIZES | {"dropout": 0.5}))
    with pytest.raises(ValueError, match=r"dropout=\S+ there and 0.5 here"):
        check_config(old, other, "the file")
