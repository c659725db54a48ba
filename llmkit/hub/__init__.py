"""Real models in and out: built in, from a folder, or from the Hugging Face Hub."""

from llmkit.hub.configs_out import hf_config
from llmkit.hub.convert import from_hf, from_state, to_hf_state_dict
from llmkit.hub.loading import (
    load_decoder,
    load_encoder,
    load_pretrained,
    load_seq2seq,
    read_weights,
    save_pretrained,
)
from llmkit.hub.minilm import minilm_path
from llmkit.hub.places import find_folder, hub_folder

__all__ = [
    "find_folder",
    "from_hf",
    "from_state",
    "hf_config",
    "hub_folder",
    "load_decoder",
    "load_encoder",
    "load_pretrained",
    "load_seq2seq",
    "minilm_path",
    "read_weights",
    "save_pretrained",
    "to_hf_state_dict",
]
