"""Look inside a model while it runs: record what it computes, change how it attends."""

from llmkit.trace.capture import capture
from llmkit.trace.interventions import (
    AttentionChange,
    attention_layers,
    changed_attention,
)
from llmkit.trace.qkv import recorded_qkv
from llmkit.trace.record import Parts, Trace
from llmkit.trace.running import model_lock, running
from llmkit.trace.tokens import token_label

__all__ = [
    "AttentionChange",
    "Parts",
    "Trace",
    "attention_layers",
    "capture",
    "changed_attention",
    "model_lock",
    "recorded_qkv",
    "running",
    "token_label",
]
