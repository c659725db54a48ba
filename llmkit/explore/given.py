"""Take what the reader has, a model of the kit or of `transformers`."""

from __future__ import annotations


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


def weights_version(model) -> int:
    """Return a number that grows whenever a weight of the model is changed in place.

    What a view keeps of a model is stale once another cell has trained it.

    Args:
        model: any module.

    Returns:
        The sum of the counters that PyTorch keeps for its parameters.
    """
    return sum(p._version for p in model.parameters())
