"""What is worth running: accuracy over the time that a network really takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.experiments import Experiment, Experiments, experiments
from analysis.frontier import on_frontier
from analysis.grid import grid, label_left
from analysis.load import DENSE, Setting
from analysis.panels import legend_in_order, unmeasured, without_dense
from analysis.plotting import Curve, Panel, curves_of, finish, legend_line, panel_styles, percent_bars, seeds
from analysis.ratios import ratio_axis
from analysis.registry import entry
from analysis.series import devices
from analysis.statistics import over_seeds
from analysis.style import DENSE_COLOUR, LINES, Style, pt
from analysis.timed import Condition, conditions
from analysis.tuning import chosen
from results.errors import Skip

HEIGHT, HEIGHT_ALONE = 1.7, 2.3  # inches
WIDE = 4  # from where the largest time is more than this many times the smallest the axis is logarithmic
PALE = 0.45  # the opacity of intervals and of the lines through the networks of a method: times are noisy
DENSE_MARK = "*"
FRONTIER = "Pareto frontier"
READ = "filled: on the frontier; dense: median time and quartiles over all trials; others: that median / speedup"


@dataclass(frozen=True)
class _Mark:
    """A network: its time in ms and accuracy in percent, how far their bars reach down and up, and its look."""

    x: float
    y: float
    x_bar: list[list[float]]
    y_bar: list[list[float]]
    style: Style
    dense: bool = False


@entry("test_top1", "latency.median_ms", "latency.network", by_grouping=True)
def pareto(setting: Setting) -> Figure:
    """Test accuracy against the measured time of the network, one panel per batch size, with the Pareto frontier.

    A mark is the mean over the seeds of a method at one keep. The time of the dense network is the median over all
    trials that measured it, with the quartiles as its bar; that of a pruned network is this median over the speedup of
    its trial, for a trial times both in turn (`analysis.timed`).
    """
    timed = conditions(setting)
    setting = chosen(setting)
    cut = experiments(setting)
    curves = {(i, j): _curves(one, c) for i, one in enumerate(cut.found) for j, c in enumerate(timed)}
    shown = [i for i in range(len(cut.found)) if any(curves[i, j] for j in range(len(timed)))]
    everything = [curve for some in curves.values() for curve in some]
    if not everything:
        raise Skip(f"no pruned trial of {setting.title} was timed")
    plot, places = _places(setting, [cut.found[i].title for i in shown], timed)
    for j, condition in enumerate(timed):
        times: list[float] = []
        for axes, i in zip(places[j], shown, strict=True):
            times += _panel(plot, axes, cut.found[i], curves[i, j], condition)
        _time_axes(places[j], times)
    label_left(plot, "Test top-1 accuracy (%)")
    legend_in_order(plot, cut.found)
    plot.handles[FRONTIER] = plot.handles.pop(FRONTIER)
    return finish(plot, _lines(setting, cut, shown, everything))


def _lines(setting: Setting, cut: Experiments, shown: list[int], everything: list[Curve]) -> list[str]:
    rows = setting.frame("latency")
    backends = sorted(rows["backend"].dropna().unique()) if "backend" in rows else []
    timed = f"timed on {devices(rows)}" + (f" with {', '.join(backends)}" if backends else "")
    lacking = without_dense([(cut.found[i], []) for i in shown])
    return [seeds(everything, "test_top1"), timed, READ, *cut.lines, *unmeasured(cut.found, everything), *lacking]


def _places(setting: Setting, titles: list[str], timed: list[Condition]) -> tuple[Panel, list[list[Axes]]]:
    """Return a figure and the axes of each condition: beside each other, or one row each where there are experiments.

    Accuracy is one axis; so is time within a condition.
    """
    labels = [f"Time (ms), {condition.label}" if condition.label else "Time (ms)" for condition in timed]
    if len(titles) == 1:
        plot, columns = grid(setting, [""] * len(timed), [HEIGHT_ALONE], "none", "all")
        places = columns
    else:
        plot, columns = grid(setting, titles, [HEIGHT] * len(timed), "row", "all")
        places = [[column[j] for column in columns] for j in range(len(timed))]
    for label, row in zip(labels, places, strict=True):
        for axes in row:
            axes.set_xlabel(label)
    return plot, places


def _curves(experiment: Experiment, condition: Condition) -> list[Curve]:
    """Return time and accuracy of each series of an experiment, a row per keep."""
    timed = [
        replace(one, rows=one.rows.assign(median_ms=one.rows["trial"].map(condition.times)))
        for one in experiment.series
    ]
    return curves_of(timed, ["median_ms", "test_top1"])


def _panel(plot: Panel, axes: Axes, experiment: Experiment, curves: list[Curve], condition: Condition) -> list[float]:
    """Draw one panel; return the times in it, in ms."""
    house = panel_styles(plot)
    marks = _dense_mark(experiment, condition)
    for curve in curves:
        style, line = house[curve.series.method], LINES[curve.series.variant % len(LINES)]
        points = curve.points
        axes.plot(
            points["median_ms"], 100 * points["test_top1"], color=style.colour, linestyle=line, linewidth=pt(0.6),
            alpha=PALE, zorder=1.5,
        )  # fmt: skip
        marks += [_mark(points.iloc[[k]], style) for k in range(len(points))]
        plot.handles.setdefault(curve.series.label, legend_line(style, line))
    if marks:
        _draw_marks(plot, axes, marks)
    return [mark.x for mark in marks]


def _mark(point: pd.DataFrame, style: Style) -> _Mark:
    half = float(point["median_ms_half"].fillna(0).iloc[0])
    time = float(point["median_ms"].iloc[0])
    bar = [[min(half, time)], [half]]
    return _Mark(time, 100 * float(point["test_top1"].iloc[0]), bar, percent_bars(point, "test_top1"), style)


def _dense_mark(experiment: Experiment, condition: Condition) -> list[_Mark]:
    """Return the dense network, if both its accuracy for this budget and its time are known."""
    accuracy = over_seeds(experiment.setting.dense, "test_top1")
    times = condition.dense["median_ms"]
    if times.empty or math.isnan(accuracy.mean):
        return []
    low, middle, high = float(times.quantile(0.25)), condition.dense_ms, float(times.quantile(0.75))
    half = 0.0 if math.isnan(accuracy.half_width) else accuracy.half_width
    y_bar = [[100 * min(half, accuracy.mean)], [100 * min(half, 1 - accuracy.mean)]]
    style = Style(DENSE_COLOUR, DENSE_MARK)
    return [_Mark(middle, 100 * accuracy.mean, [[middle - low], [high - middle]], y_bar, style, dense=True)]


def _draw_marks(plot: Panel, axes: Axes, marks: list[_Mark]) -> None:
    """Draw networks, filled where they are on the frontier, and the frontier as steps between them."""
    best = on_frontier([mark.x for mark in marks], [mark.y for mark in marks])
    for mark, filled in zip(marks, best, strict=True):
        colour = mark.style.colour
        axes.errorbar(
            [mark.x], [mark.y], xerr=mark.x_bar, yerr=mark.y_bar, color=colour, marker=mark.style.mark,
            linestyle="", markerfacecolor=colour if filled else "white", markeredgewidth=pt(0.8),
            markersize=pt(6 if mark.dense else 3.6), ecolor=to_rgba(colour, PALE), elinewidth=pt(0.5),
            capsize=pt(1.2), capthick=pt(0.5), zorder=3 + filled,
        )  # fmt: skip
        if mark.dense:
            handle = Line2D([], [], color=colour, marker=DENSE_MARK, markersize=pt(6), linestyle="")
            plot.handles.setdefault(DENSE, handle)
    steps = sorted((mark.x, mark.y) for mark, filled in zip(marks, best, strict=True) if filled)
    line: dict[str, Any] = {"color": "#9A9A9A", "linewidth": pt(1.0)}
    axes.plot(*zip(*steps, strict=True), drawstyle="steps-post", zorder=1.2, **line)
    plot.handles.setdefault(FRONTIER, Line2D([], [], **line))


def _time_axes(places: list[Axes], times: list[float]) -> None:
    """Scale the times of one condition, logarithmically where they are far apart."""
    if not times:
        return
    if max(times) > WIDE * min(times):
        for axes in places:
            ratio_axis(axes, min(times), max(times), decimal=True)
        return
    reach = np.ptp(times) or 0.2 * times[0]
    for axes in places:
        axes.set_xlim(max(0.0, min(times) - 0.12 * reach), max(times) + 0.12 * reach)
        axes.xaxis.set_major_locator(MaxNLocator(5))
