"""Two live models on one text: type, and see where they part.

Home notebook: 17_interpretability.
"""

from __future__ import annotations

from llmkit.trace import capture
from llmkit.trace.compare import compare as compare_runs
from llmkit.viz.model_compare import ModelCompare


def compare(
    model_a, tokenizer_a, model_b, tokenizer_b, text: str, names=("first", "second")
) -> ModelCompare:
    """Show two models side by side on the same text, and where they differ.

    They may be of any kind and size and cut the text in different ways: two families,
    one model before and after training, or the kit's model and that of `transformers`
    it was loaded from.

    Args:
        model_a: a model of the kit or of `transformers`, not an encoder-decoder.
        tokenizer_a: its tokenizer.
        model_b: another one.
        tokenizer_b: its tokenizer.
        text: the first sentence; the reader can change it.
        names: what the two are called.

    Returns:
        The widget; `widget.table()` has each head, its partner and the bits between.

    Raises:
        ValueError: the text gives no token, or the two share no piece of it.
    """
    if len(names) != 2:
        raise ValueError(f"names must be two texts; got {len(names)}")

    def look(text: str) -> dict:
        found = compare_runs(
            capture(model_a, tokenizer_a, text), capture(model_b, tokenizer_b, text)
        )
        fields = ("attention_a", "attention_b", "nearest", "to_nearest")
        optional = ("same_place", "bits_a", "bits_b")
        arrays = {name: getattr(found, name) for name in (*fields, *optional)}
        return {
            "names": list(names),
            "units": found.units,
            **{n: x if x is None else x.numpy() for n, x in arrays.items()},
        }

    return ModelCompare(**look(text), text=text, on_change=look)
