"""The lines of a panel over two quantities that were both measured, and what the legend says of them."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.annotation import DENSE, in_order
from analysis.plot.facets import OTHERS, Plot
from analysis.plot.marks import GREY, accuracies, draw_control, draw_line, fallen, legend_line
from analysis.plot.style import pt


def draw_lines(
    plot: Plot, axes: Axes, rows: pd.DataFrame, among: pd.DataFrame, low: float, joined: bool = True
) -> None:
    """Draw rows of accuracy in percent over x, of kind `line` and `dense`, and add them to the legend.

    among: the rows of all panels, which decide which lines lead. low: the least accuracy on the axis.
    """
    rows = accuracies(rows, low)
    dense, lines = rows[rows["kind"] == DENSE], rows[rows["kind"] == "line"]
    if len(dense):
        plot.handles.setdefault(plot.name(DENSE), draw_control(axes, dense))
    lead = plot.lead(among[among["line"].isin(lines["line"])])
    for line in in_order(list(lines["line"])):
        mine, style = lines[lines["line"] == line], plot.style(line)
        variant = int(mine["variant"].iloc[0])
        draw_line(axes, mine, style, variant, joined=joined, grey=line not in lead)
        if line in lead:
            plot.handles.setdefault(plot.name(line), legend_line(style, variant, joined))
            fallen(axes, mine, low, style)
    if len(lead) < lines["line"].nunique():
        mark = {"linewidth": pt(0.7)} if joined else {"linestyle": "", "marker": "o", "markersize": pt(2.4)}
        plot.handles.setdefault(OTHERS, Line2D([], [], color=GREY, **mark))
