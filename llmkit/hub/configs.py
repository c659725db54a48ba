"""Sizes: `config.json` of each family read into the kit's own configs.

Whatever a config asks for that the kit's models do not compute is refused by name, so
that a loaded model never runs with other arithmetic than it was trained with.
"""

from __future__ import annotations

from typing import Any

from llmkit.hub.families import FAMILIES
from llmkit.models import BERTConfig, GPTConfig, LlamaConfig, Seq2SeqConfig

ACTIVATION_IN = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "relu": "relu",
    "relu2": "relu_squared",
    "silu": "silu",
    "swish": "silu",
}


def config_in(hf: dict[str, Any], names: set[str]):
    """Read `config.json` of any family.

    Args:
        hf: its content.
        names: the names of the weights, which tell what heads there are.

    Returns:
        A `GPTConfig`, `LlamaConfig`, `BERTConfig` or `Seq2SeqConfig`.

    Raises:
        ValueError: the family is unknown, or it asks for something that the kit does
            not compute.
    """
    kind = hf.get("model_type")
    if kind not in FAMILIES:
        raise ValueError(
            f"model_type must be one of {', '.join(FAMILIES)}; got {kind!r}. A model "
            "of another family still works with llmkit.trace.capture through "
            "transformers' own AutoModel."
        )
    return _READERS[kind](hf, names)


def _gpt2_in(hf: dict, names: set[str]) -> GPTConfig:
    _refuse(hf, scale_attn_weights=True, scale_attn_by_inverse_layer_idx=False)
    _refuse(hf, add_cross_attention=False)
    return GPTConfig(
        vocab_size=hf["vocab_size"],
        context_length=hf.get("n_positions", 1024),
        d_model=hf["n_embd"],
        n_heads=hf["n_head"],
        n_layers=hf["n_layer"],
        d_ff=hf.get("n_inner"),
        activation=_activation(hf.get("activation_function", "gelu_new")),
        dropout=hf.get("resid_pdrop", 0.1),
        norm_eps=hf.get("layer_norm_epsilon", 1e-5),
    )


def _llama_in(hf: dict, names: set[str]) -> LlamaConfig:
    _refuse(hf, hidden_act="silu", mlp_bias=False)
    kind = hf["model_type"]
    # Qwen 2 and Mistral know no such choice
    biased = kind in ("llama", "qwen3") and hf.get("attention_bias", False)
    window = hf.get("sliding_window")
    if kind in ("qwen2", "qwen3") and not hf.get("use_sliding_window", False):
        window = None
    if window and "full_attention" in (hf.get("layer_types") or ()):
        raise ValueError(
            "a window on some layers only is not supported; got "
            f"layer_types={hf['layer_types']}"
        )
    if window and kind in ("qwen2", "qwen3") and not hf.get("layer_types"):
        # older files: the window begins at this layer, by default at the 28th
        first = hf.get("max_window_layers", 28)
        if 0 < first < hf["num_hidden_layers"]:
            raise ValueError(
                "a window on some layers only is not supported; got "
                f"max_window_layers={first} of {hf['num_hidden_layers']}"
            )
        window = None if first else window
    return LlamaConfig(
        vocab_size=hf["vocab_size"],
        context_length=hf.get("max_position_embeddings", 2048),
        d_model=hf["hidden_size"],
        n_heads=hf["num_attention_heads"],
        n_kv_heads=hf.get("num_key_value_heads"),
        d_head=hf.get("head_dim") or hf["hidden_size"] // hf["num_attention_heads"],
        n_layers=hf["num_hidden_layers"],
        d_ff=hf["intermediate_size"],
        rotary_base=_rotary_base(hf),
        norm_eps=hf.get("rms_norm_eps", 1e-6),
        qkv_bias=biased or kind == "qwen2",
        out_bias=biased,
        head_norm=kind == "qwen3",
        window=window,
        tied=hf.get("tie_word_embeddings", False),
    )


def _rotary_base(hf: dict) -> float:
    """Find the base in older and newer files, and refuse stretched angles."""
    rope = hf.get("rope_parameters") or hf.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    share = rope.get("partial_rotary_factor", hf.get("partial_rotary_factor", 1.0))
    if kind != "default" or share not in (1.0, None):
        raise ValueError(
            "only plain rotary positions are supported (rope_type 'default' over the "
            f"whole head); got {rope or {'partial_rotary_factor': share}}. Use the "
            "model through transformers instead: llmkit.trace.capture takes it as is."
        )
    return float(rope.get("rope_theta") or hf.get("rope_theta") or 10000.0)


def _bert_in(hf: dict, names: set[str]) -> BERTConfig:
    _refuse(hf, position_embedding_type="absolute", is_decoder=False)
    offset = 0
    if hf["model_type"] == "roberta":
        # null counts as left out: the family's padding id is 1
        pad = hf.get("pad_token_id")
        offset = (1 if pad is None else pad) + 1
    return BERTConfig(
        vocab_size=hf["vocab_size"],
        context_length=hf["max_position_embeddings"] - offset,
        d_model=hf["hidden_size"],
        n_heads=hf["num_attention_heads"],
        n_layers=hf["num_hidden_layers"],
        d_ff=hf["intermediate_size"],
        n_segments=hf.get("type_vocab_size", 2),
        activation=_activation(hf.get("hidden_act", "gelu")),
        dropout=hf.get("hidden_dropout_prob", 0.1),
        norm_eps=hf.get("layer_norm_eps", 1e-12),
        position_offset=offset,
        pooler=_has(names, "pooler.dense.weight"),
        mlm_head=_has(names, "cls.predictions.transform.dense.weight")
        or _has(names, "lm_head.dense.weight"),
        nsp_head=_has(names, "cls.seq_relationship.weight"),
    )


def _distilbert_in(hf: dict, names: set[str]) -> BERTConfig:
    _refuse(hf, sinusoidal_pos_embds=False)
    return BERTConfig(
        vocab_size=hf["vocab_size"],
        context_length=hf.get("max_position_embeddings", 512),
        d_model=hf["dim"],
        n_heads=hf["n_heads"],
        n_layers=hf["n_layers"],
        d_ff=hf["hidden_dim"],
        n_segments=0,
        activation=_activation(hf.get("activation", "gelu")),
        dropout=hf.get("dropout", 0.1),
        pooler=False,
        mlm_head=_has(names, "vocab_transform.weight"),
        nsp_head=False,
    )


def _seq2seq_in(hf: dict, names: set[str]) -> Seq2SeqConfig:
    marian = hf["model_type"] == "marian"
    _refuse(hf, normalize_before=False, add_final_layer_norm=False)
    if marian:
        _refuse(hf, share_encoder_decoder_embeddings=True, normalize_embedding=False)
    for size in ("attention_heads", "ffn_dim"):
        if hf[f"encoder_{size}"] != hf[f"decoder_{size}"]:
            raise ValueError(
                f"encoder and decoder must have the same {size}; got "
                f"{hf[f'encoder_{size}']} and {hf[f'decoder_{size}']}"
            )
    return Seq2SeqConfig(
        vocab_size=hf["vocab_size"],
        context_length=hf["max_position_embeddings"],
        d_model=hf["d_model"],
        n_heads=hf["encoder_attention_heads"],
        n_encoder_layers=hf["encoder_layers"],
        n_decoder_layers=hf["decoder_layers"],
        d_ff=hf["encoder_ffn_dim"],
        activation=_activation(hf.get("activation_function", "gelu")),
        positions="sinusoidal" if marian else "learned",
        position_offset=0 if marian else 2,
        embedding_norm=not marian,
        scale_embedding=bool(hf.get("scale_embedding", False)),
        dropout=hf.get("dropout", 0.1),
    )


_READERS = {
    "gpt2": _gpt2_in,
    "bert": _bert_in,
    "roberta": _bert_in,
    "distilbert": _distilbert_in,
    "llama": _llama_in,
    "mistral": _llama_in,
    "qwen2": _llama_in,
    "qwen3": _llama_in,
    "bart": _seq2seq_in,
    "marian": _seq2seq_in,
}


def _activation(name: str) -> str:
    if name not in ACTIVATION_IN:
        raise ValueError(
            f"activation must be one of {', '.join(ACTIVATION_IN)}; got {name!r}"
        )
    return ACTIVATION_IN[name]


def _has(names: set[str], ending: str) -> bool:
    return any(name == ending or name.endswith(f".{ending}") for name in names)


def _refuse(hf: dict, **needed) -> None:
    """Refuse a setting that would change the arithmetic."""
    for name, value in needed.items():
        given = hf.get(name, value)
        if given != value and not (given is None and value in (False, "absolute")):
            raise ValueError(
                f"{hf['model_type']} with {name}={given!r} is not supported: the kit's "
                f"model computes what {name}={value!r} means. Use it through "
                "transformers instead; llmkit.trace.capture takes it as is."
            )
