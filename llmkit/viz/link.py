"""Two views that follow each other: what is selected in one is selected in both."""

from __future__ import annotations

import threading

from llmkit.viz.view import View


class Link:
    """Two views whose selections follow each other; `unlink()` parts them."""

    def __init__(self, a: View, b: View):
        self._pairs = ((a, b), (b, a))
        self._lock = threading.RLock()
        self._busy = False
        self._follow = {}
        for source, target in self._pairs:
            self._follow[source] = self._copier(target)
            source.observe(self._follow[source], names="selection")

    def _copier(self, target):
        def copy(change):
            with self._lock:
                if self._busy:
                    return
                self._busy = True
                try:
                    target.selection = dict(change["new"])
                finally:
                    self._busy = False

        return copy

    def unlink(self) -> None:
        """Let each view be on its own again."""
        for source, _ in self._pairs:
            source.unobserve(self._follow[source], names="selection")


def link(a: View, b: View) -> Link:
    """Couple two views: what is selected in one is selected in the other.

    Args:
        a: a view.
        b: another one; each takes from a selection the keys that it knows.

    Returns:
        The link, with `unlink()`.

    Raises:
        TypeError: one of them is no view.
        ValueError: both are the same view.
    """
    for name, view in (("a", a), ("b", b)):
        if not isinstance(view, View):
            raise TypeError(f"{name} must be a View; got {type(view).__name__}")
    if a is b:
        raise ValueError("link needs two different views; got the same one twice")
    return Link(a, b)
