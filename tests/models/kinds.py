"""Every decoder of the kit, small and with weights that no part can hide behind."""

import torch

from llmkit.models import (
    GPT,
    GPTConfig,
    Llama,
    LlamaConfig,
    Modern,
    ModernConfig,
    ModernNGrams,
    ModernNGramsConfig,
)

KINDS = {
    "gpt": (GPT, GPTConfig, {}),
    "llama": (Llama, LlamaConfig, {"head_norm": True}),
    "modern": (Modern, ModernConfig, {}),
    "ngrams": (ModernNGrams, ModernNGramsConfig, {"buckets": 31}),
}


def a_decoder(kind: str, vocab_size: int, **sizes):
    """Make one; `Modern` begins with zeros, so all weights are drawn anew."""
    make, config, more = KINDS[kind]
    torch.manual_seed(0)
    model = make(config(vocab_size=vocab_size, **more, **sizes))
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return model.eval()
