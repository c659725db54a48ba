"""Static figures: a picture, one sentence that says what it shows, and its numbers.

A `Picture` is what each plotting function of this room returns. A notebook shows it as
an image with an alternative text, and its numbers in a table that can be unfolded; it
saves as PNG or SVG. Everything is drawn through matplotlib's objects, never through
pyplot, so figures may be made in any thread and nothing is shown twice.
"""

from __future__ import annotations

import base64
import html
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

MOST_CELLS = 1200  # a table with more cells is not put into a notebook


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **kinds):
    """Make a white matplotlib figure with its axes, without pyplot.

    Args:
        width: in inches.
        height: in inches.
        rows: rows of axes.
        columns: columns of axes.
        **kinds: passed on to `Figure.subplots`, such as `sharey=True`.

    Returns:
        The figure, and one axes or an array of them.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    return figure, figure.subplots(rows, columns, **kinds)


def png_bytes(figure, dpi: int = 100, colours: int | None = 128) -> bytes:
    """Draw a matplotlib figure as PNG.

    Args:
        figure: a `matplotlib.figure.Figure`.
        dpi: dots per inch.
        colours: reduce it to so many colours, which makes the file several times
            smaller; None keeps all.

    Returns:
        The file's bytes, the same in every run.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(dpi)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a sign that the font lacks
        canvas.draw()
    image = Image.fromarray(_array(canvas)).convert("RGB")
    if colours is not None:
        image = image.quantize(colours, dither=Image.Dither.NONE)
    out = io.BytesIO()
    image.save(out, "png", optimize=True)
    return out.getvalue()


def svg_text(figure) -> str:
    """Draw a matplotlib figure as SVG.

    Args:
        figure: a `matplotlib.figure.Figure`.

    Returns:
        The SVG text, the same in every run.
    """
    import matplotlib

    out = io.StringIO()
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "llmkit"}):
        warnings.simplefilter("ignore")
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def image_tag(png: bytes, alt: str, width: int | None = None) -> str:
    """Return an HTML image that carries its own bytes and an alternative text.

    Args:
        png: the file's bytes.
        alt: what the image shows.
        width: in CSS pixels; None leaves it to the file.

    Returns:
        An `<img>` element.
    """
    data = base64.b64encode(png).decode("ascii")
    size = f' width="{width}"' if width else ""
    return (
        f'<img alt="{html.escape(alt)}"{size} style="max-width:100%;height:auto" '
        f'src="data:image/png;base64,{data}">'
    )


def table_html(table, title: str = "The numbers as a table") -> str:
    """Return a table inside a `<details>` element, without any script or style sheet.

    Args:
        table: a pandas DataFrame, or None.
        title: the line that unfolds it.

    Returns:
        HTML; empty when there is no table or it is too large for a notebook.
    """
    if table is None or table.size == 0 or table.size > MOST_CELLS:
        return ""
    esc = html.escape
    head = "".join(f'<th scope="col">{esc(str(c))}</th>' for c in table.columns)
    rows = []
    for label, *values in table.itertuples(name=None):
        cells = "".join(f"<td>{esc(_cell(v))}</td>" for v in values)
        rows.append(f'<tr><th scope="row">{esc(str(label))}</th>{cells}</tr>')
    return (
        f"<details><summary>{esc(title)}</summary><table><thead><tr><td></td>{head}"
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></details>"
    )


class Picture:
    """A static figure with its alternative text and its numbers.

    Args:
        draw: a function without arguments that returns a `matplotlib.figure.Figure`.
        alt: one sentence that says what the figure shows.
        table: a function without arguments that returns a pandas DataFrame, or None.
    """

    def __init__(self, draw: Callable, alt: str, table: Callable | None = None):
        if not callable(draw):
            raise TypeError(
                "draw must be a function that returns a figure; got "
                f"{type(draw).__name__}. Write Picture(lambda: figure, ...)."
            )
        self._draw = draw
        self._table = table
        self.alt = alt

    def figure(self):
        """Return a fresh `matplotlib.figure.Figure`."""
        return self._draw()

    def table(self):
        """Return the numbers as a pandas DataFrame, or None where there are none."""
        return self._table() if self._table else None

    def to_png(self, path: str | Path | None = None, dpi: int = 100) -> bytes:
        """Return the figure as PNG, and write it where a path is given.

        Args:
            path: a file to write.
            dpi: dots per inch.

        Returns:
            The file's bytes.
        """
        return _write(png_bytes(self.figure(), dpi), path)

    def to_svg(self, path: str | Path | None = None) -> str:
        """Return the figure as SVG, and write it where a path is given.

        Args:
            path: a file to write.

        Returns:
            The SVG text.
        """
        return _write(svg_text(self.figure()), path)

    def _repr_html_(self) -> str:
        return (
            f"<div>{image_tag(self.to_png(), self.alt)}{table_html(self.table())}</div>"
        )

    def __repr__(self) -> str:
        return f"Picture({self.alt!r})"


def short_labels(labels: Sequence[str], longest: int = 14) -> list[str]:
    """Return labels for an axis: visible, short, and harmless to matplotlib.

    Args:
        labels: any texts.
        longest: the most characters of one.

    Returns:
        As many labels; a dollar sign no longer starts a formula.
    """
    from llmkit.viz.labels import visible_all

    return [label.replace("$", r"\$") for label in visible_all(labels, longest)]


def _array(canvas):
    import numpy as np

    return np.asarray(canvas.buffer_rgba())


def _cell(value) -> str:
    whole = isinstance(value, (int, str)) or not hasattr(value, "__float__")
    return str(value) if whole else f"{float(value):.3f}"


def _write(content, path):
    if path is not None:
        if isinstance(content, str):
            content_bytes = content.encode("utf-8")
        else:
            content_bytes = content
        Path(path).write_bytes(content_bytes)
    return content
