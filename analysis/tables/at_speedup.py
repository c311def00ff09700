"""Two readings off the trade-off: what is left at a speedup, and how much speedup a point of accuracy buys."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from analysis.frame import Frame, devices, timed
from analysis.interpolation import Tradeoff, accuracy_at, speedup_at_loss, tradeoffs
from analysis.registry import TableEntry
from analysis.rows import Key, best_of, bold_said, experiments, heads, seeds_said, spread, table, usual
from analysis.statistics import Estimate, estimate
from analysis.table import MULTIPLE, Table
from analysis.wording import NOTHING, TIMES
from results.errors import Skip

SPEEDUPS = {"mac_speedup": "mac", "speedup_b64": "measured"}
TARGETS = (2, 4, 8)
LOSS = 1.0  # percentage points

Curves = dict[Key, dict[float, Tradeoff]]  # of each experiment, by seed


@dataclass(frozen=True)
class Reading:
    """A column: values by seed, of the experiments with one for each seed, and which of them are lower bounds."""

    heading: str
    values: dict[Key, pd.Series]
    bounds: frozenset[Key] = frozenset()
    scale: float = 100.0

    def mean(self, key: Key) -> Estimate:
        """Return the mean of an experiment over its seeds, of a lower bound without its spread."""
        value = estimate(self.values.get(key, ()))
        return value._replace(deviation=math.nan) if key in self.bounds else value

    def best(self, keys: list[Key]) -> set[Key]:
        """Return the experiments that are significantly the best; none beside a rival of which a bound is known."""
        rivals = {key: self.values[key] for key in keys if key in self.values}
        return {top for top in best_of(rivals) if not any(r[0] == top[0] for r in self.bounds & (set(rivals) - {top}))}


def data(frame: Frame) -> Table:
    """Return a row per experiment: test top-1 (%) at 2, 4 and 8 times the speed, and the speedup at one point lost.

    Speedups are those in multiply-adds (mac) and those measured at batch 64. See `analysis.interpolation`.
    """
    present = [column for column in SPEEDUPS if frame.lacks((column,)) is None]
    trials = timed(frame.tabled, "experiment") if "speedup_b64" in present else frame.tabled
    if not present or trials.empty:
        raise Skip(f"{frame.title} has no pruned trial with mac_speedup or speedup_b64")
    found = experiments(trials)
    curves = {c: {key: tradeoffs(rows, c, frame.dense) for key, rows in found.items()} for c in present}
    readings = [_at(SPEEDUPS[column], target, curves[column]) for column in present for target in TARGETS]
    readings += [_at_loss(SPEEDUPS[column], curves[column]) for column in present]
    shown = [reading for reading in readings if reading.values]
    if not shown:
        raise Skip(f"no curve of {frame.title} reaches a speedup of {TARGETS[0]}, nor has a dense accuracy to lose")
    columns, bold, bounds = heads(found), set(), set()
    for one in shown:
        columns |= spread(one.heading, map(one.mean, found), one.scale)
        top = one.best(usual(found, frame))
        bold |= {(i, one.heading) for i, key in enumerate(found) if key in top}
        bounds |= {(i, one.heading) for i, key in enumerate(found) if key in one.bounds & set(one.values)}
    dropped = [reading.heading for reading in readings if not reading.values]
    keeps = ", ".join(f"{keep:g}" for keep in sorted(trials["keep"].unique(), reverse=True))
    caption = [
        f"{frame.subject}: test top-1 (%) at a speedup, and the speedup at {LOSS:g} point below the dense network",
        seeds_said(trials),
        "mac: dense / compact multiply-adds" if "mac_speedup" in present else "",
        f"measured: at batch 64 on {devices(trials)}" if "speedup_b64" in present else "",
        f"Read off the curve of each seed from its dense network (speedup 1) over keep {keeps}, at the first crossing, "
        "linear in log speedup, never extrapolated",
        f"{NOTHING}: the curve of some seed does not reach it",
        "≥: some seed never loses as much" if bounds else "",
        f"Left out, reached by no method in every seed: {', '.join(dropped)}" if dropped else "",
        bold_said(trials, bool(bold), "column"),
    ]
    formats = {one.heading: MULTIPLE for one in shown if one.scale == 1}
    return table(frame, trials, columns, caption, formats, bold=bold, bounds=bounds)


def _at(word: str, target: float, curves: Curves) -> Reading:
    """Return the accuracies at one speedup."""
    return Reading(f"{word} {target:g}{TIMES}", _each(curves, lambda curve: accuracy_at(curve, target)))


def _at_loss(word: str, curves: Curves) -> Reading:
    """Return the speedups at a loss; a lower bound if some seed never lost as much."""
    bounds = {key for key, seeds in curves.items() if any(speedup_at_loss(c, LOSS).bound for c in seeds.values())}
    values = _each(curves, lambda curve: speedup_at_loss(curve, LOSS).speedup)
    return Reading(f"{word}, {LOSS:g} point lost", values, frozenset(bounds), scale=1.0)


def _each(curves: Curves, read: Callable[[Tradeoff], float]) -> dict[Key, pd.Series]:
    """Return what is read off each curve, by seed, of the experiments of which every seed has it."""
    found = {key: pd.Series({s: read(curve) for s, curve in seeds.items()}) for key, seeds in curves.items()}
    return {key: values for key, values in found.items() if len(values) and values.notna().all()}


AT_SPEEDUP = TableEntry(
    "at_speedup",
    "Test accuracy at 2, 4 and 8 times the speed, and the speedup at one point of accuracy lost.",
    ("test_top1",),
    by_grouping=True,
    data=data,
)
