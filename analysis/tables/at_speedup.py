"""Two readings off the trade-off: what is left at a speedup, and how much speedup a point of accuracy buys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from analysis.blocks import seeds_said
from analysis.interpolation import AtLoss, Tradeoff, accuracy_at, speedup_at_loss, tradeoffs
from analysis.load import Setting, sentences
from analysis.registry import entry
from analysis.series import Series, devices, majority, pruned_series
from analysis.significance import best
from analysis.statistics import estimate
from analysis.table import NOTHING, TIMES, Cell, Table, deviation_cell
from analysis.tables.area import bold_said
from analysis.tuning import chosen
from results.errors import Skip

SPEEDUPS = {"mac_speedup": "mac", "speedup_b64": "measured"}
TARGETS = (2, 4, 8)
LOSS = 1.0  # percentage points


@dataclass(frozen=True)
class _Column:
    """A column of the table: the values of each series by seed, and which series have lower bounds only."""

    heading: str
    values: dict[str, pd.Series]
    bounds: frozenset[str] = frozenset()
    accuracy: bool = True

    @property
    def told(self) -> dict[str, pd.Series]:
        """The series that have a value for every seed."""
        return {name: values for name, values in self.values.items() if len(values) and values.notna().all()}


@entry("test_top1", by_grouping=True)
def at_speedup(setting: Setting) -> Table:
    """Test accuracy at 2, 4 and 8 times the speed, and the speedup at one point of accuracy lost.

    Speedups are those in multiply-adds (mac) and those measured at batch 64. See analysis/interpolation.py.
    """
    setting = chosen(setting)
    present = [column for column in SPEEDUPS if setting.lacks((column,)) is None]
    series = pruned_series(setting, timing="speedup_b64" in present)
    if not present or not series:
        raise Skip(f"{setting.title} has no pruned trial with mac_speedup or speedup_b64")
    curves = {column: {one.label: _curves(one, column, setting) for one in series} for column in present}
    columns = [_at(SPEEDUPS[column], target, curves[column]) for column in present for target in TARGETS]
    columns += [_at_loss(SPEEDUPS[column], curves[column]) for column in present]
    shown = [column for column in columns if column.told]
    if not shown:
        raise Skip(f"no curve of {setting.title} reaches a speedup of {TARGETS[0]}, nor has a dense accuracy to lose")
    tops = [_best(column, series, majority(setting.pruned, "grouping")) for column in shown]
    cells = [
        [_cell(column, one.label, top == one.label) for column, top in zip(shown, tops, strict=True)] for one in series
    ]
    rows: list[list[Cell | str]] = [[one.label, *line] for one, line in zip(series, cells, strict=True)]
    dropped = [column.heading for column in columns if not column.told]
    text = _caption(setting, present, dropped, any(column.bounds for column in shown), any(tops))
    return Table(text, ["method", *(column.heading for column in shown)], [rows], spread="standard deviation")


def _curves(series: Series, column: str, setting: Setting) -> dict[float, Tradeoff]:
    return tradeoffs(series.rows, column, setting.dense)


def _at(word: str, target: float, curves: dict[str, dict[float, Tradeoff]]) -> _Column:
    """Return the column of the accuracies at one speedup."""
    return _Column(f"{word} {target:g}{TIMES}", _each(curves, lambda curve: accuracy_at(curve, target)))


def _at_loss(word: str, curves: dict[str, dict[float, Tradeoff]]) -> _Column:
    """Return the column of the speedups at a loss, with the series of which some seed never lost as much."""
    found: dict[str, list[AtLoss]] = {
        label: [speedup_at_loss(curve, LOSS) for curve in seeds.values()] for label, seeds in curves.items()
    }
    bounds = frozenset(label for label, ends in found.items() if any(end.bound for end in ends))
    values = _each(curves, lambda curve: speedup_at_loss(curve, LOSS).speedup)
    return _Column(f"{word}, {LOSS:g} point lost", values, bounds, accuracy=False)


def _each(curves: dict[str, dict[float, Tradeoff]], read: Callable[[Tradeoff], float]) -> dict[str, pd.Series]:
    return {
        label: pd.Series({seed: read(curve) for seed, curve in seeds.items()}, dtype="float64")
        for label, seeds in curves.items()
    }


def _best(column: _Column, series: list[Series], grouping: str | None) -> str | None:
    """Return the series of the usual grouping that is significantly the best; none where a rival has a bound only."""
    usual = {one.label for one in series if majority(one.rows, "grouping") == grouping}
    rivals = {label: values for label, values in column.told.items() if label in usual}
    top = best(rivals)
    return None if column.bounds & (set(rivals) - {top}) else top


def _cell(column: _Column, label: str, bold: bool) -> Cell:
    """Return the mean over the seeds; a dash unless every seed has a value, so that all means are over the same."""
    if label not in column.told:
        return Cell(NOTHING)
    value = estimate(column.told[label])
    if column.accuracy:
        return deviation_cell(value, 100, bold=bold)
    if label in column.bounds:
        return Cell(f"≥ {value.mean:.2f}{TIMES}", (value.mean,), bold)
    cell = deviation_cell(value, bold=bold)
    return replace(cell, text=f"{cell.text}{TIMES}")


def _caption(setting: Setting, present: list[str], dropped: list[str], bounds: bool, bold: bool) -> str:
    grouping = majority(setting.pruned, "grouping")
    keeps = ", ".join(f"{keep:g}" for keep in sorted(setting.pruned["keep"].unique(), reverse=True))
    measured = f"Measured at batch 64 on {devices(setting.pruned)}." if "speedup_b64" in present else ""
    lines = [
        f"{setting.title}, {grouping} groups: test top-1 (%) at a speedup, and the speedup at {LOSS:g} percentage "
        "point of top-1 below the dense network,",
        f"mean ± standard deviation over the seeds ({seeds_said(setting.pruned)}; one has none).",
        "mac: dense over compact multiply-adds." if "mac_speedup" in present else "",
        measured,
        f"Each seed has a curve from its dense network before pruning (speedup 1) over keep {keeps}; read at the first "
        "crossing, linear in the logarithm of the speedup, never extrapolated.",
        f"{NOTHING}: the curve of some seed does not reach it.",
        "≥: some seed never loses as much." if bounds else "",
        f"Reached by no method in every seed, hence left out: {', '.join(dropped)}." if dropped else "",
        bold_said(bold),
        *setting.remarks,
    ]
    return sentences(lines)
