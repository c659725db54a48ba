"""What each family of models calls its parts: one table per family, read both ways.

A table maps a module of llmkit to the same module in `transformers`; `{i}` is the
number of the layer. Weights and biases keep their last name (`.weight`, `.bias`).
Home notebook: 04_multi_head_attention.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

State = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Family:
    """The names of one family of models.

    Attributes:
        prefix: what a model with a head puts before the names of its body; a bare
            body is saved without it.
        body: ours -> theirs, after the prefix.
        heads: ours -> theirs, never with the prefix.
        copies: a second name of theirs for the same numbers -> the first name.
        ignored: endings of names that hold nothing learned.
        unpack: brings their tensors into the shape of the table.
        pack: the way back.
    """

    prefix: str
    body: dict[str, str]
    heads: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    unpack: Callable[[State], State] = dict
    pack: Callable[[State], State] = dict


def _unpack_gpt2(state: State) -> State:
    """Turn GPT-2's weights round, (in, out) -> (out, in), and part q, k and v."""
    out = {}
    for name, x in state.items():
        module, _, leaf = name.rpartition(".")
        if leaf == "weight" and x.dim() == 2 and module.endswith(_GPT2_TURNED):
            x = x.t()
        if module.endswith(".c_attn"):
            for letter, part in zip("qkv", x.chunk(3), strict=True):
                out[f"{module[: -len('c_attn')]}{letter}.{leaf}"] = part.contiguous()
        else:
            out[name] = x.contiguous()
    return out


def _pack_gpt2(state: State) -> State:
    """Join q, k and v, and turn the weights back, (out, in) -> (in, out)."""
    out = {}
    for name, x in state.items():
        module, _, leaf = name.rpartition(".")
        if module.endswith((".attn.k", ".attn.v")):
            continue
        if module.endswith(".attn.q"):
            module = module[: -len("q")]
            x = torch.cat([state[f"{module}{letter}.{leaf}"] for letter in "qkv"])
            module, name = f"{module}c_attn", f"{module}c_attn.{leaf}"
        if leaf == "weight" and x.dim() == 2 and module.endswith(_GPT2_TURNED):
            x = x.t().contiguous()
        out[name] = x
    return out


_GPT2_TURNED = (".c_attn", ".attn.c_proj", ".c_fc", ".mlp.c_proj")

GPT2 = Family(
    prefix="transformer.",
    body={
        "token_embedding": "wte",
        "position_embedding": "wpe",
        "blocks.{i}.norm1": "h.{i}.ln_1",
        "blocks.{i}.attention.q_proj": "h.{i}.attn.q",
        "blocks.{i}.attention.k_proj": "h.{i}.attn.k",
        "blocks.{i}.attention.v_proj": "h.{i}.attn.v",
        "blocks.{i}.attention.o_proj": "h.{i}.attn.c_proj",
        "blocks.{i}.norm2": "h.{i}.ln_2",
        "blocks.{i}.mlp.up_proj": "h.{i}.mlp.c_fc",
        "blocks.{i}.mlp.down_proj": "h.{i}.mlp.c_proj",
        "final_norm": "ln_f",
    },
    heads={"lm_head": "lm_head"},
    # the causal mask, which older files carry along
    ignored=(".attn.bias", ".attn.masked_bias"),
    unpack=_unpack_gpt2,
    pack=_pack_gpt2,
)

LLAMA = Family(
    prefix="model.",
    body={
        "token_embedding": "embed_tokens",
        "blocks.{i}.norm1": "layers.{i}.input_layernorm",
        "blocks.{i}.attention.q_proj": "layers.{i}.self_attn.q_proj",
        "blocks.{i}.attention.k_proj": "layers.{i}.self_attn.k_proj",
        "blocks.{i}.attention.v_proj": "layers.{i}.self_attn.v_proj",
        "blocks.{i}.attention.o_proj": "layers.{i}.self_attn.o_proj",
        "blocks.{i}.attention.q_norm": "layers.{i}.self_attn.q_norm",
        "blocks.{i}.attention.k_norm": "layers.{i}.self_attn.k_norm",
        "blocks.{i}.norm2": "layers.{i}.post_attention_layernorm",
        "blocks.{i}.mlp.gate_proj": "layers.{i}.mlp.gate_proj",
        "blocks.{i}.mlp.up_proj": "layers.{i}.mlp.up_proj",
        "blocks.{i}.mlp.down_proj": "layers.{i}.mlp.down_proj",
        "final_norm": "norm",
    },
    heads={"lm_head": "lm_head"},
    ignored=("rotary_emb.inv_freq",),
)

_BERT_BODY = {
    "token_embedding": "embeddings.word_embeddings",
    "position_embedding": "embeddings.position_embeddings",
    "segment_embedding": "embeddings.token_type_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
    "blocks.{i}.attention.q_proj": "encoder.layer.{i}.attention.self.query",
    "blocks.{i}.attention.k_proj": "encoder.layer.{i}.attention.self.key",
    "blocks.{i}.attention.v_proj": "encoder.layer.{i}.attention.self.value",
    "blocks.{i}.attention.o_proj": "encoder.layer.{i}.attention.output.dense",
    "blocks.{i}.norm1": "encoder.layer.{i}.attention.output.LayerNorm",
    "blocks.{i}.mlp.up_proj": "encoder.layer.{i}.intermediate.dense",
    "blocks.{i}.mlp.down_proj": "encoder.layer.{i}.output.dense",
    "blocks.{i}.norm2": "encoder.layer.{i}.output.LayerNorm",
    "pooler": "pooler.dense",
}


def _modern_norm_names(state: State) -> State:
    """Rename the norms of the first BERT files: gamma is weight, beta is bias."""
    new = {".gamma": ".weight", ".beta": ".bias"}
    out = {}
    for name, x in state.items():
        for old, modern in new.items():
            if name.endswith(f"LayerNorm{old}"):
                name = name[: -len(old)] + modern
        out[name] = x
    return out


BERT = Family(
    prefix="bert.",
    body=_BERT_BODY,
    heads={
        "mlm_head.transform": "cls.predictions.transform.dense",
        "mlm_head.norm": "cls.predictions.transform.LayerNorm",
        "mlm_head.decoder": "cls.predictions.decoder",
        "nsp_head": "cls.seq_relationship",
    },
    copies={"cls.predictions.bias": "cls.predictions.decoder.bias"},
    ignored=("embeddings.position_ids", "embeddings.token_type_ids"),
    unpack=_modern_norm_names,
)

ROBERTA = Family(
    prefix="roberta.",
    body=_BERT_BODY,
    heads={
        "mlm_head.transform": "lm_head.dense",
        "mlm_head.norm": "lm_head.layer_norm",
        "mlm_head.decoder": "lm_head.decoder",
    },
    copies={"lm_head.bias": "lm_head.decoder.bias"},
    ignored=("embeddings.position_ids", "embeddings.token_type_ids"),
    unpack=_modern_norm_names,
)

DISTILBERT = Family(
    prefix="distilbert.",
    body={
        "token_embedding": "embeddings.word_embeddings",
        "position_embedding": "embeddings.position_embeddings",
        "embedding_norm": "embeddings.LayerNorm",
        "blocks.{i}.attention.q_proj": "transformer.layer.{i}.attention.q_lin",
        "blocks.{i}.attention.k_proj": "transformer.layer.{i}.attention.k_lin",
        "blocks.{i}.attention.v_proj": "transformer.layer.{i}.attention.v_lin",
        "blocks.{i}.attention.o_proj": "transformer.layer.{i}.attention.out_lin",
        "blocks.{i}.norm1": "transformer.layer.{i}.sa_layer_norm",
        "blocks.{i}.mlp.up_proj": "transformer.layer.{i}.ffn.lin1",
        "blocks.{i}.mlp.down_proj": "transformer.layer.{i}.ffn.lin2",
        "blocks.{i}.norm2": "transformer.layer.{i}.output_layer_norm",
    },
    heads={
        "mlm_head.transform": "vocab_transform",
        "mlm_head.norm": "vocab_layer_norm",
        "mlm_head.decoder": "vocab_projector",
    },
    ignored=("embeddings.position_ids",),
)


def _seq2seq_body() -> dict[str, str]:
    body = {"token_embedding": "shared"}
    for side in ("encoder", "decoder"):
        layer = f"{side}.layers.{{i}}"
        looks = {"attention": "self_attn", "norm1": "self_attn_layer_norm"}
        if side == "decoder":
            looks["cross_attention"] = "encoder_attn"
            looks["cross_norm"] = "encoder_attn_layer_norm"
        looks |= {
            "mlp.up_proj": "fc1",
            "mlp.down_proj": "fc2",
            "norm2": "final_layer_norm",
        }
        for ours, theirs in looks.items():
            if not ours.endswith("attention"):
                body[f"{side}.blocks.{{i}}.{ours}"] = f"{layer}.{theirs}"
                continue
            for letter, name in zip("qkvo", ("q", "k", "v", "out"), strict=True):
                body[f"{side}.blocks.{{i}}.{ours}.{letter}_proj"] = (
                    f"{layer}.{theirs}.{name}_proj"
                )
        body[f"{side}.position_embedding"] = f"{side}.embed_positions"
        # a table that is computed, not learned: a whole name, with its ending
        body[f"{side}.position_table"] = f"{side}.embed_positions.weight"
        body[f"{side}.embedding_norm"] = f"{side}.layernorm_embedding"
    return body


def _unpack_bias_row(state: State) -> State:
    """Take the constant added to the scores out of its batch axis, (1, V) -> (V,)."""
    name = "final_logits_bias"
    return {k: x.reshape(-1) if k == name else x for k, x in state.items()}


def _pack_bias_row(state: State) -> State:
    name = "final_logits_bias"
    return {k: x.reshape(1, -1) if k == name else x for k, x in state.items()}


SEQ2SEQ = Family(
    prefix="model.",
    body=_seq2seq_body(),
    heads={"lm_head": "lm_head", "logits_bias": "final_logits_bias"},
    copies={
        "model.encoder.embed_tokens.weight": "model.shared.weight",
        "model.decoder.embed_tokens.weight": "model.shared.weight",
    },
    unpack=_unpack_bias_row,
    pack=_pack_bias_row,
)

# `model_type` in config.json -> the table
FAMILIES = {
    "gpt2": GPT2,
    "bert": BERT,
    "roberta": ROBERTA,
    "distilbert": DISTILBERT,
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "bart": SEQ2SEQ,
    "marian": SEQ2SEQ,
}
