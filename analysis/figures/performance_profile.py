"""How often a method is close to the best: performance profiles over all problems."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from analysis.annotation import in_order, variants
from analysis.entries import FigureEntry
from analysis.frame import Frame
from analysis.plot import axes as axis
from analysis.plot.facets import Plot, described, facets, label
from analysis.plot.marks import GREY, line_look, side_by_side
from analysis.plot.style import pt
from analysis.ranking import Ranking, choice_said, panel_of, rankings, shown
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
    corners = pd.concat(
        [
            _corners(ranking, name).assign(panel=panel_of(ranking, enough), line=name)
            for ranking in enough
            for name in in_order(ranking.contenders)
        ],
        ignore_index=True,
    )
    corners["variant"] = corners["line"].map(variants(corners["line"]))
    caption = [
        "Share of problems in which a method is within so many points of the best, the lines set a little apart; a "
        "problem on which every seed failed counts as never",
        *(one.said for one in enough),
        *choice_said(frame),
    ]
    return described(corners, frame, caption, "Performance profile", scale=axis.far_reaching(corners["x"]))


def _corners(ranking: Ranking, contender: str) -> pd.DataFrame:
    """Return the losses in points at which the profile rises, and the share from there on, from 0 to its end.

    E. D. Dolan and J. J. Moré, "Benchmarking optimization software with performance profiles", Math. Program. 91
    (2002), with test top-1 for their time, and the difference to the best for the ratio: a point is a point at any
    height. A contender that failed on a problem never arrives.
    """
    reached = ranking.losses[contender][~ranking.failed[contender]]
    shares = 100 * reached.value_counts().sort_index().cumsum() / len(ranking.losses)
    marked = shares.index[np.linspace(0, len(shares) - 1, min(len(shares), MARKS)).round().astype(int)]
    largest = float(ranking.losses.where(~ranking.failed).max().max())
    end = BEYOND * largest if largest > 0 else 1.0
    whole = shares.reindex(sorted({0.0, *shares.index, end})).ffill().fillna(0.0)
    return pd.DataFrame({"x": whole.index, "y": whole.to_numpy(), "marked": whole.index.isin(marked)})


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
    count = rows["line"].nunique()
    for line, up in zip(plot.lines(rows), side_by_side(count, -min(APART, SPREAD / count)), strict=True):
        x, y, marked = line.rows["x"], line.rows["y"], line.rows["marked"]
        look = line_look(line.style, line.variant) | {"markevery": [*np.flatnonzero(marked)], "zorder": 3}
        if not line.told:
            look |= {"color": GREY, "marker": "", "linewidth": pt(0.7), "zorder": 2}
        aside = axes.transData + ScaledTranslation(0, pt(up) / 72, plot.figure.dpi_scale_trans)
        axes.step(x, y, where="post", transform=aside, clip_on=False, label=line.name, **look)


PERFORMANCE_PROFILE = FigureEntry(
    "performance_profile",
    "Share of problems in which a method is within x points of the best, over all settings.",
    ("test_top1",),
    whole=True,
    data=data,
    draw=draw,
)
