"""The logit lens on a live model: type, and see where in the layers the answer appears.

Home notebook: 17_interpretability.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmkit.explore.given import own_model, weights_version
from llmkit.tokenizers import as_tokenizer
from llmkit.trace.lens import lens_cost, logit_lens, read_streams
from llmkit.viz.logit_lens import LogitLens

# multiplications that a laptop does in a quarter of a second
_AT_ONCE = 4_000_000_000


def lens(
    model, tokenizer, text: str, top: int = 5, watch: Sequence[str] = ()
) -> LogitLens:
    """Show what every layer would say at every position.

    A large model is read at one position at a time: the one that is pointed at.

    Args:
        model: a decoder of the kit, a `BERT` with its masked-word head, or a
            `transformers` model of those families.
        tokenizer: its tokenizer.
        text: the first sentence; the reader can change it.
        top: how many tokens to list for a cell.
        watch: up to two tokens whose rivalry is followed through the layers.

    Returns:
        The widget; `widget.table()` is what it shows at the last position.

    Raises:
        ValueError: the text gives no token, or a watched one is not a single token.
    """
    model, tokenizer = own_model(model), as_tokenizer(tokenizer)

    read = {}  # the last text and its streams: pointing elsewhere reads nothing again

    def look(text: str, watch: Sequence[str], columns=None) -> dict:
        ids = tokenizer(text).ids
        length = len(ids)
        known = (ids, weights_version(model))
        if ids and read.get("known") != known:
            read.update(known=known, streams=read_streams(model, ids))
        if columns is None and lens_cost(model, length) > _AT_ONCE:
            columns = [length - 1]
        found = logit_lens(
            model, tokenizer, text, top, watch, columns, read.get("streams")
        )
        ids = sorted(found.label)
        place = {token: index for index, token in enumerate(ids)}
        return {
            "tokens": found.tokens,
            "rows": found.rows,
            "words": [found.label[i] for i in ids],
            "top": found.top_ids.apply_(place.__getitem__).numpy(),
            "probs": found.top_probs.numpy(),
            "entropy": found.entropy.numpy(),
            "kl": found.kl.numpy(),
            "rank": found.rank.numpy(),
            "columns": found.columns,
            "watch": list(watch),
            "watched": found.watched.numpy(),
        }

    return LogitLens(**look(text, list(watch)), text=text, on_change=look)
