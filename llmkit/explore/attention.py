"""What do the heads look at: type a sentence, and every head follows.

Home notebook: 04_multi_head_attention.
"""

from __future__ import annotations

from typing import ClassVar

from llmkit.checks import check_type
from llmkit.metrics.heads import head_scores
from llmkit.trace import Trace, capture
from llmkit.viz.attention import AttentionExplorer
from llmkit.viz.attention_maps import AttentionMaps, Side


def attention(
    model,
    tokenizer,
    text: str,
    pair: str | None = None,
    target: str | None = None,
    live: bool = True,
    **traits,
) -> AttentionExplorer:
    """Show every attention head of a model on a text, live.

    Args:
        model: a model of the kit or of `transformers`.
        tokenizer: its tokenizer.
        text: what it reads.
        pair: a second text, for models that read pairs.
        target: what an encoder-decoder writes.
        live: whether the text can be changed in the widget.
        **traits: starting values, such as `mode="heat"` or
            `selection={"layer": 2, "head": 3}`.

    Returns:
        The widget. Read it back with `.selection`, `.selected_heads()` and
        `.selected_attention()`; set these traits and the picture moves.
    """
    check_type("text", text, str)
    for name in traits:
        if not LiveAttention.class_traits().get(name):
            raise TypeError(f"attention has no setting {name!r}; see AttentionExplorer")
    view = LiveAttention(maps_of(capture(model, tokenizer, text, pair, target, True)))
    view.watch(model, tokenizer, text, pair, target, live)
    for name, value in traits.items():
        setattr(view, name, value)
    return view


class LiveAttention(AttentionExplorer):
    """An `AttentionExplorer` that runs its model again when the text changes."""

    sweep: ClassVar = {
        **AttentionExplorer.sweep,
        "text": ["", "A naïve 🙂 </b>", "Yes."],
    }

    def watch(self, model, tokenizer, text, pair, target, live: bool) -> None:
        """Take the model, and show the texts for editing."""
        self._asks = lambda first, second: capture(
            model,
            tokenizer,
            first,
            pair if pair is None else second,
            target if target is None else second,
            True,
        )
        second = target if pair is None else pair
        with self.hold_sync():
            self.text, self.second = text, second or ""
            names = ["text"] + ["second"] * (second is not None)
            self.editable = names if live else []
        self.observe(self._read, names=["text", "second"])

    def _read(self, _change) -> None:
        """Run the model on the present texts and show what it did."""
        with self.lock, self.hold_sync():
            try:
                maps = maps_of(self._asks(self.text, self.second))
            # RuntimeError: among others, no memory left on the device
            except (ValueError, RuntimeError) as error:
                self.note = f"Not shown: {error}"
                return
            self.note = ""
            self.queries = []
            self.set_maps(maps)


def maps_of(trace: Trace) -> dict[str, AttentionMaps]:
    """Turn a trace into what the explorer shows.

    Args:
        trace: of any model; captured with `parts=True`, the products of queries and
            keys can be shown too.

    Returns:
        "encoder" or "decoder"; for an encoder-decoder both, and "cross".
    """
    own = _side(trace)
    if trace.encoder is None:
        return {trace.kind: _maps(trace.attentions, trace.parts, own, trace)}
    other = _side(trace.encoder)
    return {
        "encoder": _maps(
            trace.encoder.attentions, trace.encoder.parts, other, trace.encoder
        ),
        "decoder": _maps(trace.attentions, trace.parts, own, trace),
        "cross": AttentionMaps(
            weights=trace.cross_attentions,
            rows=own,
            columns=other,
            scores=head_scores(trace.cross_attentions),
            queries=trace.cross_parts and trace.cross_parts.q,
            keys=trace.cross_parts and trace.cross_parts.k,
        ),
    }


def _maps(weights, parts, side: Side, trace: Trace) -> AttentionMaps:
    # a special token is no word; those after the first separate texts
    words = [None if s else i for i, s in zip(trace.ids, trace.special, strict=True)]
    separators = [bool(s) and at > 0 for at, s in enumerate(trace.special)]
    return AttentionMaps(
        weights=weights,
        rows=side,
        scores=head_scores(weights, words, separators),
        queries=parts and parts.q,
        keys=parts and parts.k,
    )


def _side(trace: Trace) -> Side:
    return Side(
        labels=trace.tokens,
        special=trace.special,
        words=trace.words,
        segments=trace.segments,
    )
