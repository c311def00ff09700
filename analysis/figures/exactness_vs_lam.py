"""What a strength buys: how near training alone comes to exactly k groups, and what that costs."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures.accuracy_vs_lam import FEWEST, WORD_LINES, curves_over_lam, lam_axis, zero_said
from analysis.grid import grid, label_below
from analysis.klevel import above, exactly
from analysis.load import Setting
from analysis.multiples import apart, cells, shared, titles
from analysis.plotting import Curve, Panel, finish, legend_line, panel_styles, seeds
from analysis.registry import entry
from analysis.series import Series, held, series_within
from analysis.statistics import over_seeds
from analysis.strength import BOUND, with_strength
from analysis.style import LINES, Style, pt
from results.errors import Skip

# Of each row of panels, from the top: its column, its label, and its height in inches.
ROWS: dict[str, tuple[str, float]] = {
    "exact": ("Exactly k\n(% of trials)", 0.85),
    "above": ("Groups above k\n(% of k)", 1.0),
    "drop": ("Projection\n(points)", 1.0),
    "top1": ("Test top-1\n(%)", 1.2),
}
SHARES = ("exact", "top1")  # end at 0 and at 100
COUNTED = "exact"  # a share of the trials: it has no interval over seeds
LINEAR = 1  # the axes of what may be 0 and may be many are linear up to here, and logarithmic beyond
LADDER = (0, 1, 3, 10, 30, 100, 300, 1000, 3000)


@entry("test_top1", "hyperparameters")
def exactness_vs_lam(setting: Setting) -> Figure:
    """Trials at exactly k, groups above it, cost of the projection and accuracy over lam: what a strength buys.

    A column of panels for each keep and experiment in which some method has three strengths or more; `bound`, where it
    was tried, is a horizontal line. Before projection, at the end of the sparsify phase.
    """
    rows = _told(with_strength(setting.pruned))
    everything = series_within(rows, (*apart(rows), "keep"))
    panels = [cell for cell in cells(rows) if curves_over_lam(everything, cell, list(ROWS))]
    if not panels:
        raise Skip(f"no method of {setting.title} has {FEWEST} values of lam and tells how many groups were left")
    plot, columns = grid(setting, titles(panels), [height for _, height in ROWS.values()], "all", "row")
    drawn: list[Curve] = []
    levels: dict[str, list[float]] = {column: [] for column in ROWS}
    for places, cell in zip(columns, panels, strict=True):
        here = curves_over_lam(everything, cell, list(ROWS))
        drawn += here
        bound = [one for one in held(everything, cell.rows) if one.rows["bound"].any()]
        for axes, column in zip(places, ROWS, strict=True):
            for curve in here:
                _draw(plot, axes, curve, column)
            levels[column] += [_scale(column) * mean for curve in here for mean in curve.points[column].dropna()]
            levels[column] += [_draw_bound(plot, axes, one, column) for one in bound]
    _axes(columns, drawn, levels)
    label_below(plot, "Strength lam")
    several = "share of trials: without interval" if any((c.points["top1_n"] > 1).any() for c in drawn) else ""
    lines = [seeds(drawn, "top1"), several, zero_said(everything, panels)]
    return finish(plot, [line for line in lines if line], ": ".join(filter(None, (setting.title, shared(panels)))))


def _told(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that tell how many groups were left, or failed, with the columns of ROWS, but for top1 in %."""
    k = [sum(target) if isinstance(target, tuple) else None for target in rows.get("groups_target", [None] * len(rows))]
    drop = rows["projection_drop"] if "projection_drop" in rows else float("nan")
    wanted = pd.Series(k, index=rows.index, dtype="float64")
    found = rows.assign(exact=exactly(rows), above=100 * above(rows) / wanted, drop=100 * drop, top1=rows["test_top1"])
    return found[found["exact"].notna() | (found["status"] == "failed")]


def _draw(plot: Panel, axes: Axes, curve: Curve, column: str) -> None:
    """Draw one curve in one panel, with its intervals."""
    style, line = panel_styles(plot)[curve.series.method], LINES[curve.series.variant % len(LINES)]
    axes.errorbar(
        curve.points["lam"], _scale(column) * curve.points[column], yerr=_bars(curve.points, column),
        color=style.colour, marker=style.mark, linestyle=line, markeredgewidth=pt(0.8), elinewidth=pt(0.7),
        capsize=pt(1.5), capthick=pt(0.7), zorder=3,
    )  # fmt: skip
    plot.handles.setdefault(curve.series.label, legend_line(style, line))


def _draw_bound(plot: Panel, axes: Axes, series: Series, column: str) -> float:
    """Draw what the bound gets as a line over all strengths, with its mark in the right margin; return where it is."""
    style: Style = panel_styles(plot)[series.method]
    mean = _scale(column) * over_seeds(series.rows[series.rows["bound"]], column).mean
    look: dict[str, Any] = {"color": style.colour, "linestyle": WORD_LINES[BOUND], "linewidth": pt(1.0)}
    axes.axhline(mean, zorder=2, **look)
    axes.plot([1], [mean], transform=axes.get_yaxis_transform(), clip_on=False, color=style.colour, marker=style.mark)
    plot.handles.setdefault(f"{series.label}, lam bound", Line2D([], [], marker=style.mark, **look))
    return mean


def _axes(columns: list[list[Axes]], drawn: list[Curve], levels: dict[str, list[float]]) -> None:
    """Scale the axes, and label the rows where their numbers stand."""
    lams = sorted({lam for curve in drawn for lam in curve.points["lam"]})
    lam_axis(columns[0][0], lams)
    for column, row in zip(ROWS, zip(*columns, strict=True), strict=True):
        _scale_up(row[0], column, [value for value in levels[column] if value == value])
        for axes in row:
            if axes.yaxis.get_tick_params()["labelleft"]:
                axes.set_ylabel(ROWS[column][0], linespacing=1.1)


def _scale_up(axes: Axes, column: str, values: list[float]) -> None:
    """Scale the y axis of one row of panels for these means."""
    if column == COUNTED:
        axes.set_ylim(-6, 106)
        axes.set_yticks([0, 50, 100])
    elif column in SHARES:
        axes.yaxis.set_major_locator(MaxNLocator(4))
    else:
        low, high = min(0.0, *values), max(LINEAR, *values)
        axes.set_yscale("symlog", linthresh=LINEAR, linscale=0.6)
        axes.set_ylim(1.6 * low - 0.2, 1.6 * high)
        ticks = [tick for tick in LADDER if tick <= 1.6 * high]
        axes.set_yticks(ticks[:: 1 + len(ticks) // 6], [f"{tick:g}" for tick in ticks[:: 1 + len(ticks) // 6]])
        axes.set_yticks([], minor=True)


def _bars(points: pd.DataFrame, column: str) -> list[list[float]] | None:
    """Return how far the intervals reach down and up: nowhere from one seed, and never where nothing can be."""
    if column == COUNTED:
        return None
    scale = _scale(column)
    mean, half = scale * points[column], scale * points[f"{column}_half"].fillna(0)
    down = half if column == "drop" else half.clip(upper=mean)
    return [list(down), list(half.clip(upper=100 - mean) if column in SHARES else half)]


def _scale(column: str) -> int:
    return 100 if column in SHARES else 1
