"""Marks that say whether the k-level was reached: full where it was, hollow where not, half where in some trials."""

from __future__ import annotations

from typing import Any

from matplotlib.lines import Line2D

from analysis.klevel import Count
from analysis.plotting import Panel
from analysis.style import Style, pt

WORDS = {
    "full": "exactly k before projection",
    "bottom": "exactly k in some seeds",
    "none": "not exactly k",
}
PLAIN = Style("#555555", "o")


def fill(count: Count) -> str | None:
    """Return how the mark of some trials is filled, as a fill style of matplotlib; None where no trial tells."""
    if not count.told:
        return None
    return "full" if count.reached == count.told else "bottom" if count.reached else "none"


def mark_look(style: Style, filled: str | None, size: float = 4.6) -> dict[str, Any]:
    """Return how matplotlib is to draw a mark, and no line through it."""
    if filled is None:
        return {"marker": "", "linestyle": ""}
    return {
        "color": style.colour, "marker": style.mark, "linestyle": "",
        "markersize": pt(size), "markeredgewidth": pt(0.9), "fillstyle": "bottom" if filled == "bottom" else "full",
        "markerfacecolor": "white" if filled == "none" else style.colour, "markerfacecoloralt": "white",
    }  # fmt: skip


def explain(panel: Panel, used: set[str | None]) -> None:
    """Say in the legend what the marks mean that were drawn."""
    for filled, words in WORDS.items():
        if filled in used:
            panel.handles[words] = Line2D([], [], **mark_look(PLAIN, filled))
