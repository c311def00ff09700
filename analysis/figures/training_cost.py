"""What training costs, against what it reaches."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.annotation import DENSE, in_order
from analysis.frame import Frame, devices
from analysis.plot import axes as axis
from analysis.plot.facets import described, facets, label
from analysis.plot.lines import draw_lines
from analysis.registry import FigureEntry
from analysis.select import tried_said
from analysis.statistics import measured, over_seeds, points, seeds_said
from analysis.wording import AXES, condition
from results.errors import Skip

LEAST = 1.0  # points of accuracy: less is not made to look like much
TIME = "Time of the training steps of all epochs, those of the shared dense network included"


def data(frame: Frame) -> pd.DataFrame:
    """Return a row per line and keep: x, what its training costs, and y, its accuracy in percent, with half-widths.

    cost: `train_seconds` (docs/protocol.md) over that of the dense control of the trial, or in seconds if no trial has
    one. kind: `line` or `dense`, whose cost is 1 by definition. budget: the panel of the frame. Raises Skip if no
    pruned trial has a time.
    """
    rows, relative = _with_cost(frame)
    found = points(rows, ["panel", "keep", "line"], ["cost", "test_top1"]).dropna(subset=["cost", "test_top1"])
    variants = rows.drop_duplicates("line").set_index("line")["variant"]
    lines = pd.DataFrame({
        "kind": "line", "budget": found["panel"], "keep": found["keep"], "line": found["line"],
        "variant": found["line"].map(variants), "x": found["cost"], "x_half": found["cost_half"],
        "y": 100 * found["test_top1"], "y_half": 100 * found["test_top1_half"], "n": found["test_top1_n"],
    })  # fmt: skip
    several = lines["budget"].nunique() > 1  # then a panel for each, and lines from keep to keep
    told = pd.concat([lines, *([_controls(frame, rows, several)] if relative else [])], ignore_index=True)
    told = told.sort_values(["budget", "keep"], ascending=[True, False], kind="stable", ignore_index=True)
    keeps = told["keep"].map(lambda keep: condition("keep", keep))
    one = not several and keeps.nunique() == 1
    told["panel"] = told["budget"] if several else "" if one else keeps
    held, notes = _held(told, frame)
    without = in_order([line for line in frame.tuned["line"].unique() if line not in set(lines["line"])])
    caption = [
        seeds_said(lines["n"]),
        TIME + ", over that of the dense control of the same seed" * relative,
        f"Timed on {devices(frame.pruned)}, other trials beside it",
        f"{said}: no search is timed" if (said := tried_said(rows, "per keep", frame.name)) else "",
        f"Without time{' or dense control' * relative}: {', '.join(map(frame.name, without))}" if without else "",
        "Lines run from the largest to the smallest keep" * several,
        *notes,
        axis.coinciding(told[told["kind"] == "line"], frame.name),
    ]
    title = f"{frame.subject}, {keeps[0]}" if one else ""
    return described(told, frame, caption, title, x="cost" if relative else "train_seconds", held=held, joined=several)


def draw(data: pd.DataFrame) -> Figure:
    """Draw marks with their intervals, all panels over one cost; accuracy has an axis in each."""
    plot = facets(data, share_y=False)
    lines = data[data["kind"] == "line"]
    for panel in plot.panels():
        held = data.attrs["held"][panel.col]
        axis.set_scale([panel.axes], "y", held, ends=(0, 100), most=5, margin=0.1)
        draw_lines(plot, panel.axes, panel.rows, lines, min(held), data.attrs["joined"])
    half = data["x_half"].fillna(0)
    reached = [*data["x"], *(data["x"] - half).clip(lower=0), *(data["x"] + half)]
    axis.set_scale(plot.axes, "x", reached, most=7 if len(plot.axes) <= 2 else 5, ends=(0, float("inf")))
    label(plot, AXES[data.attrs["x"]], AXES["test_top1"])
    return plot.finish()


def _with_cost(frame: Frame) -> tuple[pd.DataFrame, bool]:
    """Return the tuned trials with a time as column `cost`, and whether it is a multiple of the dense control's."""
    timed = measured(frame.tuned, ["train_seconds"])
    if not timed["train_seconds"].notna().any():
        raise Skip(f"no pruned trial of {frame.title} has train_seconds")
    seconds = frame.dense.set_index("trial")["train_seconds"]
    rows = timed.assign(cost=timed["train_seconds"] / [seconds.reindex(list(ids)).mean() for ids in timed["control"]])
    told = rows["cost"].notna() & (rows["cost"] < float("inf"))
    if not told.any():
        return timed.assign(cost=timed["train_seconds"]), False
    return rows[told | (rows["status"] == "failed")], True


def _controls(frame: Frame, rows: pd.DataFrame, several: bool) -> pd.DataFrame:
    """Return the dense controls of the trials of each panel: their accuracy after all their epochs, at a cost of 1."""
    found: list[dict[str, Any]] = []
    at = rows.assign(keep=1.0) if several else rows
    for (budget, keep), mine in at.groupby(["panel", "keep"]):
        ids = {trial for control in mine["control"] for trial in control}
        top1 = over_seeds(frame.dense[frame.dense["trial"].isin(ids)])
        if top1.n:
            found.append({
                "kind": DENSE, "budget": budget, "keep": keep, "line": DENSE, "variant": 0, "x": 1.0,
                "y": 100 * top1.mean, "y_half": 100 * top1.half_width, "n": top1.n,
            })  # fmt: skip
    return pd.DataFrame(found)


def _held(told: pd.DataFrame, frame: Frame) -> tuple[dict[str, list[float]], list[str]]:
    """Return the accuracies that the axis of each panel has to hold, at least a point, and what lies outside."""
    held, notes = {}, []
    for panel, mine in told.groupby("panel", sort=False):
        values, said = axis.robust_range(mine[mine["kind"] == "line"], frame.name)
        dense, half = mine["y"][mine["kind"] == DENSE], mine["y_half"].fillna(0)
        values += [*(dense - half).dropna(), *(dense + half).dropna().clip(upper=100)]
        low, high = min(values), max(values)
        short = max(0.0, LEAST - (high - low)) / 2
        held[str(panel)] = [low - short, high + short]
        notes += said
    return held, notes


TRAINING_COST = FigureEntry(
    "training_cost",
    "Test accuracy against the time that training took, as a multiple of the dense control's, a panel for each keep.",
    ("train_seconds", "test_top1"),
    by_grouping=True,
    data=data,
    draw=draw,
)
