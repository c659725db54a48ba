"""BertViz's three views of a live model, without a network.

Home notebook: 04_multi_head_attention.
"""

from __future__ import annotations

from llmkit.explore.given import own_model
from llmkit.tokenizers import as_tokenizer
from llmkit.trace import Trace, capture
from llmkit.viz import bertviz_offline
from llmkit.viz.bertviz_view import BertVizView


def head_view(model, tokenizer, text: str, pair: str | None = None, **options):
    """Show BertViz's head view of a model on a text.

    Args:
        model: a model of the kit or of `transformers`.
        tokenizer: its tokenizer.
        text: the text.
        pair: a second text.
        **options: `layer` and `heads`, as `viz.bertviz_offline.head_view` has them.

    Returns:
        The view.
    """
    trace = capture(model, tokenizer, text, pair)
    return bertviz_offline.head_view(
        trace.attentions,
        trace.tokens,
        sentence_b_start=_second_start(trace),
        **options,
    )


def model_view(model, tokenizer, text: str, pair: str | None = None, **options):
    """Show BertViz's model view of a model on a text.

    Args:
        model: a model of the kit or of `transformers`.
        tokenizer: its tokenizer.
        text: the text; beyond some 20 tokens the view becomes slow.
        pair: a second text.
        **options: `layers` and `heads`, as `viz.bertviz_offline.model_view` has them.

    Returns:
        The view.
    """
    trace = capture(model, tokenizer, text, pair)
    return bertviz_offline.model_view(
        trace.attentions,
        trace.tokens,
        sentence_b_start=_second_start(trace),
        **options,
    )


def neuron_view(
    model,
    tokenizer,
    text: str,
    pair: str | None = None,
    layer: int = 0,
    head: int = 0,
) -> BertVizView:
    """Show BertViz's neuron view: the numbers of queries and keys behind each weight.

    BertViz loads the models of this view from pickled files; here any model will do,
    since queries and keys are read from it while it runs.

    Args:
        model: a model of the kit, or of `transformers`, of a family that the kit has.
        tokenizer: its tokenizer.
        text: the text.
        pair: a second text.
        layer: the layer shown first.
        head: the head shown first.

    Returns:
        The view.
    """
    model, tokenizer = own_model(model), as_tokenizer(tokenizer)
    trace = capture(model, tokenizer, text, pair, parts=True)
    return bertviz_offline.neuron_view(
        trace.attentions,
        trace.parts.q,
        trace.parts.k,
        trace.tokens,
        sentence_b_start=_second_start(trace),
        layer=layer,
        head=head,
        causal=trace.causal,
    )


def _second_start(trace: Trace) -> int | None:
    """Find the first token of the second text."""
    return trace.segments.index(1) if 1 in trace.segments else None
