"""The cost card: a model's parts, what they hold and what they take, on one page.

It is plain HTML: tables and bars that need no script. Where scripts run, a slider for
the length of the text is added. Home notebook: 05_transformer_block.
"""

from __future__ import annotations

import html
import json
import uuid
from collections.abc import Sequence

_STYLE = """
.cost-card{max-width:62em;font:13px/1.5 system-ui,"DejaVu Sans",sans-serif;
color:var(--jp-ui-font-color1,var(--colab-primary-text-color,currentColor))}
.cost-card table{border-collapse:collapse;margin:4px 0 12px;
font-variant-numeric:tabular-nums}
.cost-card th,.cost-card td{padding:2px 10px;text-align:right;
border-bottom:1px solid #8888}
.cost-card th:first-child{text-align:left;font-weight:400}
.cost-card thead th{font-weight:600}
.cost-card .cost-bar{float:left;height:.8em;background:#0072B2}
.cost-card caption{text-align:left;font-weight:600;padding:4px 0}
"""
_SCRIPT = """
(() => {
const card = document.getElementById("ID"), d = JSON.parse(card.dataset.costs);
const place = card.querySelector(".cost-live");
const label = document.createElement("label"), out = document.createElement("output");
const input = document.createElement("input");
label.textContent = "Length of the text ";
input.type = "range"; input.min = 0; input.max = 24; input.step = 0.25; input.value = 8;
label.append(input);
place.append(label, " ", out);
const big = (x, units) => { let i = 0;
  while (x >= 1000 && i < units.length - 1) { x /= 1000; i++; }
  return x.toPrecision(3) + " " + units[i]; };
const show = () => { const t = Math.round(2 ** input.value);
  const text = t.toLocaleString("en") + " tokens: "
    + (d.cache_bytes === null ? "" : "cache "
    + big(d.cache_bytes * t, ["B","kB","MB","GB","TB"]) + ", ") + "reading them "
    + big(d.constant + d.linear * t + d.square * t * t,
    ["FLOP","kFLOP","MFLOP","GFLOP","TFLOP","PFLOP"]);
  out.textContent = text; input.setAttribute("aria-valuetext", text); };
input.addEventListener("input", show); show();
input.setAttribute("data-lm-suppress-shortcuts", "true");
})();
"""


class CostCard:
    """A model's bill.

    Args:
        name: what stands on top.
        parts: rows (name, weights, operations at `length` tokens).
        shapes: rows (what, its shape in letters, its shape in numbers).
        length: T that the operations belong to.
        lengths: other lengths that the second table shows.
        cache_bytes: of keys and values, for each token; None: no cache.
        linear: operations for each token, whatever the length.
        square: operations for each pair of tokens.
        memory: rows (what, bytes).
        constant: operations whatever the length (BERT's pooler).
    """

    def __init__(
        self,
        name: str,
        parts: Sequence[tuple[str, int, int]],
        shapes: Sequence[tuple[str, str, str]],
        length: int,
        lengths: Sequence[int],
        cache_bytes: int | None,
        linear: int,
        square: int,
        memory: Sequence[tuple[str, int]],
        constant: int = 0,
    ):
        self.name, self.length = name, length
        self.parts, self.shapes = list(parts), list(shapes)
        self.lengths, self.memory = list(lengths), list(memory)
        self.cache_bytes = cache_bytes
        self.constant, self.linear, self.square = constant, linear, square

    @property
    def weights(self) -> int:
        """How many weights all parts hold."""
        return sum(weights for _, weights, _ in self.parts)

    @property
    def flops(self) -> int:
        """How many operations all parts take."""
        return sum(flops for _, _, flops in self.parts)

    def flops_at(self, length: int) -> int:
        """Return the operations for a text of another length."""
        return self.constant + self.linear * length + self.square * length**2

    @property
    def alt(self) -> str:
        """One sentence with the main numbers."""
        name, most, _ = max(self.parts, key=lambda row: row[1])
        return (
            f"{self.name}: {self.weights:,} weights, the most of them "
            f"({most / self.weights:.0%}) in {name}; reading {self.length} tokens "
            f"takes {_si(self.flops, 'FLOP')}."
        )

    def table(self):
        """Return the parts as a pandas DataFrame."""
        import pandas as pd

        frame = pd.DataFrame(self.parts, columns=["part", "weights", "FLOP"])
        return frame.set_index("part")

    def to_html(self) -> str:
        """Return a page that needs no network, and no script either."""
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="color-scheme" content="light dark">'
            f"<title>{html.escape(self.name)}</title></head>"
            f"<body><main>{self._repr_html_()}</main></body></html>"
        )

    def _repr_html_(self) -> str:
        uid = "cost-" + uuid.uuid4().hex
        names = ("constant", "linear", "square", "cache_bytes")
        data = html.escape(json.dumps({name: getattr(self, name) for name in names}))
        return (
            f"<style>{_STYLE}</style>"
            f'<div class="cost-card" id="{uid}" data-costs="{data}">'
            f"<p><strong>{html.escape(self.name)}</strong>: {self.weights:,} weights, "
            f"{_si(self.flops, 'FLOP')} to read {self.length} tokens</p>"
            f'{self._part_rows()}{self._length_rows()}<p class="cost-live"></p>'
            f"{self._memory_rows()}{self._shape_rows()}</div>"
            f"<script>{_SCRIPT.replace('ID', uid)}</script>"
        )

    def __repr__(self) -> str:
        return f"CostCard({self.alt})"

    def _part_rows(self) -> str:
        most = max(weights for _, weights, _ in self.parts)
        rows = [
            [
                name,
                f"{weights:,}",
                f"{weights / self.weights:.1%}",
                _Bar(120 * weights / most),
                _si(flops, "FLOP") if flops else "–",
            ]
            for name, weights, flops in self.parts
        ]
        rows.append(["all", f"{self.weights:,}", "100.0%", "", _si(self.flops, "FLOP")])
        head = ["part", "weights", "share", "", f"for {self.length} tokens"]
        return _table("What it is made of", head, rows)

    def _length_rows(self) -> str:
        rows = []
        for t in self.lengths:
            row = [f"{t:,}", _si(self.flops_at(t), "FLOP")]
            pairs = self.square * t * t / self.flops_at(t)
            row.append(f"{pairs:.0%}")
            if self.cache_bytes is not None:
                row.append(_si(self.cache_bytes * t, "B"))
            rows.append(row)
        head = ["tokens", "to read them", "of it, for pairs"]
        if self.cache_bytes is not None:
            head.append("keys and values kept")
        return _table("What a longer text costs", head, rows)

    def _memory_rows(self) -> str:
        rows = [[what, _si(size, "B")] for what, size in self.memory]
        return _table("Memory", ["for", "bytes"], rows)

    def _shape_rows(self) -> str:
        return _table("What flows through it", ["tensor", "axes", "here"], self.shapes)


class _Bar(float):
    """A cell that is drawn: a bar of this many pixels."""


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence]) -> str:
    def cell(content: str | _Bar, i: int) -> str:
        if isinstance(content, _Bar):
            inner = f'<span class="cost-bar" style="width:{content:.0f}px"></span>'
        else:
            inner = html.escape(content)
        return f'<th scope="row">{inner}</th>' if i == 0 else f"<td>{inner}</td>"

    top = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in head)
    body = "".join(
        f"<tr>{''.join(cell(text, i) for i, text in enumerate(row))}</tr>"
        for row in rows
    )
    return (
        f"<table><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    )


def _si(x: float, unit: str) -> str:
    """Write a large number with three digits and a prefix, such as "5.61 MB"."""
    for prefix in ("", "k", "M", "G", "T"):
        if x < 999.5 or prefix == "T":
            return f"{x:.0f} {unit}" if not prefix else f"{x:.3g} {prefix}{unit}"
        x /= 1000
    raise AssertionError  # the loop ends at "T"
