"""The kit's models as `config.json` of `transformers`, so that others can load them."""

from __future__ import annotations

from typing import Any

from torch import nn

from llmkit.hub.own import is_own
from llmkit.models import (
    BERT,
    GPT,
    BERTConfig,
    GPTConfig,
    Llama,
    LlamaConfig,
    Seq2Seq,
    Seq2SeqConfig,
)

ACTIVATION_OUT = {
    "gelu": "gelu",
    "gelu_tanh": "gelu_new",
    "relu": "relu",
    "relu_squared": "relu2",
    "silu": "silu",
}


def model_type(model: nn.Module) -> str:
    """Name the family that a model of the kit can be written as.

    Args:
        model: a `GPT`, `Llama`, `BERT` or `Seq2Seq`.

    Returns:
        A `model_type` of `transformers`.

    Raises:
        TypeError: it is no model of the kit.
        ValueError: no family has this combination of parts.
    """
    c = getattr(model, "config", None)
    if isinstance(model, GPT):
        return "gpt2"
    if isinstance(model, Llama):
        return _llama_type(c)
    if isinstance(model, BERT):
        if c.n_segments == 0:
            return _only("distilbert", c, position_offset=0, pooler=False)
        return "roberta" if c.position_offset else "bert"
    if isinstance(model, Seq2Seq):
        if c.positions == "sinusoidal":
            return _only("marian", c, embedding_norm=False)
        return _only("bart", c, position_offset=2, embedding_norm=True)
    way_out = ". save_pretrained keeps it in the kit's own words" * is_own(model)
    raise TypeError(
        "model must be a GPT, Llama, BERT or Seq2Seq of llmkit, which transformers "
        f"computes too; got {type(model).__name__}{way_out}"
    )


def _llama_type(c: LlamaConfig) -> str:
    if c.out_bias and not c.qkv_bias:
        raise ValueError("no family has out_bias alone; set qkv_bias=True too")
    if c.head_norm and c.qkv_bias and not c.out_bias:
        raise ValueError(
            "no family has head_norm and qkv_bias alone; leave one out, or set "
            "out_bias=True too"
        )
    if c.head_norm:
        return "qwen3"
    if c.qkv_bias and not c.out_bias:
        return "qwen2"
    if c.window and c.out_bias:
        raise ValueError("no family has out_bias and a window without head_norm")
    return "mistral" if c.window else "llama"


def hf_config(model: nn.Module) -> dict[str, Any]:
    """Write a model's sizes as `transformers` expects them in `config.json`.

    Args:
        model: a `GPT`, `Llama`, `BERT` or `Seq2Seq`.

    Returns:
        What goes into `config.json`.
    """
    kind = model_type(model)
    c = model.config
    writer = {GPT: _gpt2_out, Llama: _llama_out, BERT: _bert_out, Seq2Seq: _seq2seq_out}
    return {"model_type": kind, **writer[type(model)](model, c, kind)}


def _gpt2_out(model: GPT, c: GPTConfig, kind: str) -> dict:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": c.vocab_size,
        "n_positions": c.context_length,
        "n_embd": c.d_model,
        "n_head": c.n_heads,
        "n_layer": c.n_layers,
        "n_inner": c.d_ff,
        "activation_function": ACTIVATION_OUT[c.activation],
        "resid_pdrop": c.dropout,
        "embd_pdrop": c.dropout,
        "attn_pdrop": 0.0,
        "layer_norm_epsilon": c.norm_eps,
        "tie_word_embeddings": model.lm_head.weight is model.token_embedding.weight,
    }


def _llama_out(model: Llama, c: LlamaConfig, kind: str) -> dict:
    name = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}
    out = {
        "architectures": [f"{name[kind]}ForCausalLM"],
        "vocab_size": c.vocab_size,
        "max_position_embeddings": c.context_length,
        "hidden_size": c.d_model,
        "num_attention_heads": c.n_heads,
        "num_key_value_heads": c.n_kv_heads or c.n_heads,
        "head_dim": c.head_width,
        "num_hidden_layers": c.n_layers,
        "intermediate_size": c.d_ff,
        "rope_theta": c.rotary_base,
        "rms_norm_eps": c.norm_eps,
        "hidden_act": "silu",
        "sliding_window": c.window,
        "tie_word_embeddings": model.lm_head.weight is model.token_embedding.weight,
    }
    if kind in ("llama", "qwen3"):
        out["attention_bias"] = c.out_bias
    if kind in ("qwen2", "qwen3"):
        out |= {"use_sliding_window": bool(c.window), "max_window_layers": 0}
    return out


def _bert_out(model: BERT, c: BERTConfig, kind: str) -> dict:
    tied = model.mlm_head is None or (
        model.mlm_head.decoder.weight is model.token_embedding.weight
    )
    common = {"vocab_size": c.vocab_size, "tie_word_embeddings": tied}
    if kind == "distilbert":
        return common | {
            "architectures": [_bert_class(c, "DistilBert")],
            "max_position_embeddings": c.context_length,
            "dim": c.d_model,
            "n_heads": c.n_heads,
            "n_layers": c.n_layers,
            "hidden_dim": c.d_ff or 4 * c.d_model,
            "activation": ACTIVATION_OUT[c.activation],
            "dropout": c.dropout,
            "attention_dropout": 0.0,
        }
    out = common | {
        "architectures": [_bert_class(c, "Roberta" if kind == "roberta" else "Bert")],
        "max_position_embeddings": c.context_length + c.position_offset,
        "hidden_size": c.d_model,
        "num_attention_heads": c.n_heads,
        "num_hidden_layers": c.n_layers,
        "intermediate_size": c.d_ff or 4 * c.d_model,
        "type_vocab_size": c.n_segments,
        "hidden_act": ACTIVATION_OUT[c.activation],
        "hidden_dropout_prob": c.dropout,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": c.norm_eps,
    }
    if kind == "roberta":
        out["pad_token_id"] = c.position_offset - 1
    return out


def _bert_class(c: BERTConfig, name: str) -> str:
    if c.nsp_head:
        return f"{name}For{'PreTraining' if c.mlm_head else 'NextSentencePrediction'}"
    return f"{name}ForMaskedLM" if c.mlm_head else f"{name}Model"


def _seq2seq_out(model: Seq2Seq, c: Seq2SeqConfig, kind: str) -> dict:
    out = {
        "architectures": [
            "MarianMTModel" if kind == "marian" else "BartForConditionalGeneration"
        ],
        "vocab_size": c.vocab_size,
        "max_position_embeddings": c.context_length,
        "d_model": c.d_model,
        "encoder_layers": c.n_encoder_layers,
        "decoder_layers": c.n_decoder_layers,
        "activation_function": ACTIVATION_OUT[c.activation],
        "scale_embedding": c.scale_embedding,
        "dropout": c.dropout,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "is_encoder_decoder": True,
        "tie_word_embeddings": model.lm_head.weight is model.token_embedding.weight,
    }
    for side in ("encoder", "decoder"):
        out[f"{side}_attention_heads"] = c.n_heads
        out[f"{side}_ffn_dim"] = c.d_ff or 4 * c.d_model
    if kind == "marian":
        out |= {"decoder_vocab_size": c.vocab_size, "static_position_embeddings": True}
        # Marian's models pad and start with their last token
        last = c.vocab_size - 1
        out |= {"pad_token_id": last, "decoder_start_token_id": last}
    return out


def _only(kind: str, config, **needed) -> str:
    for name, value in needed.items():
        if getattr(config, name) != value:
            raise ValueError(
                f"to be written as {kind}, a model must be made with {name}={value!r}; "
                f"got {name}={getattr(config, name)!r}"
            )
    return kind
