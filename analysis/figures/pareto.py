"""What is worth running: accuracy over the time that a network really takes."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.annotation import DENSE
from analysis.frame import POOLED, Frame, dense_beside, devices
from analysis.latency import MASKED, Condition, conditions, on_frontier
from analysis.plot import axes as axis
from analysis.plot.facets import ACROSS, HEIGHT_ALONE, described, facets, label
from analysis.plot.lines import draw_lines
from analysis.plot.style import DENSE_COLOUR, pt
from analysis.registry import FigureEntry
from analysis.select import tried_said
from analysis.statistics import measured, over_seeds, points, seeds_said
from analysis.wording import AXES
from results.errors import Skip

WIDE = 4  # from a ratio of the largest to the smallest time above this on the axis is logarithmic
DENSE_SAID = "Time of the dense network: median and quartiles over the trials that took it"
OTHERS_SAID = "of others: that median over the speedup in the trial"
DIGITS = 9  # of a time in ms: sums of equal times in another order are no difference


def data(frame: Frame) -> pd.DataFrame:
    """Return a row per network, which is a line at a keep: its time x in ms and its accuracy y in percent.

    x_low, x_high, y_half: intervals over seeds; of the time of the dense network the quartiles over all trials. kind:
    `line` or `dense`. budget: the panel of the frame. frontier: whether no network of its panel beats it. Raises Skip
    if no network was timed, or if all have the widths of the dense one.
    """
    timed = conditions(frame)
    parts = [_panels(frame, condition) for condition in timed]
    found = pd.concat([part for some in parts for part in some.values()] or [pd.DataFrame()], ignore_index=True)
    if found.empty:
        raise Skip(f"no pruned trial of {frame.title} was timed")
    lines = found[found["kind"] == "line"]
    masked = [(one.rows["realisation"] == MASKED) & (len(one.dense) > 0) for one in timed if "realisation" in one.rows]
    if masked and all(some.all() for some in masked):
        raise Skip(f"every pruned network of {frame.subject} has the widths of the dense one, hence its time")
    shown = frame.tuned[frame.tuned["trial"].isin(pd.concat([one.rows["trial"] for one in timed]))]
    held, notes = axis.robust_range(lines.drop_duplicates(["budget", "line", "keep"]), frame.name)
    dense = found[found["kind"] == DENSE]
    half = dense["y_half"].fillna(0)
    held += [*(dense["y"] - half).clip(lower=0), *(dense["y"] + half).clip(upper=100)]
    without = [panel for panel in dict.fromkeys(lines["budget"]) if panel not in set(dense["budget"])]
    counts = [str(len(one.dense)) for one in timed if len(one.dense)]
    caption = [
        seeds_said(lines["n"]),
        _timed_on(frame),
        f"{DENSE_SAID}, n = {' and '.join(dict.fromkeys(counts))}; {OTHERS_SAID}" if counts else "",
        POOLED if "groups_kept" in frame.pruned else "",
        "Masked networks have the widths of the dense one, hence its time" * any(some.any() for some in masked),
        "Ringed: on the frontier, no network of the panel is as fast and as accurate and better in one of the two",
        tried_said(shown, "per keep", frame.name),
        f"No dense network was trained or timed for {'; '.join(without)}" * any(without),
        *notes,
        axis.coinciding(lines, frame.name),
    ]
    panels = max(len(some) for some in parts)
    return described(found, frame, caption, held=held, across=panels if 2 < panels < ACROSS else ACROSS)


def draw(data: pd.DataFrame) -> Figure:
    """Draw networks with their intervals, those of a line joined, and the frontier as steps, its networks ringed."""
    alone = data["budget"].nunique() == 1
    plot = facets(data, share_x=False, heights=HEIGHT_ALONE if alone else 0, across=data.attrs["across"])
    lines = data[data["kind"] == "line"]
    winners = lines["line"].isin(lines["line"][lines["frontier"]])
    lines = lines.assign(y=lines["y"] + 100 * winners)  # those on the frontier lead, whatever the others reach
    places: dict[str, list[Axes]] = {}
    look: dict[str, Any] = {
        "color": DENSE_COLOUR, "linewidth": pt(0.7), "marker": "o", "markersize": pt(7.5), "markerfacecolor": "none",
        "markeredgewidth": pt(0.7),
    }  # fmt: skip
    for panel in plot.panels():
        draw_lines(plot, panel.axes, panel.rows, lines, min(data.attrs["held"]))
        best = panel.rows[panel.rows["frontier"]].sort_values(["x", "y"])
        panel.axes.plot(best["x"], best["y"], drawstyle="steps-post", zorder=2, **look)
        places.setdefault(panel.rows["condition"].iloc[0], []).append(panel.axes)
    for condition, rows in data.groupby("condition", sort=False):
        scale: axis.Scale = "log" if rows["x"].max() > WIDE * rows["x"].min() else "linear"
        values = [*rows["x"], *rows["x_low"][rows["x_low"] > 0], *rows["x_high"]]
        most = 6 if len(plot.axes) <= 2 else 4
        axis.set_scale(places[str(condition)], "x", values, scale, most=most, ends=(0, float("inf")))
    axis.set_scale(plot.axes, "y", data.attrs["held"], ends=(0, 100), most=6)
    plot.handles["Pareto frontier"] = Line2D([], [], **look)
    label(plot, AXES["median_ms"], AXES["test_top1"])
    return plot.finish()


def _panels(frame: Frame, condition: Condition) -> dict[str, pd.DataFrame]:
    """Return the networks of each panel of the frame under a condition."""
    rows = condition.rows[condition.rows["tuned"]]
    told = points(measured(rows, ["median_ms", "test_top1"]), ["panel", "line", "keep"], ["median_ms", "test_top1"])
    told = told.dropna(subset=["median_ms", "test_top1"])
    variants = rows.drop_duplicates("line").set_index("line")["variant"]
    half = told["median_ms_half"].fillna(0)
    lines = pd.DataFrame({
        "kind": "line", "line": told["line"], "variant": told["line"].map(variants), "keep": told["keep"],
        "x": told["median_ms"], "x_low": (told["median_ms"] - half).clip(lower=0), "x_high": told["median_ms"] + half,
        "y": 100 * told["test_top1"], "y_half": 100 * told["test_top1_half"], "n": told["test_top1_n"],
        "budget": told["panel"],
    }).round({"x": DIGITS, "x_low": DIGITS, "x_high": DIGITS})  # fmt: skip
    found = {}
    for panel, mine in lines.groupby("budget", sort=False):
        networks = pd.concat([_dense(frame, rows[rows["panel"] == panel], condition), mine], ignore_index=True)
        best = on_frontier(networks["x"].to_list(), networks["y"].to_list())
        name = ", ".join(filter(None, [str(panel), condition.name]))
        found[str(panel)] = networks.assign(panel=name, budget=panel, condition=condition.name, frontier=best)
    return found


def _dense(frame: Frame, rows: pd.DataFrame, condition: Condition) -> pd.DataFrame:
    """Return the dense network, if both its accuracy for this budget and its time are known."""
    top1 = over_seeds(dense_beside(frame, rows))
    if not top1.n or condition.dense.empty:
        return pd.DataFrame()
    low, middle, high = (round(float(condition.dense.quantile(part)), DIGITS) for part in (0.25, 0.5, 0.75))
    cells: dict[str, Any] = {
        "kind": DENSE, "line": DENSE, "variant": 0, "keep": 1.0, "x": middle, "x_low": low, "x_high": high,
        "y": 100 * top1.mean, "y_half": 100 * top1.half_width, "n": top1.n,
    }  # fmt: skip
    return pd.DataFrame([cells])


def _timed_on(frame: Frame) -> str:
    rows = frame.latency
    backends = sorted(rows["backend"].dropna().unique()) if "backend" in rows else []
    return f"Timed on {devices(rows)}" + (f" with {', '.join(backends)}" if backends else "")


FIGURE = FigureEntry(
    "pareto",
    "Test accuracy against the measured time of the network, one panel per batch size, with the Pareto frontier.",
    ("test_top1", "latency.median_ms", "latency.network"),
    by_grouping=True,
    data=data,
    draw=draw,
)
