"""One number for a whole curve: the mean accuracy over the range of sparsity, or of speedup, that all curves share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.blocks import seeds_said
from analysis.load import Setting, sentences
from analysis.registry import entry
from analysis.series import Series, majority, pruned_series
from analysis.significance import best
from analysis.statistics import estimate, placed
from analysis.table import NOTHING, TIMES, Cell, Table, deviation_cell
from analysis.tuning import chosen
from results.errors import Skip

NAMED = 5  # series that are named in the caption, at most
AXES = {"group_sparsity": "over group sparsity (%)", "mac_speedup": "over log mac_speedup (%)"}
ALIKE = 1e-9  # two places on an axis that are nearer to each other are one

Points = tuple[np.ndarray, np.ndarray]  # places on the axis, rising, and the accuracies there


@dataclass(frozen=True)
class _Column:
    """A column of the table: the range that all curves share, and the area of each series by seed."""

    axis: str
    low: float
    high: float
    areas: dict[str, pd.Series]

    @property
    def told(self) -> dict[str, pd.Series]:
        """The series that have an area for every seed that has a curve."""
        return {label: areas for label, areas in self.areas.items() if len(areas) and areas.notna().all()}


@entry("test_top1", by_grouping=True)
def area(setting: Setting) -> Table:
    """Area under accuracy over group sparsity, and over the logarithm of mac_speedup: a mean accuracy in %.

    area = 1 / (high - low) * integral of top-1 from low to high, by trapezoids over the points of a seed; between
    low and high lies what all curves share. The dense network is not a point of them.
    """
    setting = chosen(setting)
    series = pruned_series(setting)
    found = [_column(setting, series, axis) for axis in AXES if setting.lacks((axis,)) is None]
    columns = [column for column in found if column is not None]
    if not columns:
        raise Skip(_why(setting))
    shown = [one for one in series if any(one.label in column.told for column in columns)]
    tops = [_best(column, shown, setting) for column in columns]
    rows: list[list[Cell | str]] = [
        [one.label, *(_cell(c, one.label, top == one.label) for c, top in zip(columns, tops, strict=True))]
        for one in shown
    ]
    text = _caption(setting, columns, [one.label for one in series if one not in shown], any(tops))
    return Table(text, ["method", *(AXES[column.axis] for column in columns)], [rows], spread="standard deviation")


def normalised_area(x: np.ndarray, y: np.ndarray, low: float, high: float) -> float:
    """Return the mean of the line through the points (x, y), x rising, between low and high; NaN if it ends within.

    The line is linear between the points, and is cut at low and high.
    """
    if x[0] > low + ALIKE or x[-1] < high - ALIKE:
        return math.nan
    inside = (x > low) & (x < high)
    places = np.concatenate([[low], x[inside], [high]])
    return float(np.trapezoid(np.interp(places, x, y), places) / (high - low))


def bold_said(bold: bool) -> str:
    """Say what bold means in a table that compares the methods column by column, or why nothing is."""
    if bold:
        return "Bold: significantly above every other method of this column and grouping (paired by seed, Holm, 5 %)."
    return "Nothing is bold: no method is significantly above all others (paired by seed, Holm, 5 %)."


def _column(setting: Setting, series: list[Series], axis: str) -> _Column | None:
    """Return the areas over one axis; None where the curves share no range of it.

    Where another grouping leaves nothing to share, as unstructured pruning does whose masks save no multiply-adds, the
    range is what the curves of the usual grouping share.
    """
    curves = {one.label: _curves(one.rows, axis) for one in series}
    found = _shared(curves.values()) or _shared(curves[label] for label in _usual(setting, series))
    if found is None:
        return None
    areas = {
        label: pd.Series({seed: normalised_area(x, y, *found) for seed, (x, y) in seeds.items()}, dtype="float64")
        for label, seeds in curves.items()
    }
    return _Column(axis, *found, areas)


def _shared(curves: Iterable[dict[float, Points]]) -> tuple[float, float] | None:
    """Return where the range that all curves share starts and ends, None where there is none."""
    ends = [(x[0], x[-1]) for seeds in curves for x, _ in seeds.values()]
    low, high = max((start for start, _ in ends), default=0.0), min((end for _, end in ends), default=0.0)
    return (float(low), float(high)) if high - low > ALIKE else None


def _curves(rows: pd.DataFrame, axis: str) -> dict[float, Points]:
    """Return the points of each seed that has two places on the axis; equal places are averaged."""
    curves = {}
    rows = placed(rows, axis)
    for seed, part in rows[rows[axis] > 0].dropna(subset=["test_top1"]).groupby("seed", sort=True):
        x = np.log(part[axis]) if axis == "mac_speedup" else part[axis]
        means = part.groupby(x.round(9))["test_top1"].mean().sort_index()
        if len(means) > 1:
            curves[float(str(seed))] = (means.index.to_numpy(dtype="float64"), means.to_numpy(dtype="float64"))
    return curves


def _usual(setting: Setting, series: list[Series]) -> list[str]:
    """Return the labels of the series of the usual grouping; the others are references."""
    usual = majority(setting.pruned, "grouping")
    return [one.label for one in series if majority(one.rows, "grouping") == usual]


def _best(column: _Column, series: list[Series], setting: Setting) -> str | None:
    """Return the series of the usual grouping that is significantly above all others, or None."""
    return best({label: column.told[label] for label in _usual(setting, series) if label in column.told})


def _cell(column: _Column, label: str, bold: bool) -> Cell:
    return deviation_cell(estimate(column.told[label]), 100, bold=bold) if label in column.told else Cell(NOTHING)


def _why(setting: Setting) -> str:
    """Say why there is no area."""
    if all(setting.lacks((axis,)) for axis in AXES):
        return f"trials.csv has neither {' nor '.join(AXES)} for {setting.title}"
    if setting.pruned.groupby("method")["keep"].nunique().max() < 2:
        return f"each method of {setting.title} has one keep only: no curve, hence no area under it"
    return f"the curves of {setting.title} share no range of group sparsity"


def _range(column: _Column) -> str:
    if column.axis == "mac_speedup":
        low, high = math.exp(column.low), math.exp(column.high)
        return f"mac_speedup {low:.2f}{TIMES} to {high:.2f}{TIMES}"
    return f"group sparsity {100 * column.low:.1f} to {100 * column.high:.1f} %"


def _caption(setting: Setting, columns: list[_Column], left_out: list[str], bold: bool) -> str:
    dashes = any(len(column.told) < len(column.areas) - len(left_out) for column in columns)
    named, more = ", ".join(left_out[:NAMED]), f" and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
    lines = [
        f"{setting.title}, {majority(setting.pruned, 'grouping')} groups: area under test top-1, by trapezoids between "
        "the values of keep and divided by the width of the range, which makes it a mean accuracy in %.",
        f"Range, shared by the curves: {'; '.join(_range(column) for column in columns)}.",
        f"Mean ± standard deviation over the seeds ({seeds_said(setting.pruned)}; one has none).",
        f"{NOTHING}: no curve over this range." if dashes else "",
        f"Without a curve over the range, hence left out: {named}{more}." if left_out else "",
        bold_said(bold),
        *setting.remarks,
    ]
    return sentences(lines)
