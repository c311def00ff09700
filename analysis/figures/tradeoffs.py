"""The trade-offs: accuracy against each gain that it is paid for, and measured speedup against sparsity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.annotation import named, present
from analysis.entries import FigureEntry
from analysis.frame import POOLED, Frame, dense_beside, devices, pooled, timed
from analysis.plot import axes as axis
from analysis.plot.facets import facets, label
from analysis.plot.lines import PUBLISHED, SPEEDUP, TOP1, dense_point, described_lines, draw_lines, line_points
from analysis.plot.style import pt
from analysis.published import published, source_notes
from analysis.select import tried_said
from analysis.wording import AXES
from results.errors import Skip

SPARSITY, KEPT = "group_sparsity", "Group sparsity (%), log scale"
OURS, ENLARGED = "ours and published", "the box on the left, enlarged"
CROWDED = 0.4  # published points on less of the height of the panel than this are drawn a second time, enlarged
FEWEST = 5  # published points that are worth it
NOTHING_GAINED = 0.005
ROOM = 0.09  # of the axis, between the sparsities that it names


@dataclass(frozen=True)
class Gain:
    """A figure: a column of results against another, a row of panels for each y.

    An x that is not sparsity is a ratio to the dense network, on a logarithmic axis; methods share their sparsities,
    so that their marks stand side by side.
    """

    x: str
    y: tuple[str, ...] = (TOP1,)

    @property
    def ratio(self) -> bool:
        """Whether x is a ratio."""
        return self.x != SPARSITY

    @property
    def speedups(self) -> list[str]:
        """Return the columns that a device measured."""
        return [column for column in (self.x, *self.y) if column.startswith(SPEEDUP)]


def data(frame: Frame, gain: Gain) -> pd.DataFrame:
    """Return a row per line and keep with x, y and half-widths, beside rows of dense and of published networks.

    kind: `line`, `dense` or `published`. Accuracies and sparsity are in percent. Raises Skip if no trial has both
    columns, and if a ratio is 0 for all, or 1 without having been measured.
    """
    rows = pooled(timed(frame.tuned), present(frame.tuned, gain.speedups))
    rows = rows if gain.ratio else rows[(rows["protocol"] > 0) | (rows["grouping"] == (frame.part or frame.grouping))]
    lines = pd.concat([line_points(rows, gain.x, y) for y in gain.y])
    if lines.empty:
        raise Skip(f"no pruned trial of {frame.title} has {gain.x} and {' or '.join(gain.y)}")
    accuracy = gain.y == (TOP1,)
    literature = published(frame, gain.x)[: None if accuracy else 0]
    if gain.ratio and not (lines["x"] > 0).any():
        raise Skip(f"{gain.x} is 0 for every pruned trial of {frame.title}")
    measured = gain.speedups or len(literature)
    if gain.ratio and not measured and (abs(lines["x"] - 1) < NOTHING_GAINED).all():
        raise Skip(f"{gain.x} is 1 for every pruned trial of {frame.title}: there is nothing to compare over")
    kept = sorted({round(100 * keep, 1) for keep in lines["keep"]})
    scale: axis.Scale = "powers" if gain.ratio else "kept" if axis.crowded(kept) else "linear"

    panels = [panel for panel in dict.fromkeys(lines["panel"]) if panel] or [""]
    ours = lines["panel"].isin(panels)  # lines of another tool have no conditions of ours: they stand in every panel
    everywhere = pd.concat([lines[~ours], _published(literature, gain)])
    own = rows[rows["protocol"] > 0]
    dense = [dense_point(dense_beside(frame, own[own["panel"] == panel]), panel=panel) for panel in panels * accuracy]
    parts = [lines[ours], *dense, *(everywhere.assign(panel=panel) for panel in panels)]
    found = pd.concat(parts, ignore_index=True)
    if not gain.ratio:
        found["x"] = 100 - 100 * found["x"] if scale == "kept" else 100 * found["x"]
        found[["x_low", "x_high"]] = math.nan
    caption = [
        f"Timed on {devices(frame.pruned)}. {POOLED}" if gain.speedups else "",
        tried_said(rows, "per keep", frame.name),
        "" if gain.ratio else "Marks of one sparsity stand side by side",
        *source_notes(literature),
        named("Not measured", set(rows["line"]) - set(lines["line"]), frame.name),
    ]
    at = None if gain.ratio else [level if scale == "kept" else 100 - level for level in _apart(kept, scale)]
    return described_lines(found, frame, caption, gain.x, gain=gain, scale=scale, at=at)


def draw(data: pd.DataFrame) -> Figure:
    """Draw the lines of each panel with intervals, the dense network as a line, published ones as hollow marks.

    Of many published ones on little of the height of the only panel there is a second panel, which shows their place.
    """
    gain: Gain = data.attrs["gain"]
    theirs = data[data["kind"] == PUBLISHED]
    crowded = len(theirs) >= FEWEST and np.ptp(theirs["y"]) < CROWDED * np.ptp(data["y"])
    enlarged = crowded and data["panel"].nunique() == 1
    if enlarged:
        data = pd.concat([data.assign(panel=OURS), data.assign(panel=ENLARGED)])
    row = "quantity" if len(gain.y) > 1 else None
    plot = facets(data, row=row, share_y=False if enlarged else "row", share_x=not enlarged)
    for panel in plot.panels():
        draw_lines(plot, panel, apart=not gain.ratio)
    scale, at = data.attrs["scale"], data.attrs["at"]
    axis.set_scale(plot.axes, "x", [*data["x"], *[1.0] * gain.x.startswith(SPEEDUP)], scale, at, margin=0.08)
    if enlarged:
        whole, part = plot.axes
        axis.set_scale([part], "x", theirs["x"], scale, margin=0.1)
        axis.set_scale([part], "y", theirs["y"], margin=0.12, ends=(0, 100))
        (left, right), (low, high) = part.get_xlim(), part.get_ylim()
        box = Rectangle((left, low), right - left, high - low, fill=False, ec="#777777", lw=pt(0.6), zorder=2)
        whole.add_patch(box)
        part.spines[:].set(visible=True, color="#777777")
    names = [AXES.get(column, column) for column in dict.fromkeys(data["quantity"])]
    label(plot, KEPT if scale == "kept" else AXES.get(gain.x, gain.x), names if row else names[0])
    return plot.finish()


def _published(literature: pd.DataFrame, gain: Gain) -> pd.DataFrame:
    if literature.empty:
        return pd.DataFrame()
    return pd.DataFrame({
        "kind": PUBLISHED, "quantity": TOP1, "line": literature["label"], "keep": 1.0, "x": literature[gain.x],
        "y": 100 * literature["top1"],
    })  # fmt: skip


def _apart(kept: list[float], scale: str) -> list[float]:
    """Return the levels that have room for their numbers, those of the highest sparsity first."""
    place = np.log if scale == "kept" else float
    room = ROOM * (place(kept[-1]) - place(kept[0]))
    found = kept[:1]
    for level in kept[1:]:
        if place(level) - place(found[-1]) > room:
            found.append(level)
    return found


def tradeoff(name: str, description: str, gain: Gain) -> FigureEntry:
    """Return the figure of a gain."""
    needs = (gain.x,) if len(gain.y) > 1 else (gain.x, *gain.y)
    return FigureEntry(name, description, needs, by_grouping=True, data=partial(data, gain=gain), draw=draw)


FIGURES = (
    tradeoff(
        "accuracy_vs_sparsity",
        "Test accuracy against group sparsity, with the dense network as a line.",
        Gain(SPARSITY),
    ),
    tradeoff(
        "accuracy_vs_compression",
        "Test accuracy against compression (dense parameters / parameters), beside published numbers.",
        Gain("compression"),
    ),
    tradeoff(
        "accuracy_vs_mac_speedup",
        "Test accuracy against theoretical speedup (dense multiply-adds / multiply-adds), beside published numbers.",
        Gain("mac_speedup"),
    ),
    tradeoff(
        "accuracy_vs_speedup",
        "Test accuracy against measured speedup at batch 64, with the dense network as a line.",
        Gain("speedup_b64"),
    ),
    tradeoff(
        "speedup_vs_sparsity",
        "Measured speedup against group sparsity, one row for batch 1 and one for batch 64, with a line at 1.",
        Gain(SPARSITY, ("speedup_b1", "speedup_b64")),
    ),
)
