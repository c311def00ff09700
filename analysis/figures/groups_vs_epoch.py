"""What the regularisers are for: groups left over the epochs, down to exactly k before anything is projected."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.annotation import in_order
from analysis.frame import Frame
from analysis.merging import merged, partly
from analysis.plot import axes as axis
from analysis.plot.facets import OTHERS, Plot, described, facets, label
from analysis.plot.marks import GREY, draw_line, exact_handles, exact_look, fill, legend_line
from analysis.plot.style import DENSE_COLOUR, LINES, pt
from analysis.registry import FigureEntry
from analysis.select import tried_said
from analysis.statistics import points, seeds_said
from analysis.trajectories import left_out, trajectories
from analysis.wording import listed
from results.errors import Skip

CELLS = ["panel", "keep"]
SAME, HIDDEN = 5.0, 1.0  # points: panels whose lines differ by no more are one; a line this near another lies under it
NEAR = 7.0  # points: marks at the end that would touch
BEYOND = 10.0  # points beyond the dense network and the lowest mean that an interval may reach
END = -1  # stands for the end among the epochs
BARS = 10  # intervals along a line, at most
STEP, TICKS = 5, 25  # points of paper: between marks at the end, and the width of the labels left of a panel
TARGET = "target k"
MEANING = "Groups above k: 100 % is the dense network, 0 % exactly k. The mark at the end tells the k-level"


def data(frame: Frame) -> pd.DataFrame:
    """Return a row per panel, line and epoch x with y, the groups left above k in percent of those that have to go.

    low, high: the range over the families. filled: how the mark at the end is filled. A panel stands for all conditions
    and keeps whose lines are alike. Raises Skip if no trial tells.
    """
    rows = frame.tuned
    trains = rows["sparsify_epochs"] != 0 if "sparsify_epochs" in rows else rows["keep"].notna()
    rows, still = rows[trains], in_order(sorted(set(rows["line"]) - set(rows["line"][trains])))
    if rows.empty:
        raise Skip(f"no method of {frame.title} has a sparsify phase")
    found = trajectories(rows, frame.epochs)
    lost = left_out(found.unusable, dict(zip(rows["trial"], map(frame.name, rows["line"]), strict=True)))
    if not found.ends:
        raise Skip(f"no groups over epochs for {frame.title}: {'; '.join(lost)}")
    told = found.points.merge(rows[["trial", "seed", "line", "variant", *CELLS]], on="trial")
    ends = told.drop_duplicates("trial").assign(epoch=END, y=lambda one: 100.0 * one["trial"].map(found.ends))
    titles = merged(points(pd.concat([told, ends]), [*CELLS, "line", "epoch"], ["y"]), ["epoch"], "y", SAME)
    lines = _lines(told, ends, titles)
    held, cut = axis.holding(lines, min(0.0, lines["y"].min()) - BEYOND, 100 + BEYOND, frame.name)
    shared = f"Panels whose lines differ by at most {SAME:g} points are one, their mean"
    caption = [
        seeds_said(lines["n"]),
        MEANING,
        "Band: range over the families" if lines["low"].notna().any() else "",
        shared if len(set(titles.values())) < len(titles) else "",
        *partly(told, titles, frame.name),
        *_hidden(lines, frame),
        tried_said(rows, "per keep", frame.name),
        f"Not training, hence not drawn: {', '.join(map(frame.name, still))}" if still else "",
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


def _lines(told: pd.DataFrame, ends: pd.DataFrame, titles: dict[tuple[str, float], str]) -> pd.DataFrame:
    """Return the points of each line in the panels with these titles, and how its mark is filled."""
    told, ends = (
        rows.assign(panel=[titles[cell] for cell in zip(rows["panel"], rows["keep"], strict=True)])
        for rows in (told, ends)
    )
    lines = points(told, ["panel", "line", "epoch"], ["y", "low", "high"])
    order = list(dict.fromkeys(titles.values()))
    lines = lines.sort_values("panel", key=lambda names: names.map(order.index), kind="stable", ignore_index=True)
    marks = ends.groupby(["panel", "line"]).agg(exact=("y", "sum"), n=("y", "count"), variant=("variant", "first"))
    marks["filled"] = [fill(exact / 100, n) for exact, n in zip(marks["exact"], marks["n"], strict=True)]
    lines = lines.join(marks[["filled", "variant"]], on=["panel", "line"])
    half = lines["y_half"].fillna(0)
    return pd.DataFrame({
        **lines[["panel", "line", "variant", "filled", "y", "y_half", "low", "high"]], "x": lines["epoch"],
        "n": lines["y_n"], "y_low": lines["y"] - half, "y_high": lines["y"] + half,
        "place": "epoch " + lines["epoch"].astype(str),
    })  # fmt: skip


def _hidden(lines: pd.DataFrame, frame: Frame) -> list[str]:
    """Say which lines lie under one another, in some panel."""
    found: dict[str, None] = {}
    for _, rows in lines.groupby("panel", sort=False):
        same = merged(rows.assign(panel=rows["line"], line=""), ["x"], "y", HIDDEN, ["panel"])
        for title in dict.fromkeys(same.values()):
            names = [frame.name(str(line)) for (line,), group in same.items() if group == title]
            found |= {listed(names, 12): None} if len(names) > 1 else {}
    return [f"Under one another: {'; '.join(found)}"] if found else []


def _panel(plot: Plot, axes: Axes, rows: pd.DataFrame) -> None:
    last = float(rows["x"].max())
    lead = plot.lead(rows)
    step = _step(plot) * last
    ended: list[tuple[float, float, int]] = []  # x, y, and how many marks were there before
    axes.axhline(0, color=DENSE_COLOUR, linestyle=":", linewidth=pt(0.9), zorder=1)
    for line in in_order(list(rows["line"])):
        mine, style = rows[rows["line"] == line], plot.style(line)
        if line not in lead:
            draw_line(axes, mine, style, grey=True)
            plot.handles[OTHERS] = Line2D([], [], color=GREY, linewidth=pt(0.7))
            continue
        variant = int(mine["variant"].iloc[0])
        axes.errorbar(
            mine["x"], mine["y"], yerr=mine["y_half"].where(mine["y_half"] > 0), color=style.colour,
            linestyle=LINES[variant % len(LINES)], elinewidth=pt(0.7), capsize=pt(1.2), capthick=pt(0.6),
            errorevery=math.ceil(len(mine) / BARS), zorder=3,
        )  # fmt: skip
        axes.fill_between(mine["x"], mine["low"], mine["high"], color=style.colour, alpha=0.13, linewidth=0, zorder=2)
        end, y = float(mine["x"].iloc[-1]), float(mine["y"].iloc[-1])
        near = sum(x == end and abs(there - y) < NEAR for x, there, _ in ended)
        ended.append((end, y, near))
        look = exact_look(style, str(mine["filled"].iloc[0]))
        axes.plot([end + near * step], [y], zorder=4, clip_on=False, **look)
        handle = legend_line(style, variant)
        handle.set_markerfacecolor(style.colour)
        plot.handles.setdefault(plot.name(line), handle)
    at = [tick for tick in axis.ticks(0, last, most=6) if tick.is_integer()]
    beside = max((near for x, _, near in ended if x == last), default=0)
    axis.set_scale([axes], "x", [0, last + beside * step], at=at, margin=0.04)


def _step(plot: Plot) -> float:
    """Return how far apart the marks at the end have to be, as a part of x, to lie side by side."""
    columns = plot.axes[0].get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
    return pt(STEP) / (72 * float(plot.figure.get_figwidth()) / columns - pt(TICKS))


FIGURES = (
    FigureEntry(
        "groups_vs_epoch",
        "Groups left above k against epoch: whether the methods that train reach exactly k before projection.",
        ("epochs.nonzero_groups", "epochs.epoch", "epochs.phase", "groups_target"),
        by_grouping=True,
        data=data,
        draw=draw,
    ),
)
