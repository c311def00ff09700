"""What the regularisers are for: groups left over the epochs, down to exactly k before anything is projected."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.annotation import named
from analysis.entries import FigureEntry
from analysis.frame import Frame
from analysis.merging import alike, merged
from analysis.plot import axes as axis
from analysis.plot.facets import Plot, described, facets, label
from analysis.plot.marks import draw_line, exact_handles, exact_look, fill, legend_line
from analysis.plot.style import DENSE_COLOUR, LINES, pt
from analysis.select import tried_said
from analysis.statistics import points, seeds_said
from analysis.trajectories import trajectories
from analysis.wording import listed
from results.errors import Skip

CELLS = ["panel", "keep"]
SAME, HIDDEN = 5.0, 1.0  # points: panels whose lines differ by no more are one; a line this near another lies under it
NEAR = 7.0  # points: marks at the end that would touch
BEYOND = 10.0  # points beyond the dense network and the lowest mean that an interval may reach
BARS = 10  # intervals along a line, at most
STEP, TICKS = 5, 25  # points of paper: between marks at the end, and the width of the labels left of a panel
TARGET = "target k"
MEANING = "Groups above k: 100 % is the dense network, 0 % exactly k. The mark at the end tells the k-level"
SHARED = f"Panels whose lines differ by at most {SAME:g} points are one, their mean"


def data(frame: Frame) -> pd.DataFrame:
    """Return a row per panel, line and epoch x with y, the groups left above k in percent of those that have to go.

    low, high: the range over the families. filled: how the mark at the end is filled. A panel stands for all conditions
    and keeps whose lines are alike. Raises Skip if no trial tells.
    """
    rows = frame.tuned
    trained = rows[rows["sparsify_epochs"] != 0] if "sparsify_epochs" in rows else rows
    if trained.empty:
        raise Skip(f"no method of {frame.title} has a sparsify phase")
    told, lost = trajectories(trained, frame.epochs, frame.name)
    if told.empty:
        raise Skip(f"no groups over epochs for {frame.title}: {'; '.join(lost)}")
    told = told.merge(rows[["trial", "seed", "line", "variant", *CELLS]], on="trial")
    told, shared = merged(told, CELLS, "epoch", ["y", "exact"], SAME, frame.name, SHARED)
    lines = _lines(told)
    held, cut = axis.holding(lines, min(0.0, lines["y"].min()) - BEYOND, 100 + BEYOND, frame.name)
    caption = [
        seeds_said(lines["n"]),
        MEANING,
        "Band: range over the families" if lines["low"].notna().any() else "",
        *shared,
        *_hidden(lines, frame),
        tried_said(trained, "per keep", frame.name),
        named("Not training, hence not drawn", set(rows["line"]) - set(trained["line"]), frame.name),
        *cut,
        *lost,
    ]
    return described(lines, frame, caption, held=[0.0, 100.0, *held])


def draw(data: pd.DataFrame) -> Figure:
    """Draw a line per method with bars and a band, and its mark at the end, beside those that end at the same place."""
    plot = facets(data, share_x=False)
    for panel in plot.panels():
        _panel(plot, panel.axes, panel.rows)
    plot.handles[TARGET] = Line2D([], [], color=DENSE_COLOUR, linestyle=":", linewidth=pt(0.9))
    plot.handles |= exact_handles(set(data["filled"]))
    axis.set_scale(plot.axes, "y", data.attrs["held"])
    label(plot, "Sparsify epoch", "Groups above k (%)")
    return plot.finish()


def _lines(told: pd.DataFrame) -> pd.DataFrame:
    """Return the points of each line, panels as they first come, and how its mark is filled."""
    lines = points(told, ["panel", "line", "variant", "epoch"], ["y", "low", "high", "exact"])
    order = list(told["panel"].unique())
    lines = lines.sort_values("panel", key=lambda names: names.map(order.index), kind="stable", ignore_index=True)
    half = lines["y_half"].fillna(0)
    return lines.rename(columns={"epoch": "x", "y_n": "n"}).assign(
        filled=lines.groupby(["panel", "line"])["exact"].transform("mean").map(fill),
        y_low=lines["y"] - half, y_high=lines["y"] + half, place="epoch " + lines["epoch"].astype(str),
    )  # fmt: skip


def _hidden(lines: pd.DataFrame, frame: Frame) -> list[str]:
    """Say which lines lie under one another, in some panel."""
    groups = [
        [frame.name(line) for (line,) in group]
        for _, rows in lines.groupby("panel", sort=False)
        for group in alike(rows.assign(panel=rows["line"], line=""), ["panel"], "x", ["y"], HIDDEN)
    ]
    found = dict.fromkeys(listed(names, 12) for names in groups if len(names) > 1)
    return [f"Under one another: {'; '.join(found)}"] if found else []


def _panel(plot: Plot, axes: Axes, rows: pd.DataFrame) -> None:
    last = float(rows["x"].max())
    step = STEP / (72 * plot.width - TICKS) * last
    ended: list[tuple[float, float, int]] = []  # x, y, and how many marks were there before
    axes.axhline(0, color=DENSE_COLOUR, linestyle=":", linewidth=pt(0.9), zorder=1)
    for line in plot.lines(rows):
        mine, colour = line.rows, line.style.colour
        if not line.told:
            draw_line(axes, mine, line.style, grey=True)
            continue
        axes.errorbar(
            mine["x"], mine["y"], yerr=mine["y_half"].where(mine["y_half"] > 0), color=colour,
            linestyle=LINES[line.variant % len(LINES)], elinewidth=pt(0.7), capsize=pt(1.2), capthick=pt(0.6),
            errorevery=math.ceil(len(mine) / BARS), zorder=3,
        )  # fmt: skip
        axes.fill_between(mine["x"], mine["low"], mine["high"], color=colour, alpha=0.13, linewidth=0, zorder=2)
        end = mine.iloc[-1]
        near = sum(x == end["x"] and abs(y - end["y"]) < NEAR for x, y, _ in ended)
        ended.append((end["x"], end["y"], near))
        axes.plot(
            [end["x"] + near * step], [end["y"]], zorder=4, clip_on=False, **exact_look(line.style, end["filled"])
        )
        plot.handles.setdefault(plot.name(line.name), legend_line(line.style, line.variant, solid=True))
    at = [tick for tick in axis.ticks(0, last, most=6) if tick.is_integer()]
    beside = max((near for x, _, near in ended if x == last), default=0)
    axis.set_scale([axes], "x", [0, last + beside * step], at=at, margin=0.04)


GROUPS_VS_EPOCH = FigureEntry(
    "groups_vs_epoch",
    "Groups left above k against epoch: whether the methods that train reach exactly k before projection.",
    ("epochs.nonzero_groups", "epochs.epoch", "epochs.phase", "groups_target"),
    by_grouping=True,
    data=data,
    draw=draw,
)
