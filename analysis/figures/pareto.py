"""What is worth running: accuracy over the time that a network really takes."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.annotation import DENSE, TIMING, present
from analysis.entries import FigureEntry
from analysis.frame import POOLED, Frame, dense_beside, devices, pooled
from analysis.plot import axes as axis
from analysis.plot.facets import ACROSS, HEIGHT_ALONE, facets, label
from analysis.plot.lines import TOP1, dense_point, described_lines, draw_lines, line_points
from analysis.plot.style import DENSE_COLOUR, pt
from analysis.select import tried_said
from analysis.wording import AXES, condition
from results.errors import Skip

APART = ["batch", "backend", *TIMING]
MASKED = "masked"  # a realisation: no channel is gone, so the network has the widths of the dense one
WIDE = 4  # from a ratio of the largest to the smallest time above this on the axis is logarithmic
DENSE_SAID = "Time of the dense network: median and quartiles over the trials that took it"
OTHERS_SAID = "of others: that median over the speedup in the trial"
DIGITS = 9  # of a time in ms: sums of equal times in another order are no difference


def data(frame: Frame) -> pd.DataFrame:
    """Return a row per network, which is a line at a keep: its time x in ms and its accuracy y in percent.

    x_low, x_high, y_half: intervals over seeds; of the time of the dense network the quartiles over all trials. kind:
    `line` or `dense`. condition: the batch size, device and backend; budget: the panel of the frame. frontier: whether
    no network of its panel beats it. Raises Skip if no network was timed, or if all have the widths of the dense one.
    """
    rows, dense = times(frame)
    tuned = rows[rows["tuned"]]
    parts = [_networks(frame, mine, dense[str(name)]) for name, mine in tuned.groupby("condition", sort=False)]
    found = pd.concat([pd.DataFrame(), *parts], ignore_index=True)
    if found.empty:
        raise Skip(f"no pruned trial of {frame.title} was timed")
    if rows["masked"].all():
        raise Skip(f"every pruned network of {frame.subject} has the widths of the dense one, hence its time")
    told = set(found["budget"][found["kind"] == DENSE])
    without = [budget for budget in dict.fromkeys(found["budget"]) if budget not in told]
    counts = [str(len(one)) for one in dense.values() if len(one)]
    backends = sorted(frame.latency["backend"].dropna().unique()) if "backend" in frame.latency else []
    caption = [
        f"Timed on {devices(frame.latency)}" + f" with {', '.join(backends)}" * bool(backends),
        f"{DENSE_SAID}, n = {' and '.join(dict.fromkeys(counts))}; {OTHERS_SAID}" if counts else "",
        POOLED if "groups_kept" in rows else "",
        "Masked networks have the widths of the dense one, hence its time" * bool(rows["masked"].any()),
        "Ringed: on the frontier, no network of the panel is as fast and as accurate and better in one of the two",
        tried_said(tuned.drop_duplicates("trial"), "per keep", frame.name),
        f"No dense network was trained or timed for {'; '.join(without)}" * bool(without),
    ]
    return described_lines(found, frame, caption, "median_ms", first=set(found["line"][found["frontier"]]))


def draw(data: pd.DataFrame) -> Figure:
    """Draw networks with their intervals, those of a line joined, and the frontier as steps, its networks ringed."""
    budgets = data["budget"].nunique()
    across = budgets if 2 < budgets < ACROSS else ACROSS  # so that a row has one condition
    plot = facets(data, share_x=False, heights=HEIGHT_ALONE if budgets == 1 else 0, across=across)
    look: dict[str, Any] = {
        "color": DENSE_COLOUR, "linewidth": pt(0.7), "marker": "o", "markersize": pt(7.5), "markerfacecolor": "none",
        "markeredgewidth": pt(0.7),
    }  # fmt: skip
    spans = data.groupby("condition")
    for panel in plot.panels():
        draw_lines(plot, panel)
        best = panel.rows[panel.rows["frontier"]].sort_values(["x", "y"])
        panel.axes.plot(best["x"], best["y"], drawstyle="steps-post", zorder=2, **look)
        rows = spans.get_group(panel.rows["condition"].iloc[0])
        scale: axis.Scale = "log" if rows["x"].max() > WIDE * rows["x"].min() else "linear"
        values = [*rows["x"], *rows["x_low"][rows["x_low"] > 0], *rows["x_high"]]
        most = 6 if len(plot.axes) <= 2 else 4
        axis.set_scale([panel.axes], "x", values, scale, most=most, ends=(0, float("inf")))
    plot.handles["Pareto frontier"] = Line2D([], [], **look)
    label(plot, AXES["median_ms"], AXES[TOP1])
    return plot.finish()


def times(frame: Frame) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """Return the pruned trials that were timed, once under each condition, and the times of the dense network in ms.

    condition: in words, by batch size. median_ms: a trial times the dense and the pruned network in turn, and a machine
    that was slower in that hour slows both: what the trial knows is their ratio. So its time is that ratio times the
    median time of the dense network over all trials, or as measured if the trial has no dense time. Networks of the
    same widths have the median over their trials, masked ones the time of the dense network. Raises Skip if no pruned
    network was timed.
    """
    latency = frame.latency
    latency = latency[latency["median_ms"] > 0].sort_values(present(latency, APART), kind="stable")
    named = [c for c in present(latency, APART) if c == "batch" or latency[c].nunique(dropna=False) > 1]
    latency["condition"] = [", ".join(condition(c, row[c]) for c in named) for _, row in latency.iterrows()]
    found, dense = [], {}
    for name, part in latency.groupby("condition", sort=False):
        means = part.groupby(["network", "trial"])["median_ms"].mean()
        own, theirs = (means[means.index.get_level_values(0) == one].droplevel(0) for one in ("compact", DENSE))
        usual = theirs.median()
        own = (own / theirs.reindex(own.index) * usual).fillna(own)
        rows = frame.pruned[frame.pruned["trial"].isin(own.index)]
        if rows.empty:
            continue
        rows = pooled(rows.assign(condition=name, median_ms=rows["trial"].map(own)), ["median_ms"])
        rows = rows.assign(masked=(rows.get("realisation", "") == MASKED) & (len(theirs) > 0))
        found.append(rows.assign(median_ms=rows["median_ms"].mask(rows["masked"], usual)))
        dense[str(name)] = theirs
    if not found:
        raise Skip(f"no compact network of {frame.title} was timed")
    return pd.concat(found, ignore_index=True), dense


def on_frontier(x: pd.Series, y: pd.Series) -> pd.Series:
    """Say of each network whether none other is at least as fast (x) and as accurate (y), and better in one of the two.

    Of networks that are equal in both, all are on the frontier or none.
    """
    most = y.groupby(x).max()  # from the fastest
    rising = most[most > most.cummax().shift(fill_value=-math.inf)]
    return x.map(rising) == y


def _networks(frame: Frame, rows: pd.DataFrame, dense: pd.Series) -> pd.DataFrame:
    """Return the networks under one condition, those of each budget with their frontier."""
    lines, name = line_points(rows, "median_ms"), rows["condition"].iloc[0]
    low, usual, high = dense.quantile([0.25, 0.5, 0.75])
    found = [pd.DataFrame()]
    for budget, mine in lines.groupby("panel"):
        trials = dense_beside(frame, rows[rows["panel"] == budget])
        control = dense_point(trials[: None if len(dense) else 0], x=usual, x_low=low, x_high=high)
        networks = pd.concat([control, mine]).round({"x": DIGITS, "x_low": DIGITS, "x_high": DIGITS})
        networks["panel"] = ", ".join(filter(None, [str(budget), name]))
        found.append(networks.assign(budget=budget, condition=name, frontier=on_frontier(networks["x"], networks["y"])))
    return pd.concat(found)


FIGURE = FigureEntry(
    "pareto",
    "Test accuracy against the measured time of the network, one panel per batch size, with the Pareto frontier.",
    (TOP1, "latency.median_ms", "latency.network"),
    by_grouping=True,
    data=data,
    draw=draw,
)
