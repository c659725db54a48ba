"""Take what the reader has, a model of the kit or of `transformers`."""

from __future__ import annotations

from llmkit.models import BERT

# a head's name -> where a BERT keeps it
_HEADS = {"masked-word": "mlm_head", "next-sentence": "nsp_head"}


def own_model(model):
    """Return a model of the kit.

    Args:
        model: one of the kit, or a `transformers` model of a family that `hub` knows.

    Returns:
        The same model, or a copy of its weights in the kit's own.
    """
    if type(model).__module__.startswith("transformers."):
        from llmkit.hub import from_hf

        return from_hf(model)
    return model


def bert_with(head: str, model) -> BERT:
    """Return a BERT of the kit that has a head.

    Args:
        head: "masked-word" or "next-sentence".
        model: a `BERT`, or one of `transformers`.

    Returns:
        The same model, or a copy of its weights in the kit's own.

    Raises:
        ValueError: it is no BERT, or it has no such head.
    """
    model = own_model(model)
    if not isinstance(model, BERT) or getattr(model, _HEADS[head]) is None:
        what = type(model).__name__ + " without one" * isinstance(model, BERT)
        raise ValueError(
            f"model must be a BERT with a {head} head; got a {what}. "
            "load_encoder('stories_bert') has one; 'minilm' has lost its own"
        )
    return model


def weights_version(model) -> int:
    """Return a number that grows whenever a weight of the model is changed in place.

    What a view keeps of a model is stale once another cell has trained it.

    Args:
        model: any module.

    Returns:
        The sum of the counters that PyTorch keeps for its parameters.
    """
    return sum(p._version for p in model.parameters())
