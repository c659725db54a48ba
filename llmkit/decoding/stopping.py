"""Ending a text at a string, wherever the borders between its tokens fall.

Home notebook: 09_decoding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# a token that prints nothing must not push the beginning of a stop string out of sight
_SPARE = 8


class StopStrings:
    r"""Tells whether the last token of a text has completed one of some strings.

    The string "end." may come as "end" and ".", or inside one token, "nd.\n": its
    last character must lie in the last token, and the token is kept whole.

    Args:
        strings: texts, none of them empty.
        tokenizer: has `decode`, from ids to text.
    """

    def __init__(self, strings: Sequence[str], tokenizer):
        if isinstance(strings, str) or not all(
            isinstance(s, str) and s for s in strings
        ):
            raise ValueError(
                "stop_strings must be a list of texts that are not empty; got "
                f"{strings!r}"
            )
        if not hasattr(tokenizer, "decode"):
            raise TypeError(
                "stop_strings needs a tokenizer with decode, to turn tokens into text; "
                f"got {type(tokenizer).__name__}. Pass tokenizer=…"
            )
        self.strings, self.tokenizer = list(strings), tokenizer
        # a token may be as short as one byte, but a character may have four
        self.reach = max(len(s.encode()) for s in strings) + _SPARE

    def completed(self, ids: Tensor) -> Tensor:
        """Tell which texts have just reached a stop string.

        Args:
            ids: int64, (B, T).

        Returns:
            bool, (B,).
        """
        rows = [self._completed(row) for row in ids[:, -self.reach :].tolist()]
        return torch.tensor(rows, dtype=torch.bool, device=ids.device)

    def _completed(self, ids: list[int]) -> bool:
        before, now = self.tokenizer.decode(ids[:-1]), self.tokenizer.decode(ids)
        for string in self.strings:
            at = now.rfind(string)
            end = at + len(string)
            # what was there already, last token or not, is no news
            if at >= 0 and before[:end] != now[:end]:
                return True
        return False
