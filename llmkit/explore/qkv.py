"""Step through one layer and one head of a live model on your own sentence.

Home notebook: 03_attention.
"""

from __future__ import annotations

from dataclasses import asdict

from llmkit.explore.given import own_model
from llmkit.tokenizers import as_tokenizer
from llmkit.trace.walk import walk
from llmkit.viz.qkv_stepper import QKVStepper


def steps(
    model, tokenizer, text: str, layer: int = 0, head: int = 0, live: bool = True
) -> QKVStepper:
    """Show a forward pass step by step, each number with the sum behind it.

    Args:
        model: a decoder of the kit or a `BERT`, or a `transformers` model of such a
            family.
        tokenizer: its tokenizer.
        text: the first sentence; with `live`, the reader can change it.
        layer: the layer to open, from 0.
        head: the head to open, from 0.
        live: whether sentence, layer and head can be changed.

    Returns:
        The widget. `widget.tensor("weights")` is any tensor of the walk.

    Raises:
        ValueError: the text gives no token, or layer or head does not exist.
    """
    model, tokenizer = own_model(model), as_tokenizer(tokenizer)

    def look(text: str, layer: int, head: int) -> dict:
        found = walk(model, tokenizer, text, layer, head)
        return {
            "tokens": found.tokens,
            "steps": [asdict(step) for step in found.steps],
            "tensors": {name: t.numpy() for name, t in found.tensors.items()},
            "labels": found.labels,
        }

    return QKVStepper(
        **look(text, layer, head),
        layer=layer,
        head=head,
        n_layers=len(model.blocks),
        n_heads=model.blocks[0].attention.n_heads,
        text=text,
        on_change=look if live else None,
    )
