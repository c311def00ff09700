"""One number for a whole curve: the mean accuracy over the range of sparsity, or of speedup, that all curves share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial

import numpy as np
import pandas as pd

from analysis.entries import TableEntry
from analysis.frame import Frame
from analysis.statistics import placed
from analysis.table import Column, Table
from analysis.tabulation import best_of, experiments, heads, of_every_seed, seeds_said, table, usual
from analysis.wording import NOTHING, TIMES, listed
from results.errors import Skip

AXES = {"group_sparsity": "over group sparsity (%)", "mac_speedup": "over log mac_speedup (%)"}
ALIKE = 1e-9  # two places on an axis that are nearer to each other are one
Curves = dict[float, pd.Series]  # by seed: the accuracies, by their places on the axis, rising


def data(frame: Frame) -> Table:
    """Return a row per experiment with the areas under its curves of accuracy: a mean accuracy in percent.

    area = 1 / (high - low) * integral of top-1 from low to high, by trapezoids over the points of a seed; low to high
    is what all curves share. The dense network is no point of them. If another grouping leaves nothing to share, as
    unstructured pruning does whose masks save no multiply-adds, it is what the curves of the usual grouping share.
    """
    trials = frame.tabled
    every = experiments(trials)
    areas, ranges = {}, []
    for axis in [axis for axis in AXES if frame.lacks((axis,)) is None]:
        curves = [_curves(row.trials, axis) for row in every]
        own = [one for one, row in zip(curves, every, strict=True) if usual(frame, row)]
        if reach := _shared(curves) or _shared(own):
            areas[axis] = [of_every_seed(one, partial(area, low=reach[0], high=reach[1])) for one in curves]
            ranges.append(_said(axis, *reach))
    if not areas:
        raise Skip(_why(frame))
    shown = [i for i in range(len(every)) if any(len(values[i]) for values in areas.values())]
    lost = [frame.name(row.name) for i, row in enumerate(every) if i not in shown]
    rows, columns = [every[i] for i in shown], []
    for axis, found in areas.items():
        values = [found[i] for i in shown]
        columns.append(Column(AXES[axis], values, scale=100, bold=best_of(frame, rows, values)))
    caption = [
        f"{frame.subject}: area under test top-1, its mean in % over a range that all curves share, by trapezoids "
        "between the values of keep",
        f"Range: {'; '.join(ranges)}",
        seeds_said(trials),
        f"{NOTHING}: no curve over this range" if any(value.empty for one in columns for value in one.values) else "",
        f"Left out, no curve over the range: {listed(lost)}" if lost else "",
    ]
    return table(frame, [*heads(rows), *columns], caption, trials, bold="column")


def area(curve: pd.Series, low: float, high: float) -> float:
    """Return the mean of the line through the points of a curve between low and high; NaN if it ends within.

    The line is linear between the points, and is cut at low and high.
    """
    x, y = curve.index.to_numpy(dtype="float64"), curve.to_numpy(dtype="float64")
    if x[0] > low + ALIKE or x[-1] < high - ALIKE:
        return math.nan
    places = np.concatenate([[low], x[(x > low) & (x < high)], [high]])
    return float(np.trapezoid(np.interp(places, x, y), places) / (high - low))


def _shared(curves: Iterable[Curves]) -> tuple[float, float] | None:
    """Return the ends of the range that all curves share, None if there is none."""
    ends = [(curve.index[0], curve.index[-1]) for seeds in curves for curve in seeds.values()]
    low, high = max((start for start, _ in ends), default=0.0), min((end for _, end in ends), default=0.0)
    return (float(low), float(high)) if high - low > ALIKE else None


def _curves(rows: pd.DataFrame, axis: str) -> Curves:
    """Return the points of each seed that has two places on the axis; equal places are averaged."""
    rows = placed(rows, axis)
    rows = rows[rows[axis] > 0].dropna(subset=["test_top1"])
    places = (np.log(rows[axis]) if axis == "mac_speedup" else rows[axis]).round(9)
    means = rows.groupby(["seed", places])["test_top1"].mean()
    curves = {float(str(seed)): part.droplevel("seed") for seed, part in means.groupby("seed")}
    return {seed: curve for seed, curve in curves.items() if len(curve) > 1}


def _said(axis: str, low: float, high: float) -> str:
    """Return the range in words."""
    if axis == "mac_speedup":
        return f"mac_speedup {math.exp(low):.2f}{TIMES} to {math.exp(high):.2f}{TIMES}"
    return f"group sparsity {100 * low:.1f} to {100 * high:.1f} %"


def _why(frame: Frame) -> str:
    """Say why there is no area."""
    if all(frame.lacks((axis,)) for axis in AXES):
        return f"trials.csv has neither {' nor '.join(AXES)} for {frame.title}"
    if frame.pruned.groupby("method")["keep"].nunique().max() < 2:
        return f"each method of {frame.title} has one keep only: no curve, hence no area under it"
    return f"the curves of {frame.title} share no range of group sparsity"


AREA = TableEntry(
    "area",
    "Area under accuracy over group sparsity, and over the logarithm of mac_speedup: a mean accuracy in %.",
    ("test_top1",),
    by_grouping=True,
    data=data,
)
