"""What tuning is worth: accuracy over the strength of the regulariser, and what auto and bound get without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from analysis.klevel import count
from analysis.load import Setting
from analysis.marks import explain, fill, mark_look
from analysis.multiples import Cell, apart, cells, multiples, shared
from analysis.plotting import Curve, Panel, finish, legend_line, percent_bars, seeds
from analysis.registry import entry
from analysis.series import Series, series_within
from analysis.statistics import by, over_seeds
from analysis.strength import AUTO, BOUND, WORDS, Word, with_strength
from analysis.style import LINES, Style, pt, styles
from results.errors import Skip

FEWEST = 3  # strengths that make a curve
DECADES = 99  # a range of x with two powers of ten or three as ticks
WORD_LINES: dict[Word, Any] = {AUTO: (0, (1, 1)), BOUND: (0, (4, 1, 1, 1))}
WORD = "a word for lam"  # the gid of its mark
BESIDE = 0.03  # of the width of the panel: between the marks of words


@entry("test_top1", "hyperparameters", "groups_target", "groups_at_convergence")
def accuracy_vs_lam(setting: Setting) -> Figure:
    """Test accuracy against the fixed strength lam, with lam = auto and bound as lines; filled marks reached exactly k.

    A panel for each keep and experiment in which some method has three strengths or more.
    """
    rows = with_strength(setting.pruned)
    everything = series_within(rows, (*apart(rows), "keep"))
    panels = [cell for cell in cells(rows) if curves_over_lam(everything, cell, ["test_top1"])]
    if not panels:
        raise Skip(f"no method of {setting.title} has {FEWEST} values of lam under otherwise equal conditions")
    plot, axes = multiples(setting, panels, "Strength lam", "Test top-1 accuracy (%)")
    house = styles(setting.results.methods)
    drawn: list[Curve] = []
    fills: set[str | None] = set()
    for places, cell in zip(axes, panels, strict=True):
        here = curves_over_lam(everything, cell, ["test_top1"])
        drawn += here
        for curve in here:
            fills |= _draw(plot, places, curve, house[curve.series.method])
        for series in everything:
            for word in WORDS:
                fills |= _draw_word(plot, places, series, cell.holds(series.rows), house[series.method], word)
        lam_axis(places, sorted({lam for curve in here for lam in curve.points["lam"]}))
    explain(plot, fills)
    lines = [seeds(drawn, "test_top1"), zero_said(everything, panels)]
    return finish(plot, [line for line in lines if line], f"{setting.title}: {shared(panels)}")


def curves_over_lam(everything: list[Series], cell: Cell, columns: Sequence[str]) -> list[Curve]:
    """Return columns over the strengths of each series in a cell that has enough for a logarithmic axis."""
    found = []
    for series in everything:
        rows = cell.holds(series.rows)
        points = by(rows[rows["lam"] > 0], "lam", columns)
        if len(points) >= FEWEST:
            found.append(Curve(Series(series.method, series.label, series.variant, rows), points))
    return found


def _draw(plot: Panel, axes: Axes, curve: Curve, style: Style) -> set[str | None]:
    """Draw one curve with its intervals; return how its marks are filled."""
    line = LINES[curve.series.variant % len(LINES)]
    x, y = curve.points["lam"], 100 * curve.points["test_top1"]
    axes.errorbar(
        x, y, yerr=percent_bars(curve.points, "test_top1"), color=style.colour, linestyle=line,
        elinewidth=pt(0.7), capsize=pt(1.5), capthick=pt(0.7), zorder=3,
    )  # fmt: skip
    rows = curve.series.rows
    fills = [fill(count(rows[rows["lam"] == lam])) for lam in x]
    for lam, accuracy, filled in zip(x, y, fills, strict=True):
        axes.plot([lam], [accuracy], zorder=4, **mark_look(style, filled))
    plot.handles.setdefault(curve.series.label, legend_line(style, line))
    return set(fills)


def _draw_word(
    plot: Panel, axes: Axes, series: Series, rows: pd.DataFrame, style: Style, word: Word
) -> set[str | None]:
    """Draw the accuracy of a word as a line, with its mark and its interval as a bar at the right end, side by side."""
    auto = rows[rows[word]]
    if auto.empty:
        return set()
    mean, half, n, _ = over_seeds(auto, "test_top1")
    look_line: dict[str, Any] = {"color": style.colour, "linestyle": WORD_LINES[word], "linewidth": pt(1.0)}
    axes.axhline(100 * mean, zorder=2, **look_line)
    filled = fill(count(auto))
    at = 1 + BESIDE * sum(line.get_gid() == WORD for line in axes.lines)
    edge: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "clip_on": False}
    axes.plot([at], [100 * mean], zorder=5, gid=WORD, **edge, **mark_look(style, filled))
    if n > 1:
        ends = [max(0.0, 100 * (mean - half)), min(100.0, 100 * (mean + half))]
        axes.plot([at, at], ends, color=style.colour, linewidth=pt(0.7), zorder=4, **edge)
    plot.handles.setdefault(f"{series.label}, lam {word}", Line2D([], [], marker=style.mark, **look_line))
    return {filled}


def lam_axis(axes: Axes, lams: list[float]) -> None:
    """Make x logarithmic, with ticks at the powers of ten, or at the strengths where they span less than two."""
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    if lams[-1] / lams[0] < DECADES:
        axes.set_xticks(lams)
    axes.xaxis.set_major_formatter("{x:g}")


def zero_said(everything: list[Series], panels: list[Cell]) -> str:
    """Return a line of heading on the methods that were given a lam of 0, nothing where none was."""
    rows = pd.concat([cell.holds(series.rows) for cell in panels for series in everything])
    methods = sorted(rows["method"][rows["lam"] == 0].unique())
    return f"lam 0 has no place on this axis: {', '.join(methods)}" if methods else ""
