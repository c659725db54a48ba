"""The base of every widget of the kit: one state, four outputs.

A view keeps its state in Python, as traits, and draws itself in the browser with one
hand-written ES module without dependencies. From the same state it also writes a page
that needs no kernel, a PNG and an SVG drawn without a browser, and a table.
`viz/README.md` shows how to write one.
"""

from __future__ import annotations

import html
import json
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from llmkit.viz import codec
from llmkit.viz.figure import image_tag, png_bytes, svg_text, table_html
from llmkit.viz.module import HERE, module_text, style_text
from llmkit.viz.slim import slim_script

# traits that mean something to a kernel only
_LIVE_ONLY = {"layout", "tabbable", "tooltip", "_sweep"}


class View(anywidget.AnyWidget):
    """A widget that can be seen live, in a page, on paper and as a table.

    A subclass names its file in `source` ("attention" stands for attention.js and, if
    it exists, attention.css beside the class), adds traits tagged `sync=True`, and
    defines `summary`, `alt`, `figure` and `table`.
    """

    source: ClassVar[str] = ""
    # trait -> values that the automatic test moves it to
    sweep: ClassVar[dict[str, list]] = {}

    # what the reader has pointed at; each view documents its keys
    selection = traitlets.Dict().tag(sync=True)
    _static = traitlets.Bool(False).tag(sync=True)
    _sweep = traitlets.Dict().tag(sync=True)

    _answering = False  # whether `answer_change` is at work

    # ipywidgets 7 (Colab) would otherwise show the widget alone, without its twin
    _ipython_display_ = None

    def __init_subclass__(cls, **kwargs):
        if cls.__dict__.get("source"):
            folder = Path(sys.modules[cls.__module__].__file__).parent
            cls._esm = module_text(str(folder / f"{cls.source}.js"))
            cls._esm += "\nexport default { render };\n"
            cls._css = style_text(str(folder / f"{cls.source}.css"))
        super().__init_subclass__(**kwargs)

    def __init__(self, **traits):
        # callbacks may arrive on another thread than the cell's
        self.lock = threading.RLock()
        super().__init__(_sweep=dict(self.sweep), **traits)

    # --- what a subclass defines -------------------------------------------------
    def summary(self) -> str:
        """Return a few words for `repr`, such as "6 layers, 12 heads, 9 tokens"."""
        return ""

    @property
    def alt(self) -> str:
        """One sentence that says what the picture shows."""
        return self.summary()

    def figure(self):
        """Return a `matplotlib.figure.Figure` of the present state."""
        raise NotImplementedError(f"{type(self).__name__} must define figure()")

    def table(self):
        """Return the numbers behind the picture as a pandas DataFrame."""
        raise NotImplementedError(f"{type(self).__name__} must define table()")

    def static_state(self) -> dict[str, Any]:
        """Return the state that a page without a kernel gets.

        Bytes are compressed on the way. A subclass may send less than it has, or
        precompute what a kernel would answer.
        """
        live = {
            name
            for name in self.keys
            if name in _LIVE_ONLY or name.startswith(("_model", "_view", "_dom"))
        }
        skip = live | {"_esm", "_css", "_anywidget_id"}
        return {name: getattr(self, name) for name in self.keys if name not in skip}

    # --- the four outputs --------------------------------------------------------
    def to_html(self, path: str | Path | None = None) -> str:
        """Return a page that shows the view with no kernel and no network.

        Args:
            path: a file to write.

        Returns:
            The whole page.
        """
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            '<meta name="color-scheme" content="light dark">'
            f"<title>{html.escape(repr(self))}</title></head>"
            f"<body><main>{self._twin(interactive=True)}</main></body></html>"
        )
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def to_png(self, path: str | Path | None = None, dpi: int = 100) -> bytes:
        """Return the present state as PNG, drawn without a browser.

        Args:
            path: a file to write.
            dpi: dots per inch.

        Returns:
            The file's bytes.
        """
        data = png_bytes(self.figure(), dpi)
        if path is not None:
            Path(path).write_bytes(data)
        return data

    def to_svg(self, path: str | Path | None = None) -> str:
        """Return the present state as SVG, drawn without a browser.

        Args:
            path: a file to write.

        Returns:
            The SVG text.
        """
        text = svg_text(self.figure())
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def show(self, static: bool = False) -> None:
        """Display the view.

        Args:
            static: display the page's twin, which keeps working in a saved notebook
                and in an exported page, but hears nothing from Python. It is stored
                in the notebook whole, so prefer it for small data.
        """
        from IPython.display import display

        if static:
            text = self._twin(interactive=True)
            display({"text/html": text, "text/plain": repr(self)}, raw=True)
        else:
            display(self)

    # --- reading back ------------------------------------------------------------
    def answer_change(
        self, act: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        """Answer a change of the reader's: one at a time, and in one message.

        What the view itself sets meanwhile is no change of the reader's and is not
        answered.

        Args:
            act: sets traits; the browser hears of them together.
            failed: called with a `ValueError`, or a `RuntimeError` such as no memory
                left on the device, that `act` raised.
        """
        with self.lock:
            if self._answering:
                return
            self._answering = True
            try:
                with self.hold_sync():
                    act()
            except (ValueError, RuntimeError) as error:
                failed(error)
            finally:
                self._answering = False

    def on_select(self, act: Callable[[dict], None]) -> None:
        """Call a function with the selection whenever it changes.

        Args:
            act: gets the new `selection`. It may run on another thread than the cell,
                but never twice at a time.
        """

        def run(change):
            with self.lock:
                act(change["new"])

        self.observe(run, names="selection")

    # --- display -----------------------------------------------------------------
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary()})"

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        png = self._poster()
        data = {
            **data,
            "text/plain": repr(self),
            "text/html": self._twin(interactive=False, png=png),
            "image/png": _base64(png),
        }
        return data, metadata

    def _poster(self) -> bytes:
        return png_bytes(self.figure(), dpi=75, colours=48)

    def _twin(self, interactive: bool, png: bytes | None = None) -> str:
        """Return the view as HTML: picture and table, then perhaps the scripts."""
        if png is None:
            png = self._poster()
        poster = image_tag(png, self.alt) + table_html(self.table())
        if not interactive:
            return f"<div>{poster}</div>"
        uid = "lm-" + uuid.uuid4().hex
        state = {**self.static_state(), "_static": True}
        data = json.dumps(state, default=_jsonable, allow_nan=False)
        script = (
            f"{self._esm.rpartition('export default')[0]}\n"
            f'const place = document.getElementById("{uid}");\n'
            f'const state = JSON.parse(document.getElementById("{uid}-state")'
            ".textContent);\n"
            "place.replaceChildren();\n"
            f"{slim_script((HERE / 'view_page.js').read_text('utf-8'))}"
            "render({ model: stub(state), el: place });\n"
        )
        return (
            f"<style>{self._css}</style>"
            f'<div id="{uid}">{poster}</div>'
            f'<script type="application/json" id="{uid}-state">'
            f"{_inside_script(data)}</script>"
            f'<script type="module">{script}</script>'
        )


def _inside_script(text: str) -> str:
    """Escape JSON so that no token can end the script element that holds it."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _jsonable(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"z": codec.to_text(bytes(value))}
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a view's state cannot hold {type(value).__name__} in a page")


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode("ascii")
