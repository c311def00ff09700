"""Small print below a finished figure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from analysis.plotting import Panel, finish
from analysis.style import look, pt

LETTERS = 74  # in a line as wide as a column, on paper
EDGE = 0.03  # inches, on paper: between the small print and the edges of the figure


def finish_noted(panel: Panel, lines: list[str], notes: Sequence[str], subject: str | None = None) -> Figure:
    """Finish a figure, then put these notes below its legend and make room for them."""
    figure = finish(panel, lines, subject)
    width = int(LETTERS * look().room * figure.get_figwidth() / look().column)
    small = [part for note in notes for part in textwrap.wrap(note, width, subsequent_indent="  ")]
    if not small:
        return figure
    edge = EDGE * look().scale
    text = figure.text(0, 0, "\n".join(small), fontsize=pt(5.6), va="bottom", ha="left", linespacing=1.3)
    room = text.get_window_extent().height / figure.dpi + 2 * edge
    height = figure.get_figheight() + room
    figure.set_figheight(height)
    text.set_position((edge / figure.get_figwidth(), edge / height))
    # The layout leaves room for the legend or for what stands below it, not for both: so by hand.
    (legend,) = figure.legends
    taken = (room + legend.get_window_extent().height / figure.dpi + edge) / height
    legend.set_bbox_to_anchor((0, room / height, 1, 1 - room / height), transform=figure.transFigure)
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0, taken, 1, 1 - taken))
    figure.draw_without_rendering()
    return figure
