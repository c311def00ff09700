"""What training costs, against what it reaches."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analysis.annotation import named
from analysis.entries import FigureEntry
from analysis.frame import Frame, devices
from analysis.plot import axes as axis
from analysis.plot.facets import facets, label
from analysis.plot.lines import TOP1, dense_point, described_lines, draw_lines, line_points
from analysis.select import tried_said
from analysis.statistics import measured
from analysis.wording import AXES, condition
from results.errors import Skip

TIME = "Time of the training steps of all epochs, those of the shared dense network included"


def data(frame: Frame) -> pd.DataFrame:
    """Return a row per line and keep: x, what its training costs, and y, its accuracy in percent, with intervals.

    x: `train_seconds` (docs/protocol.md) over that of the dense control of the trial, or in seconds if no trial has
    one. kind: `line` or `dense`, whose cost is 1 by definition. Raises Skip if no pruned trial has a time.
    """
    rows = frame.tuned.assign(cost=_over_control(frame, "train_seconds"))
    relative = bool(rows["cost"].notna().any())
    x = "cost" if relative else "train_seconds"
    rows = measured(rows, [x, TOP1])
    lines = line_points(rows, x)
    if lines.empty:
        raise Skip(f"no pruned trial of {frame.title} has train_seconds")
    several = lines["panel"].nunique() > 1  # then a panel for each, and lines from keep to keep
    found = [lines]
    for (panel, keep), mine in rows.assign(keep=1.0 if several else rows["keep"]).groupby(["panel", "keep"]):
        ids = {trial for control in mine["control"] for trial in control}
        dense = frame.dense[frame.dense["trial"].isin(ids)]
        found += [dense_point(dense, panel=panel, keep=keep, x=1.0)] * relative
    told = pd.concat(found).sort_values(["panel", "keep"], ascending=[True, False], kind="stable", ignore_index=True)
    keeps = told["keep"].map(lambda keep: condition("keep", keep))
    one = not several and keeps.nunique() == 1
    told["panel"] = told["panel"] if several else "" if one else keeps
    without = set(frame.tuned["line"]) - set(lines["line"])
    caption = [
        TIME + ", over that of the dense control of the same seed" * relative,
        f"Timed on {devices(frame.pruned)}, other trials beside it",
        f"{said}: no search is timed" if (said := tried_said(rows, "per keep", frame.name)) else "",
        named("Without time" + " or dense control" * relative, without, frame.name),
        "Lines run from the largest to the smallest keep" * several,
        _in_macs(frame),
    ]
    title = f"{frame.subject}, {keeps[0]}" if one else ""
    return described_lines(told, frame, caption, x, title, by="panel", joined=several)


def draw(data: pd.DataFrame) -> Figure:
    """Draw marks with their intervals, all panels over one cost; accuracy has an axis in each."""
    plot = facets(data, share_y=False)
    for panel in plot.panels():
        draw_lines(plot, panel, joined=data.attrs["joined"], most=5, margin=0.1)
    reached = [*data[["x", "x_low", "x_high"]].stack()]
    axis.set_scale(plot.axes, "x", reached, most=7 if len(plot.axes) <= 2 else 5, ends=(0, float("inf")))
    label(plot, AXES[data.attrs["x"]], AXES[TOP1])
    return plot.finish()


def _over_control(frame: Frame, column: str) -> pd.Series:
    """Return a cost of each trial over that of its dense control; NaN where either is not known."""
    if column not in frame.tuned or column not in frame.dense:
        return pd.Series(float("nan"), index=frame.tuned.index)
    known = frame.dense.set_index("trial")[column]
    known = known[known > 0]
    return frame.tuned[column] / [known.reindex(list(ids)).mean() for ids in frame.tuned["control"]]


def _in_macs(frame: Frame) -> str:
    """Say what training cost in multiply-adds, which no machine changes; empty where that is not known."""
    cost = _over_control(frame, "train_macs").groupby(frame.tuned["line"]).agg(["min", "max"]).dropna()
    said = [f"{frame.name(line)} {_span(low, high)}" for line, (low, high) in zip(cost.index, cost.values, strict=True)]
    return f"In multiply-adds of training, over the dense control: {', '.join(said)}" if said else ""


def _span(low: float, high: float) -> str:
    ends = dict.fromkeys(f"{end:.2f}" for end in (low, high))
    return " to ".join(ends)


TRAINING_COST = FigureEntry(
    "training_cost",
    "Test accuracy against the time that training took, as a multiple of the dense control's, a panel for each keep.",
    ("train_seconds", TOP1),
    by_grouping=True,
    data=data,
    draw=draw,
)
