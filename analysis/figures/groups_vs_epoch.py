"""What the regularisers are for: groups left over the epochs, down to the target before anything is projected."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.choice import few, numbered, tried_said
from analysis.identity import contenders
from analysis.klevel import Count
from analysis.load import Setting
from analysis.marks import explain, fill, mark_look
from analysis.multiples import Cell, apart, cells, multiples, shared
from analysis.plotting import Curve, Panel, finish, legend_line, seeds
from analysis.registry import entry
from analysis.series import Series, held, series_within
from analysis.statistics import by
from analysis.style import DENSE_COLOUR, LINES, Style, pt, styles
from analysis.trajectories import Trajectories, summary, trajectories
from analysis.tuning import chosen
from results.errors import Skip

BARS = 10  # intervals along a line, at most
STEP, TICKS = 5, 25  # points: between the marks at the end, and the width of the labels left of a panel
TARGET = "target k"
AFTER = ("finetune_epochs", "realisation")  # make no difference to the sparsify phase


@dataclass
class _Drawing:
    """What the panels share while they are drawn."""

    plot: Panel
    found: Trajectories
    styles: dict[str, Style]
    curves: list[Curve]
    fills: set[str | None]
    emptied: list[str]


@entry("epochs.nonzero_groups", "epochs.epoch", "epochs.phase", "groups_target", by_grouping=True)
def groups_vs_epoch(setting: Setting) -> Figure:
    """Groups left / target against epoch: whether the methods that train reach exactly k before projection.

    A panel for each keep and experiment. The line is all families together, its mark at the end is filled where every
    family of every seed had exactly k groups left.
    """
    still, rows = _trained(setting)
    setting = chosen(setting)
    found = trajectories(setting, rows[rows["trial"].isin(setting.pruned["trial"])])
    rows = setting.pruned[setting.pruned["trial"].isin(rows["trial"])]
    everything = series_within(rows, (*apart(rows), *AFTER, "keep"))
    names = {str(trial): series.label for series in everything for trial in series.rows["trial"]}
    if not found.ends:
        raise Skip(f"no groups over epochs for {setting.title}: {'; '.join(summary(names, found.unusable))}")
    panels = cells(rows[rows["trial"].isin(list(found.ends))])
    parts = [held(everything, cell.rows) for cell in panels]
    choices = [few(here) for here in parts]
    reduced = any(len(some) < len(here) for some, here in zip(choices, parts, strict=True))
    variants = numbered(everything, {one.label for some in choices for one in some})
    plot, axes = multiples(setting, panels, "Sparsify epoch", "Groups left / target")
    drawing = _Drawing(plot, found, styles(setting.results.methods), [], set(), [])
    for places, cell, some in zip(axes, panels, choices, strict=True):
        _draw(drawing, places, cell, [replace(one, variant=variants[one.label]) for one in some])
    plot.handles[TARGET] = Line2D([], [], color=DENSE_COLOUR, linestyle=":", linewidth=pt(0.9))
    explain(plot, drawing.fills)
    lines = [
        seeds(drawing.curves, "left") + (_band(drawing.curves)),
        tried_said(rows.assign(contender=contenders(rows)), list(panels[0].key), "per panel") if reduced else "",
        *(f"no group left, hence on the axis: {name}" for name in drawing.emptied),
        f"not training, hence not drawn: {', '.join(still)}" if still else "",
        *summary(names, found.unusable),
    ]
    return finish(plot, [line for line in lines if line], f"{setting.title}: {shared(panels)}")


def _trained(setting: Setting) -> tuple[list[str], pd.DataFrame]:
    """Return the methods that have no sparsify phase at all, and the trials that have one."""
    rows = setting.pruned
    trains = rows["sparsify_epochs"] != 0 if "sparsify_epochs" in rows else pd.Series(True, index=rows.index)
    still = sorted(set(rows["method"]) - set(rows["method"][trains]))
    if not trains.any():
        raise Skip(f"no method of {setting.title} has a sparsify phase")
    return still, rows[trains]


def _draw(drawing: _Drawing, axes: Axes, cell: Cell, series: list[Series]) -> None:
    """Draw the lines of one panel, and their marks at the end side by side."""
    last = float(cell.holds(drawing.found.points)["epoch"].max())
    axes.axhline(1, color=DENSE_COLOUR, linestyle=":", linewidth=pt(0.9), zorder=1)
    step = _step(drawing.plot)
    levels = [1.0]
    for i, one in enumerate(series):
        rows = drawing.found.points[drawing.found.points["trial"].isin(one.rows["trial"])]
        points = by(rows, "epoch", ["left", "low", "high"])
        drawing.curves.append(Curve(one, points))
        _line(drawing, axes, one, points)
        ends = [drawing.found.ends[str(trial)] for trial in one.rows["trial"]]
        filled = fill(Count(sum(ends), len(ends)))
        drawing.fills.add(filled)
        end = points["left"].iloc[-1]
        where = axes.transData if end else axes.get_xaxis_transform()  # zero has no place on the axis: at its end
        at = last * (1 + step * i)
        axes.plot(
            [at], [end], transform=where, zorder=4, clip_on=False, **mark_look(drawing.styles[one.method], filled)
        )
        if not end:
            drawing.emptied.append(f"{one.label} (keep {cell.key['keep']:g})")
        levels += [value for value in (*points["left"], *points["low"], *points["high"]) if value > 0]
    _axes(axes, last, step * (len(series) - 1), levels)


def _step(plot: Panel) -> float:
    """Return how far apart the marks at the end have to be, as a part of x, to lie side by side."""
    across = len({place.colspan.start for axes in plot.axes if (place := axes.get_subplotspec())})
    return pt(STEP) / (72 * float(plot.figure.get_figwidth()) / across - pt(TICKS))


def _line(drawing: _Drawing, axes: Axes, series: Series, points: pd.DataFrame) -> None:
    """Draw a mean with intervals as bars, and the range over the families as a band."""
    style = drawing.styles[series.method]
    line = LINES[series.variant % len(LINES)]
    axes.errorbar(
        points["epoch"], points["left"], yerr=points["left_half"].where(points["left_half"] > 0),
        color=style.colour, linestyle=line, elinewidth=pt(0.7), capsize=pt(1.2), capthick=pt(0.6),
        errorevery=math.ceil(len(points) / BARS), zorder=3,
    )  # fmt: skip
    axes.fill_between(
        points["epoch"], points["low"], points["high"], color=style.colour, alpha=0.13, linewidth=0, zorder=2
    )
    drawing.plot.handles.setdefault(series.label, legend_line(style, line))


def _axes(axes: Axes, last: float, room: float, levels: list[float]) -> None:
    """Make y logarithmic with a few round ticks, and leave room for the marks at the end."""
    low, high = min(*levels, 0.9) / 1.12, max(*levels, 1.15) * 1.12
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(low, high)
    ticks = _ticks(low, high)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_xlim(-0.03 * last, last * (1.05 + room))
    axes.set_xticks([tick for tick in MaxNLocator(4, integer=True).tick_values(0, last) if 0 <= tick <= last])


def _ticks(low: float, high: float) -> list[float]:
    """Return three to seven round numbers between low and high, among them 1; fewer where there is no room."""
    ticks: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        finer = sorted(s * 10.0**e for s, e in product(steps, range(-16, 17)) if low <= s * 10.0**e <= high)
        if len(finer) > 7:
            break
        ticks = finer
    return ticks or [1.0]


def _band(curves: list[Curve]) -> str:
    return "; band: range over the families" if any(c.points["low"].notna().any() for c in curves) else ""
