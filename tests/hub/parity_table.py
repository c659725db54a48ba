"""Print how far models lie from transformers: python -m tests.hub.parity_table."""

from __future__ import annotations

import torch

from tests.hub.minilm import minilm_errors
from tests.hub.tiny import KINDS, errors, same_state_dict


def rows() -> list[tuple[str, ...]]:
    """Measure every family."""
    out = []
    for kind in KINDS:
        single = errors(kind)
        padded = errors(kind, padded=True)
        double = errors(kind, torch.float64)
        out.append(
            (
                kind,
                _cell(single, "logits", "last"),
                _cell(single, "hidden", "encoder"),
                _cell(single, "attentions", "cross_attentions", "encoder_attentions"),
                _cell(padded, "logits", "last"),
                _cell(double, "logits", "last"),
                _cell(double, "hidden", "encoder"),
                "identical" if same_state_dict(kind) else "DIFFERENT",
            )
        )
    found = minilm_errors()
    out.append(
        (
            "MiniLM (real weights)",
            _cell(found, "last"),
            _cell(found, "hidden"),
            _cell(found, "attentions"),
            _cell(found, "padded"),
            _cell(minilm_errors(torch.float64), "last"),
            _cell(minilm_errors(torch.float64), "hidden"),
            "identical" if found["same state dict"] else "DIFFERENT",
        )
    )
    return out


def _cell(found: dict[str, float], *names: str) -> str:
    values = [found[name] for name in names if name in found]
    return f"{max(values):.1e}" if values else "-"


def main() -> None:
    """Print the table as Markdown."""
    head = (
        "family",
        "logits, f32",
        "hidden, f32",
        "attention, f32",
        "logits padded, f32",
        "logits, f64",
        "hidden, f64",
        "state dict",
    )
    print("Greatest absolute difference from transformers; bars: 1e-5, 1e-10 (f64).\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows():
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
