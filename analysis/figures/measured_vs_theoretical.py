"""Whether fewer multiply-adds are less time: measured against theoretical speedup, by grouping and realisation."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.annotation import DENSE, TIMING, present
from analysis.entries import FigureEntry
from analysis.frame import Frame, devices
from analysis.plot import axes as axis
from analysis.plot.facets import described, facets, label
from analysis.plot.lines import PAR
from analysis.plot.marks import draw_par
from analysis.plot.style import COLOURS, DENSE_COLOUR, MARKS, pt
from analysis.select import PHASES
from analysis.statistics import points, seeds_between
from analysis.wording import AXES, GROUPINGS
from results.errors import Skip

# Each grouping has a colour, each realisation a mark.
COLOURED = ["filter", "coupled", "channel", "shape", "kernel", "neuron", "depth", "block", "n_of_m", "element"]
COLOURS_OF = dict(zip(COLOURED, [*COLOURS, DENSE_COLOUR], strict=True))
OTHERS = ("#9A9A9A", "#8C564B", "#C9B200")  # groupings of a user's own
KINDS = ("compact", "masked", "compact+masked", "positions", "csr", "bsr", "semi_structured")
TORCH, UNKNOWN, PROMISE = "torch", "unknown", "as promised"
BATCHES = {1: "speedup_b1", 64: "speedup_b64"}
NETWORK = ["grouping", "problem", "experiment", "configuration", *PHASES, *TIMING, "kind", "backend"]


def data(frame: Frame) -> pd.DataFrame:
    """Return a row per point and batch size: the theoretical speedup x and the measured one y, both over dense.

    A point is the mean over the n seeds of one configuration at one keep, whatever was chosen in the end; kind is its
    realisation. Backends other than torch are those of latency.csv, each against its own dense network. Raises Skip if
    no pruned trial has both speedups.
    """
    rows = frame.pruned
    rows = rows[(rows["status"] == "done") & (rows["mac_speedup"] > 0) & (rows["speedup_b64"] > 0)]
    if rows.empty:
        raise Skip("no pruned trial has both mac_speedup and speedup_b64")
    kinds = rows["realisation"].fillna(UNKNOWN) if "realisation" in rows else UNKNOWN
    rows = rows.assign(kind=kinds, backend=TORCH)
    rows = pd.concat([rows, *_backends(frame, rows)], ignore_index=True)
    parts = []
    for y in present(rows, list(BATCHES.values())):
        means = points(rows[rows[y] > 0], NETWORK, ["mac_speedup", y])
        means = means.rename(columns={"mac_speedup": "x", y: "y", f"{y}_n": "n"}).assign(panel="", quantity=y)
        parts.append(means[["panel", "quantity", "grouping", "kind", "backend", "x", "y", "n"]])
    told = pd.concat(parts, ignore_index=True)
    torch = told[(told["backend"] == TORCH) & (told["quantity"] == "speedup_b64")]
    ratios = (torch["y"] / torch["x"]).groupby(torch["grouping"]).agg(["median", "size"])
    medians = [f"{_name(str(one))} {row['median']:.2f} (n = {row['size']:.0f})" for one, row in ratios.iterrows()]
    several = seeds_between(int(told["n"].min()), int(told["n"].max()))
    caption = [
        f"A point is a configuration of a method at a keep, the mean of {several}",
        f"Dashed, {PROMISE}: time goes as the multiply-adds do",
        f"Median of measured / theoretical at batch 64: {', '.join(medians)}",
        f"Timed on {devices(rows)}",
    ]
    return described(told, frame, caption, "Measured against theoretical speedup")


def draw(data: pd.DataFrame) -> Figure:
    """Draw a panel for each batch size: colour tells the grouping, the mark the realisation, hollow is not torch."""
    plot = facets(data, row="quantity", share_y=False, heights=[1.9] * data["quantity"].nunique())
    own = sorted(set(data["grouping"]) - set(COLOURS_OF))
    colours = COLOURS_OF | dict(zip(own, cycle(OTHERS), strict=False))
    marks = dict(zip([*KINDS, *sorted(set(data["kind"]) - set(KINDS))], cycle(MARKS), strict=False))
    line: dict[str, Any] = {"color": DENSE_COLOUR, "linewidth": pt(0.9), "linestyle": "--"}
    for panel in plot.panels():
        plot.handles.setdefault(PAR, draw_par(panel.axes))
        panel.axes.axline((1, 1), (2, 2), zorder=1, **line)
        plot.handles.setdefault(PROMISE, Line2D([], [], **line))
        axis.set_scale([panel.axes], "y", [*panel.rows["y"], 1.0], "powers", most=6)
        rows = panel.rows.assign(
            grouping=pd.Categorical(panel.rows["grouping"], list(colours)),
            backend=pd.Categorical(panel.rows["backend"], list(dict.fromkeys([TORCH, *sorted(data["backend"])]))),
            kind=pd.Categorical(panel.rows["kind"], list(marks)),
        )  # fmt: skip
        for keys, mine in rows.groupby(["grouping", "backend", "kind"], observed=True):
            grouping, backend, kind = map(str, keys)
            hollow = backend != TORCH
            look: dict[str, Any] = {
                "color": colours[grouping], "marker": marks[kind], "linestyle": "", "markersize": pt(3.4),
                "markeredgewidth": pt(0.6), "alpha": 0.75, "markerfacecolor": "none" if hollow else colours[grouping],
            }  # fmt: skip
            panel.axes.plot(mine["x"], mine["y"], **look)
            words = [_name(grouping), *[kind] * (kind != UNKNOWN), *[backend] * hollow]
            plot.handles.setdefault(", ".join(words), Line2D([], [], **look))
    axis.set_scale(plot.axes, "x", data["x"], "powers")
    label(plot, AXES["mac_speedup"], [AXES[quantity] for quantity in dict.fromkeys(data["quantity"])])
    return plot.finish()


def _name(grouping: str) -> str:
    return GROUPINGS.get(grouping, grouping)


def _backends(frame: Frame, rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the rows once more for each backend of latency.csv that is not torch, with its speedups for theirs."""
    columns = ["trial", "network", "backend", "batch", "median_ms"]
    latency = frame.latency.reindex(columns=columns)
    others = latency[(latency["backend"].fillna(TORCH) != TORCH) & (latency["median_ms"] > 0)]
    found = []
    for backend, times in others.groupby("backend"):
        medians = times.pivot_table("median_ms", "trial", ["network", "batch"])
        mine = rows.assign(backend=backend)
        for batch, column in BATCHES.items():
            nothing = pd.Series(dtype="float64")
            dense, compact = (medians.get((name, float(batch)), nothing) for name in (DENSE, "compact"))
            mine[column] = mine["trial"].map(dense / compact)
        found.append(mine)
    return found


MEASURED_VS_THEORETICAL = FigureEntry(
    "measured_vs_theoretical",
    "Measured speedup against the theoretical one, dense / compact multiply-adds, by grouping and realisation.",
    ("speedup_b64", "mac_speedup"),
    whole=True,
    data=data,
    draw=draw,
)
