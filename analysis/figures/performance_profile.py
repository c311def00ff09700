"""How often a method is close to the best: performance profiles over all problems."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from analysis.annotation import in_order
from analysis.frame import Frame
from analysis.plot import axes as axis
from analysis.plot.facets import OTHERS, Plot, described, facets, label
from analysis.plot.marks import GREY, legend_line, line_look
from analysis.plot.style import pt
from analysis.ranking import Ranking, choice_said, panel_of, rankings, shown, variants
from analysis.registry import FigureEntry
from results.errors import Skip

FEWEST = 4  # problems: a share of fewer tells less than their list
APART, SPREAD = 1.2, 8  # points between lines, which would hide each other at one share; all of them together at most
MARKS = 8  # along a line, at most
BEYOND = 1.04  # times the largest loss: where the lines end


def data(frame: Frame) -> pd.DataFrame:
    """Return the corners of each contender's step line: x, points below the best, and y, the share of problems (%).

    marked: whether a corner has a mark. Raises Skip if no ranking has problems enough.
    """
    found = shown(rankings(frame))
    enough = [one for one in found if len(one.scores) >= FEWEST]
    if not enough:
        raise Skip(f"a profile takes {FEWEST} problems of the same methods, and there are {len(found[0].scores)}")
    numbers = variants(enough)
    parts = [
        _corners(ranking, name).assign(panel=panel_of(ranking, enough), line=name, variant=numbers[name])
        for ranking in enough
        for name in in_order(ranking.contenders)
    ]
    caption = [
        "Share of problems in which a method is within so many points of the best, the lines set a little apart; a "
        "problem on which every seed failed counts as never",
        *(one.said for one in enough),
        *choice_said(frame),
    ]
    corners = pd.concat(parts, ignore_index=True)
    return described(corners, frame, caption, "Performance profile", scale=axis.far_reaching(corners["x"]))


def _corners(ranking: Ranking, contender: str) -> pd.DataFrame:
    """Return the losses in points at which the profile rises, and the share from there on, from 0 to its end.

    E. D. Dolan and J. J. Moré, "Benchmarking optimization software with performance profiles", Math. Program. 91
    (2002), with test top-1 for their time, and the difference to the best for the ratio: a point is a point at any
    height. A contender that failed on a problem never arrives.
    """
    reached = ranking.losses[contender][~ranking.failed[contender]]
    shares = 100 * reached.value_counts().sort_index().cumsum() / len(ranking.losses)
    rises = pd.DataFrame({"x": shares.index, "y": shares.to_numpy(dtype="float64"), "marked": False})
    some = {round(i) for i in np.linspace(0, len(rises) - 1, min(len(rises), MARKS))}
    rises["marked"] = [i in some for i in range(len(rises))]
    largest = float(ranking.losses.where(~ranking.failed).max().max())
    ends = [{"x": 0.0, "y": 0.0, "marked": False}] if not (rises["x"] == 0).any() else []
    last = {"x": BEYOND * largest if largest > 0 else 1.0, "y": shares.max() if len(shares) else 0.0, "marked": False}
    return pd.concat([pd.DataFrame(ends), rises, pd.DataFrame([last])], ignore_index=True)


def draw(data: pd.DataFrame) -> Figure:
    """Draw the profile of each contender as a step line, with marks where it rises."""
    plot = facets(data, share_x=False)
    scale = data.attrs["scale"]
    for panel in plot.panels():
        _panel(plot, panel.axes, panel.rows)
        axis.set_scale([panel.axes], "x", panel.rows["x"], scale, margin=0.02)
        panel.axes.set_xlim(right=panel.rows["x"].max())
    axis.set_scale(plot.axes, "y", [0.0, 100.0], margin=0.05)
    label(plot, f"Points of test top-1 below the best{', log scale beyond 1' * (scale == 'symlog')}", "Problems (%)")
    return plot.finish()


def _panel(plot: Plot, axes: Axes, rows: pd.DataFrame) -> None:
    names, lead = in_order(list(rows["line"])), plot.lead(rows)
    step = min(APART, SPREAD / len(names))
    for i, name in enumerate(names):
        mine = rows[rows["line"] == name]
        variant, style = int(mine["variant"].iloc[0]), plot.style(name)
        look = line_look(style, variant) | {"markevery": [*np.flatnonzero(mine["marked"])], "zorder": 3}
        if name not in lead:
            look |= {"color": GREY, "marker": "", "linewidth": pt(0.7), "zorder": 2}
            plot.handles[OTHERS] = Line2D([], [], color=GREY, linewidth=pt(0.7))
        else:
            plot.handles.setdefault(plot.name(name), legend_line(style, variant))
        up = ScaledTranslation(0, pt(step) * ((len(names) - 1) / 2 - i) / 72, plot.figure.dpi_scale_trans)
        axes.step(mine["x"], mine["y"], where="post", transform=axes.transData + up, clip_on=False, label=name, **look)


PERFORMANCE_PROFILE = FigureEntry(
    "performance_profile",
    "Share of problems in which a method is within x points of the best, over all settings.",
    ("test_top1",),
    whole=True,
    data=data,
    draw=draw,
)
