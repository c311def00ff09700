"""One number for a whole curve: the mean accuracy over the range of sparsity, or of speedup, that all curves share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.frame import Frame
from analysis.registry import TableEntry
from analysis.rows import Key, best_of, bold_said, experiments, heads, seeds_said, spread, table, usual
from analysis.statistics import estimate, placed
from analysis.table import Table
from analysis.wording import NOTHING, TIMES, listed
from results.errors import Skip

AXES = {"group_sparsity": "over group sparsity (%)", "mac_speedup": "over log mac_speedup (%)"}
ALIKE = 1e-9  # two places on an axis that are nearer to each other are one
Curves = dict[float, tuple[np.ndarray, np.ndarray]]  # by seed: places on the axis, rising, and the accuracies there


@dataclass(frozen=True)
class Area:
    """A column: the range that all curves share, and the areas by seed of the experiments with one for each seed."""

    axis: str
    low: float
    high: float
    values: dict[Key, pd.Series]

    def __str__(self) -> str:
        """Return the range in words."""
        if self.axis == "mac_speedup":
            return f"mac_speedup {math.exp(self.low):.2f}{TIMES} to {math.exp(self.high):.2f}{TIMES}"
        return f"group sparsity {100 * self.low:.1f} to {100 * self.high:.1f} %"


def data(frame: Frame) -> Table:
    """Return a row per experiment with the areas under its curves of accuracy: a mean accuracy in percent.

    area = 1 / (high - low) * integral of top-1 from low to high, by trapezoids over the points of a seed; low to high
    is what all curves share. The dense network is no point of them.
    """
    trials = frame.tabled
    found = experiments(trials)
    axes = [axis for axis in AXES if frame.lacks((axis,)) is None]
    areas = [area for axis in axes if (area := _area(found, usual(found, frame), axis)) is not None]
    if not areas:
        raise Skip(_why(frame))
    shown = [key for key in found if any(key in area.values for area in areas)]
    lost = [frame.name(key[1]) for key in found if key not in shown]
    columns, bold = heads(shown), set()
    for area in areas:
        columns |= spread(AXES[area.axis], [estimate(area.values.get(key, ())) for key in shown], 100)
        top = best_of({key: area.values[key] for key in usual(found, frame) if key in area.values})
        bold |= {(i, AXES[area.axis]) for i, key in enumerate(shown) if key in top}
    caption = [
        f"{frame.subject}: area under test top-1, its mean in % over a range that all curves share, by trapezoids "
        "between the values of keep",
        f"Range: {'; '.join(map(str, areas))}",
        seeds_said(trials),
        f"{NOTHING}: no curve over this range" if any(len(area.values) < len(shown) for area in areas) else "",
        f"Left out, no curve over the range: {listed(lost)}" if lost else "",
        bold_said(trials, bool(bold), "column"),
    ]
    return table(frame, trials, columns, caption, bold=bold)


def normalised_area(x: np.ndarray, y: np.ndarray, low: float, high: float) -> float:
    """Return the mean of the line through the points (x, y), x rising, between low and high; NaN if it ends within.

    The line is linear between the points, and is cut at low and high.
    """
    if x[0] > low + ALIKE or x[-1] < high - ALIKE:
        return math.nan
    inside = (x > low) & (x < high)
    places = np.concatenate([[low], x[inside], [high]])
    return float(np.trapezoid(np.interp(places, x, y), places) / (high - low))


def _area(found: Mapping[Key, pd.DataFrame], own: Sequence[Key], axis: str) -> Area | None:
    """Return the areas over one axis, None if the curves share no range of it.

    If another grouping leaves nothing to share, as unstructured pruning does whose masks save no multiply-adds, the
    range is what the curves of the usual grouping share.
    """
    curves = {key: _curves(rows, axis) for key, rows in found.items()}
    reach = _shared(curves.values()) or _shared(curves[key] for key in own)
    if reach is None:
        return None
    areas = {k: pd.Series({s: normalised_area(*xy, *reach) for s, xy in seeds.items()}) for k, seeds in curves.items()}
    return Area(axis, *reach, {key: values for key, values in areas.items() if len(values) and values.notna().all()})


def _shared(curves: Iterable[Curves]) -> tuple[float, float] | None:
    """Return the ends of the range that all curves share, None if there is none."""
    ends = [(x[0], x[-1]) for seeds in curves for x, _ in seeds.values()]
    low, high = max((start for start, _ in ends), default=0.0), min((end for _, end in ends), default=0.0)
    return (float(low), float(high)) if high - low > ALIKE else None


def _curves(rows: pd.DataFrame, axis: str) -> Curves:
    """Return the points of each seed that has two places on the axis; equal places are averaged."""
    curves = {}
    rows = placed(rows, axis)
    for seed, part in rows[rows[axis] > 0].dropna(subset=["test_top1"]).groupby("seed"):
        x = np.log(part[axis]) if axis == "mac_speedup" else part[axis]
        means = part.groupby(x.round(9))["test_top1"].mean()
        if len(means) > 1:
            curves[float(str(seed))] = (means.index.to_numpy(dtype="float64"), means.to_numpy(dtype="float64"))
    return curves


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
