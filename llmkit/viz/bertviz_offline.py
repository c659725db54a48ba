"""BertViz's head, model and neuron views in a notebook, with no network at all.

BertViz (Vig 2019, "A Multiscale Visualization of Attention in the Transformer Model")
fetches three scripts from the web and draws nothing without them. Here its own drawing
script is read from the installed package and runs on the d3 that `mpld3` carries and
the jQuery that `XStatic-jQuery` carries. The numbers are yours: arrays of weights, and
for the neuron view the queries and keys. Home notebook: 04_multi_head_attention.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from llmkit.checks import check_choice
from llmkit.viz.bertviz_view import BertVizView
from llmkit.viz.byte_labels import readable

# what each script is read from: package, file inside it
_SCRIPTS = {
    "head": ("bertviz", "head_view.js"),
    "model": ("bertviz", "model_view.js"),
    "neuron": ("bertviz", "neuron_view.js"),
    "d3": ("mpld3", "js/d3.v5.min.js"),
    "jquery": ("xstatic.pkg.jquery", "data/jquery.min.js"),
}
_INSTALL = {"xstatic.pkg.jquery": "XStatic-jQuery"}


def head_view(
    attention,
    tokens: Sequence[str],
    key_tokens: Sequence[str] | None = None,
    sentence_b_start: int | None = None,
    layer: int = 0,
    heads: Sequence[int] | None = None,
) -> BertVizView:
    """Show one layer: tokens left and right, a line for each weight, a hue per head.

    Args:
        attention: weights, (L, H, T, S), or L arrays (1, H, T, S) or (H, T, S).
        tokens: the T tokens that look.
        key_tokens: the S tokens that are looked at; None: `tokens`.
        sentence_b_start: where the second sentence begins; adds a choice of parts.
        layer: the layer shown first.
        heads: the heads shown first; None: all.

    Returns:
        The view: live in a notebook, a picture where nothing runs.

    Raises:
        ModuleNotFoundError: a package that holds one of the scripts is missing.
        ValueError: shapes, tokens, layer or heads do not agree.
    """
    parts, sizes = _parts(attention, tokens, key_tokens, sentence_b_start)
    _check_index("layer", layer, sizes[0])
    for head in heads or ():
        _check_index("heads", head, sizes[1])
    params = {
        "attention": list(parts.values()),
        "default_filter": "0",
        "layer": layer,
        "heads": list(heads) if heads is not None else None,
        "include_layers": list(range(sizes[0])),
    }
    return _view("head", params)


def model_view(
    attention,
    tokens: Sequence[str],
    key_tokens: Sequence[str] | None = None,
    sentence_b_start: int | None = None,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
) -> BertVizView:
    """Show every layer and head as a small picture; a click enlarges one.

    It makes a DOM element for every weight: beyond some 20 tokens it becomes slow.

    Args:
        attention: weights, (L, H, T, S), or L arrays (1, H, T, S) or (H, T, S).
        tokens: the T tokens that look.
        key_tokens: the S tokens that are looked at; None: `tokens`.
        sentence_b_start: where the second sentence begins; adds a choice of parts.
        layers: the layers to show; None: all.
        heads: the heads to show; None: all.

    Returns:
        The view.

    Raises:
        ModuleNotFoundError: a package that holds one of the scripts is missing.
        ValueError: shapes, tokens, layers or heads do not agree.
    """
    weights = _weights(attention)
    n_layers, n_heads = weights.shape[:2]
    layers = list(range(n_layers)) if layers is None else list(layers)
    heads = list(range(n_heads)) if heads is None else list(heads)
    for name, chosen, size in (("layers", layers, n_layers), ("heads", heads, n_heads)):
        for index in chosen:
            _check_index(name, index, size)
    weights = weights[layers][:, heads]
    parts, _ = _parts(weights, tokens, key_tokens, sentence_b_start)
    params = {
        "attention": list(parts.values()),
        "default_filter": "0",
        "display_mode": "light",
        "include_layers": layers,
        "include_heads": heads,
        "total_heads": n_heads,
    }
    return _view("model", params)


def neuron_view(
    attention,
    queries,
    keys,
    tokens: Sequence[str],
    sentence_b_start: int | None = None,
    layer: int = 0,
    head: int = 0,
    causal: bool = False,
) -> BertVizView:
    """Show how one weight comes about: query times key, number by number, summed.

    Args:
        attention: weights, (L, H, T, T).
        queries: (L, H, T, Dh), as they enter the dot product.
        keys: (L, H, T, Dh).
        tokens: the T tokens.
        sentence_b_start: where the second sentence begins; adds a choice of parts.
        layer: the layer shown first.
        head: the head shown first.
        causal: whether the model looks only backwards.

    Returns:
        The view. Click the + beside a token to see its numbers.

    Raises:
        ModuleNotFoundError: a package that holds one of the scripts is missing.
        ValueError: shapes, tokens, layer or head do not agree.
    """
    parts, sizes = _parts(attention, tokens, None, sentence_b_start)
    queries, keys = np.asarray(queries, float), np.asarray(keys, float)
    wanted = (*sizes[:3], queries.shape[-1] if queries.ndim else 0)
    for name, array in (("queries", queries), ("keys", keys)):
        if array.shape != wanted:
            raise ValueError(
                f"{name} must have the shape (L, H, T, Dh) = {wanted}, as the "
                f"attention has it; got {array.shape}"
            )
    _check_index("layer", layer, sizes[0])
    _check_index("head", head, sizes[1])
    for part in parts.values():
        left, right = part.pop("left"), part.pop("right")
        part["queries"] = _short(queries[:, :, left], 3)
        part["keys"] = _short(keys[:, :, right], 3)
    params = {
        "attention": parts,
        "default_filter": "all",
        "bidirectional": not causal,
        "display_mode": "light",
        "layer": layer,
        "head": head,
    }
    return _view("neuron", params)


def scripts(view: str) -> dict[str, str]:
    """Read the three scripts that a view needs from the installed packages.

    Args:
        view: "head", "model" or "neuron".

    Returns:
        The texts of `view`, `d3` and `jquery`.

    Raises:
        ModuleNotFoundError: a package is missing; the message says which, and how to
            get it.
    """
    check_choice("view", view, ("head", "model", "neuron"))
    return {"view": _read(view), "d3": _read("d3"), "jquery": _read("jquery")}


def _view(kind: str, params: Mapping) -> BertVizView:
    for part in _each(params["attention"]):
        for side in ("left", "right"):
            part.pop(side, None)
    return BertVizView(view=kind, params=dict(params), scripts=scripts(kind))


def _each(parts) -> list[dict]:
    return list(parts.values()) if isinstance(parts, Mapping) else list(parts)


def _read(script: str) -> str:
    package, name = _SCRIPTS[script]
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        spec = None
    file = Path(next(iter(spec.submodule_search_locations))) / name if spec else None
    if file is None or not file.is_file():
        wanted = _INSTALL.get(package, package)
        raise ModuleNotFoundError(
            f"BertViz's views need the package {wanted}, which holds {name}; it is "
            f"not installed here. Run: python -m pip install --no-deps {wanted}"
        )
    return file.read_text(encoding="utf-8")


def _weights(attention) -> np.ndarray:
    """Bring the weights to (L, H, T, S), whatever way the layers were given."""
    layers = [np.asarray(layer, dtype=float) for layer in attention]
    if not layers:
        raise ValueError(
            "attention must hold the weights of at least one layer; got none. With "
            "transformers 5, load the model with attn_implementation='eager' and take "
            "outputs.attentions"
        )
    layers = [w[0] if w.ndim == 4 and w.shape[0] == 1 else w for w in layers]
    if {w.ndim for w in layers} != {3} or len({w.shape for w in layers}) > 1:
        raise ValueError(
            "attention must hold one (H, T, S) array for each layer, all of one size; "
            f"got {[w.shape for w in layers]}"
        )
    return np.stack(layers)


def _parts(attention, tokens, key_tokens, b_start) -> tuple[dict[str, dict], tuple]:
    """Cut the weights into what BertViz offers to choose from, keyed as it does."""
    weights = _weights(attention)
    keys = tokens if key_tokens is None else key_tokens
    for name, given, need in (
        ("tokens", tokens, weights.shape[2]),
        ("key_tokens" if key_tokens is not None else "tokens", keys, weights.shape[3]),
    ):
        if len(given) != need:
            raise ValueError(
                f"{name} must be one label for each of the {need} positions of the "
                f"attention; got {len(given)}"
            )
    left, right = readable(tokens), readable(keys)
    whole = slice(None)
    cuts = {"all": ("All", whole, whole)}
    if b_start is not None:
        if key_tokens is not None or not 0 < b_start < len(left):
            raise ValueError(
                "sentence_b_start must lie inside one text of two sentences, from 1 "
                f"to {len(left) - 1}; got {b_start}"
            )
        a, b = slice(0, b_start), slice(b_start, None)
        cuts["aa"] = ("A looks at A", a, a)
        cuts["bb"] = ("B looks at B", b, b)
        cuts["ab"] = ("A looks at B", a, b)
        cuts["ba"] = ("B looks at A", b, a)
    parts = {
        key: {
            "name": name,
            "attn": _short(weights[:, :, i, j], 4),
            "left_text": left[i],
            "right_text": right[j],
            "left": i,
            "right": j,
        }
        for key, (name, i, j) in cuts.items()
    }
    return parts, weights.shape


def _short(array: np.ndarray, digits: int) -> list:
    """Round, so that the numbers are short as text."""
    return np.round(np.asarray(array, dtype=float), digits).tolist()


def _check_index(name: str, index: int, size: int) -> None:
    if not isinstance(index, (int, np.integer)) or not 0 <= index < size:
        raise ValueError(f"{name} must lie between 0 and {size - 1}; got {index!r}")
