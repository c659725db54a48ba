"""The colours of every figure and view, chosen for all kinds of colour vision.

The eight hues keep a distance of at least 15 (CIE 1976 colour difference) from one
another for a viewer with full colour vision, with protanopia and with deuteranopia;
a test simulates all three. No figure says anything by hue alone.
"""

from __future__ import annotations

# blue, orange, green, pink, sky, vermilion, violet, yellow
PALETTE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#5A4A78",
    "#F0E442",
)

# five stops from "nothing" to "all", then from negative over zero to positive
RAMP = ("#FFFFFF", "#C6DBEF", "#6BAED6", "#2171B5", "#08306B")
SIGNED = ("#B35806", "#FDB863", "#FFFFFF", "#80B1D3", "#084594")


def colour(index: int) -> str:
    """Return the hue for the `index`-th thing, such as a head.

    Hues repeat after eight, so whatever uses them also carries a label.

    Args:
        index: which thing, from 0.

    Returns:
        A colour such as `"#0072B2"`.
    """
    return PALETTE[index % len(PALETTE)]


def ramp(signed: bool = False):
    """Return the colour map of the heat maps, for matplotlib.

    Args:
        signed: whether it runs from negative over zero to positive.

    Returns:
        A `matplotlib.colors.LinearSegmentedColormap`.
    """
    from matplotlib.colors import LinearSegmentedColormap

    name = "llmkit-signed" if signed else "llmkit"
    return LinearSegmentedColormap.from_list(name, list(SIGNED if signed else RAMP))
