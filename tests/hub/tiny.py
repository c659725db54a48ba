"""Tiny random models of every family, and how far the kit's answers lie from theirs."""

from __future__ import annotations

import math

import torch
from torch import nn

from llmkit.hub import from_hf, to_hf_state_dict

V, D, H, HKV, L, F, CONTEXT = 61, 24, 4, 2, 3, 40, 37
B, T, S = 2, 7, 5  # S: the encoder-decoder's source

_LLAMA = {
    "vocab_size": V,
    "hidden_size": D,
    "num_attention_heads": H,
    "num_key_value_heads": HKV,
    "num_hidden_layers": L,
    "intermediate_size": F,
    "max_position_embeddings": CONTEXT,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_BERT = {
    "vocab_size": V,
    "hidden_size": D,
    "num_attention_heads": H,
    "num_hidden_layers": L,
    "intermediate_size": F,
    "max_position_embeddings": CONTEXT,
}
_SEQ2SEQ = {
    "vocab_size": V,
    "d_model": D,
    "encoder_layers": L,
    "decoder_layers": L - 1,
    "encoder_attention_heads": H,
    "decoder_attention_heads": H,
    "encoder_ffn_dim": F,
    "decoder_ffn_dim": F,
    "max_position_embeddings": CONTEXT,
    "pad_token_id": 1,
}

# name -> (config class, model class, settings)
KINDS = {
    "GPT-2": (
        "GPT2Config",
        "GPT2LMHeadModel",
        {
            "vocab_size": V,
            "n_embd": D,
            "n_head": H,
            "n_layer": L,
            "n_inner": F,
            "n_positions": CONTEXT,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
    ),
    "Llama": ("LlamaConfig", "LlamaForCausalLM", {**_LLAMA, "rms_norm_eps": 1e-5}),
    "Llama, tied": (
        "LlamaConfig",
        "LlamaForCausalLM",
        {**_LLAMA, "tie_word_embeddings": True},
    ),
    "Llama, biased": (
        "LlamaConfig",
        "LlamaForCausalLM",
        {**_LLAMA, "attention_bias": True},
    ),
    "Mistral": ("MistralConfig", "MistralForCausalLM", {**_LLAMA, "sliding_window": 3}),
    "Qwen 2": ("Qwen2Config", "Qwen2ForCausalLM", {**_LLAMA}),
    "Qwen 3": ("Qwen3Config", "Qwen3ForCausalLM", {**_LLAMA, "head_dim": 10}),
    "Qwen 3, biased": (
        "Qwen3Config",
        "Qwen3ForCausalLM",
        {**_LLAMA, "attention_bias": True},
    ),
    "BERT": ("BertConfig", "BertModel", _BERT),
    "BERT, MLM": ("BertConfig", "BertForMaskedLM", _BERT),
    "BERT, MLM + NSP": ("BertConfig", "BertForPreTraining", _BERT),
    "RoBERTa": (
        "RobertaConfig",
        "RobertaForMaskedLM",
        {**_BERT, "type_vocab_size": 1, "pad_token_id": 1},
    ),
    "DistilBERT": (
        "DistilBertConfig",
        "DistilBertForMaskedLM",
        {
            "vocab_size": V,
            "dim": D,
            "n_heads": H,
            "n_layers": L,
            "hidden_dim": F,
            "max_position_embeddings": CONTEXT,
        },
    ),
    "BART": ("BartConfig", "BartForConditionalGeneration", _SEQ2SEQ),
    "Marian": (
        "MarianConfig",
        "MarianMTModel",
        {**_SEQ2SEQ, "scale_embedding": True, "activation_function": "swish"},
    ),
}
DECODERS = (
    "GPT-2",
    "Llama",
    "Llama, tied",
    "Llama, biased",
    "Mistral",
    "Qwen 2",
    "Qwen 3",
    "Qwen 3, biased",
)
TWO_SIDED = ("BART", "Marian")


def tiny(kind: str, dtype=torch.float32, seed: int = 0, **settings) -> nn.Module:
    """Build a model of transformers in which no weight is a round number."""
    import transformers

    config_class, model_class, known = KINDS[kind]
    config = getattr(transformers, config_class)(**{**known, **settings})
    model = getattr(transformers, model_class)(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = "norm" in name.lower() or ".ln_" in name
            if is_norm and name.endswith("weight"):
                parameter.copy_(1 + 0.3 * noise)
            elif "embed_positions" not in name or "marian" not in config.model_type:
                parameter.copy_(0.25 * noise)
        for name, buffer in model.named_buffers():
            if name == "final_logits_bias":
                buffer.copy_(torch.randn(buffer.shape, generator=generator))
    return model.to(dtype).eval()


class ExactRotary(nn.Module):
    """Rotary angles from the paper's formula, rounded once and at the end."""

    def __init__(self, base: float, width: int):
        super().__init__()
        self.base, self.width = base, width

    def forward(self, x, position_ids):
        cos, sin = [], []
        for row in position_ids.tolist():
            turn = [
                [t / self.base ** (2 * i / self.width) for i in range(self.width // 2)]
                for t in row
            ]
            cos.append([[math.cos(a) for a in angles * 2] for angles in turn])
            sin.append([[math.sin(a) for a in angles * 2] for angles in turn])
        # the kit rounds cosines to float32, so does this
        return (
            torch.tensor(cos, dtype=torch.float32).to(x.dtype),
            torch.tensor(sin, dtype=torch.float32).to(x.dtype),
        )


def without_float32_islands(hf: nn.Module) -> nn.Module:
    """Lift what transformers computes in float32 whatever the model's number type.

    In Llama's relatives these are RMSNorm (PyTorch's own takes its place) and the
    rotary angles; the softmax is avoided by the fused attention.
    """
    for name, module in list(hf.named_modules()):
        parent = hf.get_submodule(name.rpartition(".")[0]) if name else None
        leaf = name.rpartition(".")[2]
        if type(module).__name__.endswith("RMSNorm"):
            exact = nn.RMSNorm(module.weight.shape[0], eps=module.variance_epsilon)
            exact.weight = module.weight
            setattr(parent, leaf, exact)
        elif type(module).__name__.endswith("RotaryEmbedding"):
            base = hf.config.rope_parameters["rope_theta"]
            width = getattr(hf.config, "head_dim", None) or D // H
            setattr(parent, leaf, ExactRotary(base, width))
    return hf


def inputs_for(kind: str, padded: bool):
    """Return our inputs, theirs, and which positions of the answer are real."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, V, (B, T), generator=generator)
    real = torch.ones(B, T, dtype=torch.bool)
    mine, theirs = {"ids": ids}, {"input_ids": ids}
    if kind in TWO_SIDED:
        source = torch.randint(3, V, (B, S), generator=generator)
        mine = {"ids": source, "decoder_ids": ids}
        theirs = {"input_ids": source, "decoder_input_ids": ids}
    elif kind.startswith("BERT"):
        segments = (torch.arange(T) >= 3).long().expand(B, T)
        mine["segment_ids"] = theirs["token_type_ids"] = segments
    if not padded:
        return mine, theirs, real
    if kind in TWO_SIDED:
        mask = torch.ones(B, S, dtype=torch.bool)
        mask[1, 3:] = False
    else:
        mask = torch.ones(B, T, dtype=torch.bool)
        # decoders are padded on the left, encoders on the right
        mask[1, :2] = kind not in DECODERS
        mask[1, 5:] = kind in DECODERS
        real = mask
    mine["attention_mask"], theirs["attention_mask"] = mask, mask.long()
    if kind in DECODERS:
        theirs["position_ids"] = (mask.long().cumsum(1) - 1).clamp(min=0)
    return mine, theirs, real


def errors(kind: str, dtype=torch.float32, padded: bool = False) -> dict[str, float]:
    """Measure the greatest difference of each output that both sides have."""
    hf = tiny(kind, dtype)
    if dtype == torch.float64:
        without_float32_islands(hf)
    ours = from_hf(hf)
    mine, theirs, real = inputs_for(kind, padded)
    with torch.no_grad():
        a = ours(**mine, output_hidden_states=True)
        b = hf(**theirs, output_hidden_states=True)
        found = {}

        def add(name, x, y, rows=None):
            if x is None or y is None:
                return
            gap = (x - y).abs()
            gap = gap if rows is None else gap[rows]
            found[name] = max(found.get(name, 0.0), float(gap.max()))

        scores = b.prediction_logits if hasattr(b, "prediction_logits") else None
        add("logits", a.logits, getattr(b, "logits", scores), real)
        add("pooled", a.pooled, getattr(b, "pooler_output", None))
        add("nsp", a.nsp_logits, getattr(b, "seq_relationship_logits", None))
        add("last", a.last_hidden_state, getattr(b, "last_hidden_state", None), real)
        two_sided = kind in TWO_SIDED
        states = b.decoder_hidden_states if two_sided else b.hidden_states
        assert len(states) == len(a.hidden_states)
        # the last entry of theirs comes after the final norm where there is one
        for x, y in zip(a.hidden_states[:-1], states[:-1], strict=True):
            add("hidden", x, y, real)
        add("hidden", a.last_hidden_state, states[-1], real)
        if two_sided:
            seen = mine.get("attention_mask", torch.ones(B, S, dtype=torch.bool))
            for x, y in zip(
                a.encoder_hidden_states, b.encoder_hidden_states, strict=True
            ):
                add("encoder", x, y, seen)
        hf.set_attn_implementation("eager")
        a = ours(**mine, output_attentions=True)
        b = hf(**theirs, output_attentions=True)
        for name in ("attentions", "cross_attentions", "encoder_attentions"):
            other = f"decoder_{name}" if two_sided and name == "attentions" else name
            for x, y in zip(
                getattr(a, name) or (), getattr(b, other, None) or (), strict=True
            ):
                rows = real if name != "encoder_attentions" else seen
                add(name, x.transpose(1, 2), y.transpose(1, 2), rows)
    return found


def same_state_dict(kind: str) -> bool:
    """Tell whether their state dict comes back with the same names and numbers."""
    before = tiny(kind).state_dict()
    after = to_hf_state_dict(from_hf(tiny(kind)))
    return set(before) == set(after) and all(
        torch.equal(x, after[name]) and x.dtype == after[name].dtype
        for name, x in before.items()
    )
