"""The parts of a Transformer, each written out: positions, norms, attention, blocks."""

from llmkit.nn.attention import (
    MultiHeadAttention,
    attention,
    merge_heads,
    repeat_kv,
    split_heads,
)
from llmkit.nn.blocks import Block
from llmkit.nn.cache import KVCache, LayerCache
from llmkit.nn.feed_forward import (
    ACTIVATIONS,
    MLP,
    SwiGLU,
    gelu,
    gelu_tanh,
    relu,
    relu_squared,
    silu,
)
from llmkit.nn.locks import TurnLock, model_lock
from llmkit.nn.masks import (
    causal_mask,
    document_mask,
    padding_mask,
    sliding_window_mask,
)
from llmkit.nn.modes import evaluating
from llmkit.nn.ngrams import NGramEmbedding
from llmkit.nn.norms import LayerNorm, RMSNorm
from llmkit.nn.positions import (
    LearnedPositions,
    alibi_bias,
    apply_rotary,
    rotary_angles,
    sinusoidal_positions,
)

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Block",
    "KVCache",
    "LayerCache",
    "LayerNorm",
    "LearnedPositions",
    "MultiHeadAttention",
    "NGramEmbedding",
    "RMSNorm",
    "SwiGLU",
    "TurnLock",
    "alibi_bias",
    "apply_rotary",
    "attention",
    "causal_mask",
    "document_mask",
    "evaluating",
    "gelu",
    "gelu_tanh",
    "merge_heads",
    "model_lock",
    "padding_mask",
    "relu",
    "relu_squared",
    "repeat_kv",
    "rotary_angles",
    "silu",
    "sinusoidal_positions",
    "sliding_window_mask",
    "split_heads",
]
