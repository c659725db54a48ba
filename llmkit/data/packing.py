"""Pack documents of many lengths into windows of one length.

A batch is a rectangle, documents are not: with one to a row, all but the longest row is
filled up with padding, for which the processor works in vain. Two ways out: let a
document go on in the next window (`cut`), or put several whole ones into one window.
GPT-3 does the first (Brown et al. 2020, appendix B); the second is T5's packing (Raffel
et al. 2020, section 3.5.2). Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from llmkit.checks import check_count

IGNORED = -100  # a target that does not count


@dataclass
class Window:
    """Inputs and what is to be said after each.

    Attributes:
        inputs: token ids.
        targets: the token after each input, or -100 at padding.
        segments: which document of the window each input belongs to, counted from 1;
            0 is padding.
    """

    inputs: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.inputs)

    def as_lists(self) -> tuple[list[int], list[int], list[int]]:
        """Return inputs, targets and segments."""
        return self.inputs, self.targets, self.segments

    def add(self, ids: Sequence[int]) -> None:
        """Append a document, or a part of one, as inputs and shifted targets."""
        self.segments += [max(self.segments, default=0) + 1] * (len(ids) - 1)
        self.inputs += ids[:-1]
        self.targets += ids[1:]

    def fill(self, length: int, pad_id: int) -> Window:
        """Fill up with padding to a length."""
        missing = length - len(self)
        self.inputs += [pad_id] * missing
        self.targets += [IGNORED] * missing
        self.segments += [0] * missing
        return self


class Packing:
    """Goes through documents and yields windows; each token is a target once.

    A separator stands before each document and is what follows its last token, so the
    model learns to begin and to end. A few windows are in memory, never more.

    Args:
        documents: token ids of each, without separators; a `Stream` can be stopped
            and gone on with.
        length: T, of every window.
        separator: the token between two documents.
        whole: whether a document is never cut. False: it goes on in the next window,
            and only the last window has padding.
        pad_id: fills what is left over; None: the separator, which counts for nothing
            there.
        open_windows: with `whole`, among how many windows a place is sought.

    Raises:
        ValueError: with `whole`, a document is longer than a window.
    """

    def __init__(
        self,
        documents: Iterable[Sequence[int]],
        length: int,
        separator: int,
        whole: bool = False,
        pad_id: int | None = None,
        open_windows: int = 16,
    ):
        check_count("length", length)
        check_count("open_windows", open_windows)
        self.documents, self._coming = documents, iter(documents)
        self.length, self.separator, self.whole = length, separator, whole
        self.pad_id = separator if pad_id is None else pad_id
        self.open_windows = open_windows
        self._open: list[Window] = []
        self._rest: list[int] = []  # of a document that goes on in the next window

    @property
    def position(self) -> dict:
        """Where it stands, as JSON can hold it: in the documents, and what is open."""
        if not hasattr(self.documents, "position"):
            raise TypeError(
                "documents must be a Stream for a position that can be saved; got "
                f"{type(self.documents).__name__}"
            )
        return {
            "documents": self.documents.position,
            "open": [[list(x) for x in w.as_lists()] for w in self._open],
            "rest": list(self._rest),
        }

    def go_to(self, position: dict) -> None:
        """Stand where another packing of the same stream stood.

        Args:
            position: of the other one.
        """
        self.documents.go_to(position["documents"])
        self._open = [Window(*map(list, lists)) for lists in position["open"]]
        self._rest = list(position["rest"])

    def __iter__(self) -> Iterator[Window]:
        return self

    def __next__(self) -> Window:
        while True:
            row = self._rest or self._next_row()
            if row is not None:
                full = self._place_whole(row) if self.whole else self._place_cut(row)
            elif self._open:
                full = self._open.pop(0)
            else:
                raise StopIteration
            if full is not None:
                return full.fill(self.length, self.pad_id)

    def _next_row(self) -> list[int] | None:
        document = next(self._coming, None)
        if document is None:
            return None
        return [self.separator, *document, self.separator]

    def _place_cut(self, row: list[int]) -> Window | None:
        if not self._open:
            self._open.append(Window())
        window = self._open[0]
        room = self.length - len(window)
        window.add(row[: room + 1])
        # the last target of a part is the first input of the next
        self._rest = row[room:] if len(row) > room + 1 else []
        return self._open.pop() if len(window) == self.length else None

    def _place_whole(self, row: list[int]) -> Window | None:
        needed = len(row) - 1
        if needed > self.length:
            raise ValueError(
                f"length must be at least {needed}, that of this document and its "
                f"separator; got {self.length}. Use longer windows, or whole=False"
            )
        # the fullest window that has room: small gaps are filled first
        fitting = [w for w in self._open if len(w) + needed <= self.length]
        full = None
        if fitting:
            max(fitting, key=len).add(row)
            return None
        if len(self._open) == self.open_windows:
            full = max(self._open, key=len)
            self._open = [w for w in self._open if w is not full]
        self._open.append(Window())
        self._open[-1].add(row)
        return full


def padding_share(windows: Iterable[Window]) -> float:
    """Return the share of places that hold padding.

    Args:
        windows: one or more.
    """
    segments = [segment for window in windows for segment in window.segments]
    return segments.count(0) / len(segments)
