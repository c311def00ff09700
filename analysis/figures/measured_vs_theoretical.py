"""Whether fewer multiply-adds are less time: measured against theoretical speedup, by grouping and realisation."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.annotation import DENSE, TIMING
from analysis.frame import Frame, devices
from analysis.plot import axes as axis
from analysis.plot.facets import described, facets, label
from analysis.plot.marks import draw_par
from analysis.plot.style import COLOURS, DENSE_COLOUR, MARKS, pt
from analysis.registry import FigureEntry
from analysis.select import PHASES
from analysis.statistics import seeds_between
from analysis.wording import AXES, GROUPINGS
from results.errors import Skip

# Each grouping has a colour, each realisation a mark.
COLOURED = ["filter", "coupled", "channel", "shape", "kernel", "neuron", "depth", "block", "n_of_m", "element"]
COLOURS_OF = dict(zip(COLOURED, [*COLOURS, DENSE_COLOUR], strict=True))
OTHERS = ("#9A9A9A", "#8C564B", "#C9B200")  # groupings of a user's own
KINDS = ("compact", "masked", "compact+masked", "positions", "csr", "bsr", "semi_structured")
TORCH, UNKNOWN = "torch", "unknown"
BATCHES = {1: "speedup_b1", 64: "speedup_b64"}
NETWORK = ["problem", "experiment", "configuration", *PHASES, *TIMING, "kind", "backend"]
PAR, PROMISE = "speedup 1", "as promised"


def data(frame: Frame) -> pd.DataFrame:
    """Return a row per point and batch size: the theoretical speedup x and the measured one y, both over dense.

    A point is the mean over the n seeds of one configuration at one keep, whatever was chosen in the end; kind is its
    realisation. Backends other than torch are those of latency.csv, each against its own dense network. Raises Skip if
    no pruned trial has both speedups.
    """
    done = frame.pruned[frame.pruned["status"] == "done"]
    rows = done[(done["mac_speedup"] > 0) & (done["speedup_b64"] > 0)]
    if rows.empty:
        raise Skip("no pruned trial has both mac_speedup and speedup_b64")
    kinds = rows["realisation"].fillna(UNKNOWN) if "realisation" in rows else UNKNOWN
    rows = rows.assign(kind=kinds, backend=TORCH)
    rows = pd.concat([rows, *_backends(frame, rows)], ignore_index=True)
    columns = [column for column in BATCHES.values() if column in rows]
    numbers = ["mac_speedup", *columns]
    rows[numbers] = rows[numbers].where(rows[numbers] > 0)  # a logarithmic axis has no place for 0
    keys = ["grouping", *(column for column in NETWORK if column in rows)]
    seeds = rows.groupby([*keys, "seed"], dropna=False)[numbers].mean().reset_index()
    means = seeds.groupby(keys, dropna=False)
    wide = means[numbers].mean().assign(n=means["seed"].nunique()).reset_index()
    told = wide.melt(["grouping", "kind", "backend", "mac_speedup", "n"], columns, "quantity", "y").dropna(subset=["y"])
    told = told.rename(columns={"mac_speedup": "x"}).assign(panel="")
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
    return described(told.reset_index(drop=True), frame, caption, "Measured against theoretical speedup")


def draw(data: pd.DataFrame) -> Figure:
    """Draw a panel for each batch size: colour tells the grouping, the mark the realisation, hollow is not torch."""
    plot = facets(data, row="quantity", share_y=False, heights=[1.9] * data["quantity"].nunique())
    own = sorted(set(data["grouping"]) - set(COLOURS_OF))
    colours = COLOURS_OF | {name: OTHERS[i % len(OTHERS)] for i, name in enumerate(own)}
    kinds = [*KINDS, *sorted(set(data["kind"]) - set(KINDS))]
    places = {name: i for i, name in enumerate([*colours, *kinds])}
    line: dict[str, Any] = {"color": DENSE_COLOUR, "linewidth": pt(0.9), "linestyle": "--"}
    for panel in plot.panels():
        plot.handles.setdefault(PAR, draw_par(panel.axes))
        panel.axes.axline((1, 1), (2, 2), zorder=1, **line)
        plot.handles.setdefault(PROMISE, Line2D([], [], **line))
        axis.set_scale([panel.axes], "y", [*panel.rows["y"], 1.0], "powers", most=6)
        keys = ["grouping", "kind", "backend"]
        sets = {(str(g), str(k), str(b)): rows for (g, k, b), rows in panel.rows.groupby(keys, sort=True)}
        for grouping, kind, backend in sorted(sets, key=lambda one: (places[one[0]], one[2] != TORCH, places[one[1]])):
            rows, hollow = sets[grouping, kind, backend], backend != TORCH
            look: dict[str, Any] = {
                "color": colours[grouping], "marker": MARKS[kinds.index(kind) % len(MARKS)], "linestyle": "",
                "markersize": pt(3.4), "markeredgewidth": pt(0.6), "alpha": 0.75,
                "markerfacecolor": "none" if hollow else colours[grouping],
            }  # fmt: skip
            panel.axes.plot(rows["x"], rows["y"], **look)
            words = [_name(grouping), *[kind] * (kind != UNKNOWN), *[backend] * hollow]
            plot.handles.setdefault(", ".join(words), Line2D([], [], **look))
    axis.set_scale(plot.axes, "x", data["x"], "powers")
    label(plot, AXES["mac_speedup"], [AXES[quantity] for quantity in dict.fromkeys(data["quantity"])])
    return plot.finish()


def _name(grouping: str) -> str:
    return GROUPINGS.get(grouping, grouping)


def _backends(frame: Frame, rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the rows once more for each backend of latency.csv that is not torch, with its speedups for theirs."""
    latency = frame.latency
    if not {"trial", "network", "backend", "batch", "median_ms"} <= set(latency):
        return []
    others = latency[(latency["backend"].fillna(TORCH) != TORCH) & (latency["median_ms"] > 0)]
    found = []
    for backend, times in others.groupby("backend", sort=True):
        medians = times.pivot_table("median_ms", index="trial", columns=["network", "batch"], aggfunc="mean")
        mine = rows.assign(backend=backend)
        for batch, column in BATCHES.items():
            nothing = pd.Series(dtype="float64")
            dense, compact = (medians.get((name, float(batch)), nothing) for name in (DENSE, "compact"))
            mine[column] = mine["trial"].map(dense / compact)
        found.append(mine.dropna(subset=list(BATCHES.values()), how="all"))
    return found


MEASURED_VS_THEORETICAL = FigureEntry(
    "measured_vs_theoretical",
    "Measured speedup against the theoretical one, dense / compact multiply-adds, by grouping and realisation.",
    ("speedup_b64", "mac_speedup"),
    whole=True,
    data=data,
    draw=draw,
)
