"""What the figures share: series with intervals, the dense line, headings and legends that never cover data."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from analysis.load import Results, Setting
from analysis.series import Series, dense_series, majority, pruned_series
from analysis.statistics import by_keep, measured, over_seeds, seeds_between
from analysis.style import DENSE_COLOUR, LINES, Style, look, pt, styles
from results.errors import Skip

METADATA = {
    "pdf": {"CreationDate": None, "Creator": "klevel"},
    "png": {"Software": "klevel"},
    "svg": {"Date": None, "Creator": "klevel"},
}
SIDESTEP = 0.014  # between series that share their x, of the range of x; all steps together at most
SPREAD = 0.05  # this share of the range, and
GAP_SHARE = 0.4  # this share of the smallest gap between two levels of keep


@dataclass
class Curve:
    """One series as points: a row per keep with the mean, half-width and n of each column."""

    series: Series
    points: pd.DataFrame


@dataclass
class Panel:
    """A figure in the making: its axes, what the legend lists, and what it is a figure of."""

    setting: Setting | Results
    figure: Figure
    axes: list[Axes]
    handles: dict[str, Artist] = field(default_factory=dict)


def panel(subject: Setting | Results, heights: Sequence[float] = (2.2,)) -> Panel:
    """Return a figure of one column width with one axes per height in inches, below each other, with one x axis."""
    figure = blank(look().column, sum(heights) * look().scale)
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=list(heights))
    return Panel(subject, figure, list(axes[:, 0]))


def blank(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches, with a canvas that can measure text."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def curves(setting: Setting, columns: Sequence[str], timing: bool = False) -> list[Curve]:
    """Return the points of each pruned series that has all the columns. Raises Skip where none has."""
    found = curves_of(pruned_series(setting, timing), columns)
    if not found:
        raise Skip(f"no pruned trial of {setting.title} has {' and '.join(columns)}")
    return found


def curves_of(series: Iterable[Series], columns: Sequence[str]) -> list[Curve]:
    """Return the points of each of these series that has all the columns."""
    found = [(one, by_keep(measured(one.rows, columns), columns)) for one in series]
    whole = [(one, points.dropna(subset=list(columns))) for one, points in found if len(points)]
    return [Curve(one, points.reset_index(drop=True)) for one, points in whole if len(points)]


def draw(
    panel: Panel, axes: Axes, curves: list[Curve], x: str, y: str, scales: tuple[float, float], sidestep: bool = False
) -> None:
    """Draw the mean of y against the mean of x as lines with marks, and 95 % intervals as bars.

    scales: what x and y are multiplied with; 100 for a fraction, whose interval then ends at 0 and 100.
    sidestep: x is a coordinate that series share and not a result: no bars along x, marks side by side.
    """
    house = panel_styles(panel)
    shifts = _shifts(curves, x, scales[0]) if sidestep else [0.0] * len(curves)
    for curve, shift in zip(curves, shifts, strict=True):
        colour, mark = house[curve.series.method]
        line = LINES[curve.series.variant % len(LINES)]
        hollow = "white" if curve.series.variant % 2 else colour
        points = curve.points
        axes.errorbar(
            points[x] * scales[0] + shift,
            points[y] * scales[1],
            xerr=None if sidestep else _bars(points, x, scales[0]),
            yerr=_bars(points, y, scales[1]),
            color=colour, marker=mark, linestyle=line, markerfacecolor=hollow, markeredgewidth=pt(0.8),
            elinewidth=pt(0.7), capsize=pt(1.5), capthick=pt(0.7),
        )  # fmt: skip
        panel.handles.setdefault(
            curve.series.label,
            Line2D([], [], color=colour, marker=mark, linestyle=line, markerfacecolor=hollow, markeredgewidth=pt(0.8)),
        )


def panel_styles(panel: Panel) -> dict[str, Style]:
    """Return the style of every method of the results that a figure belongs to."""
    subject = panel.setting
    return styles((subject.results if isinstance(subject, Setting) else subject).methods)


def draw_dense(panel: Panel, axes: Axes, setting: Setting) -> None:
    """Draw the accuracy of the dense network of a setting as a line, and its interval as a band."""
    for i, series in enumerate(dense_series(setting)):
        mean, half, n, _ = over_seeds(series.rows, "test_top1")
        axes.axhline(100 * mean, color=DENSE_COLOUR, linestyle=LINES[1 + i % 3], linewidth=pt(0.9), zorder=1)
        if n > 1:
            percent_band(axes, mean, half, DENSE_COLOUR)
        handle = Line2D([], [], color=DENSE_COLOUR, linestyle=LINES[1 + i % 3], linewidth=pt(0.9))
        panel.handles.setdefault(series.label, handle)


def percent_band(axes: Axes, mean: float, half: float, colour: str) -> None:
    """Draw the interval of a fraction as a band over all x, in percent; it ends at 0 and 100."""
    low, high = max(0.0, 100 * (mean - half)), min(100.0, 100 * (mean + half))
    axes.axhspan(low, high, color=colour, alpha=0.1, linewidth=0, zorder=0)


def legend_line(style: Style, line: Any) -> Line2D:
    """Return what the legend shows of a series: its line with its mark."""
    return Line2D([], [], color=style.colour, marker=style.mark, linestyle=line, markeredgewidth=pt(0.8))


def draw_par(panel: Panel, axes: Axes, vertical: bool = False) -> None:
    """Draw the line at a speedup of 1, which is the dense network."""
    line = axes.axvline if vertical else axes.axhline
    dotted: dict[str, Any] = {"color": DENSE_COLOUR, "linestyle": ":", "linewidth": pt(0.9)}
    line(1, zorder=1, **dotted)
    panel.handles.setdefault("speedup 1", Line2D([], [], **dotted))


def sparsity_axis(axes: Axes, curves: list[Curve]) -> None:
    """Label x as group sparsity in percent, with ticks at the sparsities asked for, as far as they have room."""
    points = pd.concat([curve.points for curve in curves])
    low, high = 100 * points["group_sparsity"].min(), 100 * points["group_sparsity"].max()
    ticks: list[float] = []
    for level in sorted({round(100 * (1 - keep), 1) for keep in points["keep"]}, reverse=True):
        if low - 2 <= level <= high + 2 and (not ticks or ticks[-1] - level > 0.09 * (high - low)):
            ticks.append(level)
    if len(ticks) > 1 or high - low < 2:
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel("Group sparsity (%), marks set side by side")


def seeds(curves: list[Curve], column: str) -> str:
    """Say how many seeds a mean has and what the bars are."""
    counts = pd.concat([curve.points[f"{column}_n"] for curve in curves]).astype(int)
    low, high = int(counts.min()), int(counts.max())
    if high == 1:
        return "1 seed, hence no intervals"
    return f"{seeds_between(low, high)}, mean and 95 % t-interval" + (", none for 1 seed" if low == 1 else "")


def finish(panel: Panel, lines: list[str], subject: str | None = None) -> Figure:
    """Put the setting and these lines above the axes and the legend below them, and make room for both.

    Below the lines stands what is to be said of the trials: choices, failures, old rules.
    subject: the first line, where it is not the setting and its usual grouping. Notes below the legend are small print:
    see `analysis.small_print`.
    """
    figure = panel.figure
    heading = [subject or usual_subject(panel.setting), *lines, *panel.setting.remarks]
    room = look().room * figure.get_figwidth() / look().column
    wrapped = [part for line in heading for part in textwrap.wrap(line, int(60 * room))]
    figure.set_label("\n".join(heading))  # unbroken, for those who do not see the figure
    title = figure.suptitle("\n".join(wrapped), fontsize=pt(7), linespacing=1.25)
    legend = _legend(panel)
    extra = sum(_inches(figure, artist)[1] for artist in (title, legend))
    figure.set_figheight(figure.get_figheight() + extra)
    figure.draw_without_rendering()  # the ticks follow the size, and the layout of the next draw the ticks
    return figure


def usual_subject(subject: Setting | Results) -> str:
    """Return the setting in words, with its usual grouping."""
    if isinstance(subject, Results):
        return subject.title
    grouping = majority(subject.pruned, "grouping")
    return f"{subject.title}, {grouping} groups" if grouping else subject.title


def save(figure: Figure, stem: Path, formats: Sequence[str]) -> list[Path]:
    """Write a figure as STEM.png and so on, the same bytes each time, and return the paths."""
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in formats]
    for suffix, path in zip(formats, paths, strict=True):
        figure.savefig(path, format=suffix, metadata=METADATA[suffix])
    return paths


def percent_bars(points: pd.DataFrame, column: str) -> list[list[float]]:
    """Return how far the intervals of a fraction reach down and up in percent: nowhere from one seed."""
    return _bars(points, column, 100)


def _bars(points: pd.DataFrame, column: str, scale: float) -> list[list[float]]:
    """Return how far the interval reaches down and up; nowhere from one seed, and never past the ends of a fraction."""
    mean, half = points[column] * scale, points[f"{column}_half"].fillna(0) * scale
    down, up = half.clip(upper=mean), half.clip(upper=100 - mean) if scale == 100 else half
    return [list(down), list(up)]


def _shifts(curves: list[Curve], x: str, scale: float) -> list[float]:
    """Return a step to the side for each series, small against the axis, so that their bars stay apart."""
    points = pd.concat([curve.points for curve in curves])
    levels = sorted(points.groupby("keep")[x].mean() * scale)
    reach = levels[-1] - levels[0] or 1.0
    gap = min((b - a for a, b in pairwise(levels)), default=reach)
    step = min(SIDESTEP * reach, min(SPREAD * reach, GAP_SHARE * gap) / len(curves))
    return [(i - (len(curves) - 1) / 2) * step for i in range(len(curves))]


def _legend(panel: Panel) -> Legend:
    """Return a legend below the axes in as many columns as fit the width of the figure."""
    handles = list(panel.handles.values())
    on_a_page = bool(panel.figure.get_figwidth() > look().column)
    for columns, width in (*[(6, 50), (5, 50), (4, 50)] * on_a_page, (3, 50), (2, 50), (2, 22), (1, 50)):
        letters = int(width * look().room)
        labels = ["\n".join(textwrap.wrap(label, letters, subsequent_indent="  ")) for label in panel.handles]
        legend = panel.figure.legend(handles, labels, loc="outside lower center", ncols=columns)
        if columns == 1 or _inches(panel.figure, legend)[0] <= 0.97 * panel.figure.get_figwidth():
            break
        legend.remove()
    return legend


def _inches(figure: Figure, artist: Artist) -> tuple[float, float]:
    box = artist.get_window_extent()
    return box.width / figure.dpi, box.height / figure.dpi
