"""Whether fewer multiply-adds are less time: measured against theoretical speedup, by grouping and realisation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.identity import IDENTITY, TIMING
from analysis.load import DENSE, Results
from analysis.plotting import Panel, draw_par, finish, panel
from analysis.registry import entry
from analysis.series import devices
from analysis.statistics import seeds_between
from analysis.style import COLOURS, DENSE_COLOUR, MARKS, pt
from results.errors import Skip

COLOURS_OF = {
    "filter": COLOURS[0],
    "coupled": COLOURS[1],
    "channel": COLOURS[2],
    "shape": COLOURS[3],
    "kernel": COLOURS[4],
    "neuron": COLOURS[5],
    "depth": COLOURS[6],
    "block": COLOURS[7],
    "n_of_m": COLOURS[8],
    "element": DENSE_COLOUR,
}
OTHERS = ("#9A9A9A", "#8C564B", "#C9B200")  # groupings of a user's own
KINDS = ("compact", "masked", "compact+masked", "positions", "csr", "bsr", "semi_structured")
BATCHES = ("b1", "b64")
NETWORKS = ("dense", "compact")
EXPERIMENT = ["architecture", "dataset", *IDENTITY, *TIMING, "keep", "kind", "backend", "how"]
NAMES = ["how", "kind", "backend"]
TORCH, UNKNOWN = "torch", "unknown"
PROMISE = "as promised"
TICKS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7))
FEWEST = 3  # ticks on an axis


class _Mark(NamedTuple):
    """How a point is drawn that was realised in one way: hollow where the backend is not torch."""

    mark: str
    hollow: bool


@entry("speedup_b64", "mac_speedup", whole=True)
def measured_vs_theoretical(results: Results) -> Figure:
    """Measured speedup against the theoretical one, dense / compact multiply-adds, by grouping and realisation.

    A point is the mean over the seeds of one method at one keep in one setting. On the diagonal, time goes as the
    multiply-adds do. Backends other than torch are those of latency.csv, each against its own dense network.
    """
    points = _points(results)
    batches = [batch for batch in BATCHES if batch in points and points[batch].notna().any()]
    plot = panel(results, heights=[1.9] * len(batches))
    colours, marks = _colours(points), _marks(points)
    for axes, batch in zip(plot.axes, batches, strict=True):
        axes.set_xscale("log")
        axes.set_yscale("log")
        _draw(plot, axes, points.dropna(subset=[batch]), batch, colours, marks)
        axes.set_ylabel(f"Measured speedup, batch {batch.removeprefix('b')}")
    plot.axes[-1].set_xlabel("Theoretical speedup (multiply-adds)")
    _explain(plot, points, colours, marks)
    lines = [
        f"a point: a method at a keep, {_seeds(points)}",
        "in brackets: median measured / theoretical, batch 64",
        f"timed on {devices(_pruned(results))}",
    ]
    return finish(plot, lines, "Measured against theoretical speedup")


def _pruned(results: Results) -> pd.DataFrame:
    """Return the finished trials that have both speedups. Raises Skip where there are none."""
    done = results.with_status("done")
    told = (done["mac_speedup"] > 0) & (done["speedup_b64"] > 0)
    pruned = done[told & (done["method"] != DENSE)]
    if pruned.empty:
        raise Skip("no pruned trial has both mac_speedup and speedup_b64")
    return pruned


def _points(results: Results) -> pd.DataFrame:
    """Return a row per point: grouping, mac_speedup, the speedups by batch, the seeds, and how it was realised.

    kind: the realisation; backend; how: both in words.
    """
    rows = _pruned(results)
    rows = rows.rename(columns={f"speedup_{batch}": batch for batch in BATCHES})
    kinds = rows["realisation"].fillna(UNKNOWN) if "realisation" in rows else UNKNOWN
    rows = rows.assign(kind=kinds, backend=TORCH, how=kinds)
    rows = pd.concat([rows, *_backends(results, rows)], ignore_index=True)
    keys = [column for column in EXPERIMENT if column in rows]
    numbers = ["mac_speedup", *(batch for batch in BATCHES if batch in rows)]
    rows[numbers] = rows[numbers].where(rows[numbers] > 0)  # a logarithmic axis has no place for 0
    seeds = rows.groupby([*keys, "seed"], dropna=False)[numbers].mean().reset_index()
    points = seeds.groupby(keys, dropna=False, sort=True)
    return points[numbers].mean().assign(seeds=points["seed"].nunique()).reset_index()


def _backends(results: Results, rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the rows once more for each backend of latency.csv that is not torch, with its speedups for theirs."""
    latency = results.frame("latency")
    if not {"trial", "network", "backend", "batch", "median_ms"} <= set(latency):
        return []
    others = latency[(latency["backend"].fillna(TORCH) != TORCH) & (latency["median_ms"] > 0)]
    found = []
    for backend, times in others.groupby("backend", sort=True):
        medians = times.pivot_table("median_ms", index="trial", columns=["network", "batch"], aggfunc="mean")
        mine = rows.assign(backend=backend, how=[f"{kind}, {backend}" for kind in rows["kind"]])
        for batch in BATCHES:
            dense, compact = (medians.get((name, float(batch[1:])), pd.Series(dtype="float64")) for name in NETWORKS)
            mine[batch] = mine["trial"].map(dense / compact)
        found.append(mine.dropna(subset=list(BATCHES), how="all"))
    return found


def _colours(points: pd.DataFrame) -> dict[str, str]:
    """Return the colour of each grouping that occurs, in the order of COLOURS_OF."""
    here = set(points["grouping"])
    own = {name: OTHERS[i % len(OTHERS)] for i, name in enumerate(sorted(here - set(COLOURS_OF)))}
    return {name: colour for name, colour in (COLOURS_OF | own).items() if name in here}


def _marks(points: pd.DataFrame) -> dict[str, _Mark]:
    """Return the mark of each realisation and backend that occurs: those of torch first."""
    names = [*KINDS, *sorted(set(points["kind"]) - set(KINDS))]
    found = {str(how): (str(kind), backend != TORCH) for how, kind, backend in points[NAMES].itertuples(index=False)}
    order = sorted(found, key=lambda how: (found[how][1], names.index(found[how][0]), how))
    return {how: _Mark(MARKS[names.index(found[how][0]) % len(MARKS)], found[how][1]) for how in order}


def _draw(
    plot: Panel, axes: Axes, points: pd.DataFrame, batch: str, colours: dict[str, str], marks: dict[str, _Mark]
) -> None:
    """Draw the points of one batch size, the diagonal and the line at a speedup of 1."""
    draw_par(plot, axes)
    for key, rows in points.groupby(["grouping", "how"], sort=True):
        grouping, how = str(key[0]), str(key[1])
        axes.plot(rows["mac_speedup"], rows[batch], label=f"{grouping}, {how}", **_look(colours[grouping], marks[how]))
    axes.axline((1, 1), (2, 2), color=DENSE_COLOUR, linewidth=pt(0.9), linestyle="--", zorder=1)
    plot.handles[PROMISE] = Line2D([], [], color=DENSE_COLOUR, linewidth=pt(0.9), linestyle="--")
    axes.set_xlim(*_limits([*points["mac_speedup"]]))
    axes.set_ylim(*_limits([*points[batch], 1]))
    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        ticks = _ticks(*limits)
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.set_ticks([], minor=True)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of a logarithmic axis with some room beside the values."""
    low, high = min(values), max(values)
    room = max(high / low, 2) ** 0.06
    return low / room, high * room


def _ticks(low: float, high: float) -> list[float]:
    """Return a few round numbers between low and high: the coarsest of TICKS that give three, or evenly spaced ones."""
    for steps in TICKS:
        ticks = sorted(s * 10.0**e for s, e in product(steps, range(-9, 13)) if low <= s * 10.0**e <= high)
        if len(ticks) >= FEWEST:
            return ticks
    return [float(tick) for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]


def _look(colour: str, mark: _Mark) -> dict[str, Any]:
    """Return how matplotlib is to draw the marks of one grouping and realisation."""
    return {
        "color": colour, "linestyle": "", "marker": mark.mark, "markersize": pt(3.4), "markeredgewidth": pt(0.6),
        "markerfacecolor": "none" if mark.hollow else colour, "alpha": 0.75,
    }  # fmt: skip


def _explain(plot: Panel, points: pd.DataFrame, colours: dict[str, str], marks: dict[str, _Mark]) -> None:
    """Say in the legend what the colours mean, with the median ratio in torch at batch 64, and what the marks mean."""
    told = points[points["backend"] == TORCH]
    ratios = (told["b64"] / told["mac_speedup"]).groupby(told["grouping"]).median()
    for grouping, colour in colours.items():
        handle = Line2D([], [], **_look(colour, _Mark(MARKS[0], False)))
        plot.handles[f"{grouping} ({ratios[grouping]:.2f})"] = handle
    if set(marks) != {UNKNOWN}:
        for how, mark in marks.items():
            plot.handles[how] = Line2D([], [], **_look("#555555", mark))


def _seeds(points: pd.DataFrame) -> str:
    return f"mean of {seeds_between(int(points['seeds'].min()), int(points['seeds'].max()))}"
