"""Two readings off the trade-off: what is left at a speedup, and how much speedup a point of accuracy buys."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

import pandas as pd

from analysis.entries import TableEntry
from analysis.frame import Frame, devices, timed
from analysis.statistics import by_seed, placed
from analysis.table import MULTIPLE, Column, Table
from analysis.tabulation import best_of, experiments, heads, of_every_seed, seeds_said, table
from analysis.wording import NOTHING, TIMES
from results.errors import Skip

SPEEDUPS = {"mac_speedup": "mac", "speedup_b64": "measured"}
TARGETS = (2, 4, 8)
LOSS = 1.0  # percentage points

# Speedup and test top-1 of the networks of one experiment and one seed: the dense one, whose accuracy may be NaN, at 1,
# then those from the largest keep to the smallest.
Curve = list[tuple[float, float]]


def data(frame: Frame) -> Table:
    """Return a row per experiment: test top-1 (%) at 2, 4 and 8 times the speed, and the speedup at one point lost.

    Speedups are those in multiply-adds (mac) and those measured at batch 64.
    """
    present = [column for column in SPEEDUPS if frame.lacks((column,)) is None]
    trials = timed(frame.tabled, "experiment") if "speedup_b64" in present else frame.tabled
    if not present or trials.empty:
        raise Skip(f"{frame.title} has no pruned trial with mac_speedup or speedup_b64")
    rows = experiments(trials)
    found = {SPEEDUPS[c]: [curves(row.trials, c, frame.dense) for row in rows] for c in present}
    every = [
        Column(
            f"{word} {target}{TIMES}",
            [of_every_seed(one, partial(accuracy_at, target=target)) for one in mine],
            scale=100,
        )
        for word, mine in found.items()
        for target in TARGETS
    ]
    for word, mine in found.items():
        values = [of_every_seed(one, speedup_at_loss) for one in mine]
        bounds = [i for i, seeds in enumerate(mine) if len(values[i]) and not all(map(loses, seeds.values()))]
        every.append(Column(f"{word}, {LOSS:g} point lost", values, MULTIPLE, bounds=bounds))
    shown = [one for one in every if any(map(len, one.values))]
    if not shown:
        raise Skip(f"no curve of {frame.title} reaches a speedup of {TARGETS[0]}, nor has a dense accuracy to lose")
    columns = [one._replace(bold=best_of(frame, rows, one.values, one.bounds)) for one in shown]
    dropped = [one.heading for one in every if one not in shown]
    keeps = ", ".join(f"{keep:g}" for keep in sorted(trials["keep"].unique(), reverse=True))
    caption = [
        f"{frame.subject}: test top-1 (%) at a speedup, and the speedup at {LOSS:g} point below the dense network",
        seeds_said(trials),
        "mac: dense / compact multiply-adds" if "mac_speedup" in present else "",
        f"measured: at batch 64 on {devices(trials)}" if "speedup_b64" in present else "",
        f"Read off the curve of each seed from its dense network (speedup 1) over keep {keeps}, at the first crossing, "
        "linear in log speedup, never extrapolated",
        f"{NOTHING}: the curve of some seed does not reach it",
        "≥: some seed never loses as much" if any(one.bounds for one in columns) else "",
        f"Left out, reached by no method in every seed: {', '.join(dropped)}" if dropped else "",
    ]
    return table(frame, [*heads(rows), *columns], caption, trials, bold="column")


def curves(rows: pd.DataFrame, column: str, dense: pd.DataFrame) -> dict[float, Curve]:
    """Return the curve of each seed of one experiment over the speedups of a column: mac_speedup, or a measured one.

    It starts at the dense network that the methods were given, before any pruning and fine-tuning: `dense_test_top1`
    of the rows or, if they lack it, the accuracy of the dense control in the trials `dense`. Several rows of one keep
    are averaged; rows without a speedup are left out.
    """
    told, controls = by_seed(rows, "dense_test_top1").dropna(), by_seed(dense)
    found: dict[float, Curve] = {}
    for seed, part in placed(rows, column).groupby("seed"):
        measured = part[part[column] > 0].dropna(subset=["test_top1"])  # a speedup of 0 has no logarithm
        means = measured.groupby("keep")[[column, "test_top1"]].mean().sort_index(ascending=False)
        start = float(told.get(seed, controls.get(seed, math.nan)))
        found[float(str(seed))] = [(1.0, start), *means.itertuples(index=False, name=None)]
    return found


def accuracy_at(curve: Curve, target: float) -> float:
    """Return the test top-1 at a speedup, NaN if the curve does not reach it: nothing is extrapolated.

    The first segment from the dense end that crosses the target counts, as measured speedups may fall as keep does.
    Within it the accuracy is linear in the logarithm of the speedup.
    """
    for (s0, a0), (s1, a1) in pairwise(curve):
        if min(s0, s1) <= target <= max(s0, s1) and not math.isnan(a0):
            part = math.log(target / s0) / math.log(s1 / s0) if s1 != s0 else 0.0
            return float(a0 + part * (a1 - a0))
    return math.nan


def speedup_at_loss(curve: Curve, points: float = LOSS) -> float:
    """Return the largest speedup before the accuracy first falls below that of the dense network less these points.

    points: percentage points. On the segment that falls below, the logarithm of the speedup is linear in the accuracy.
    If none does (`loses`), the largest speedup of the curve, a lower bound. NaN without a dense accuracy or without any
    other network.
    """
    least = curve[0][1] - points / 100
    if math.isnan(least) or len(curve) < 2:
        return math.nan
    largest = 1.0
    for (s0, a0), (s1, a1) in pairwise(curve):
        if a1 < least:
            return max(largest, float(s0 * (s1 / s0) ** ((a0 - least) / (a0 - a1))))
        largest = max(largest, s1)
    return largest


def loses(curve: Curve, points: float = LOSS) -> bool:
    """Return whether the accuracy ever falls below that of the dense network less these percentage points."""
    return any(accuracy < curve[0][1] - points / 100 for _, accuracy in curve)


AT_SPEEDUP = TableEntry(
    "at_speedup",
    "Test accuracy at 2, 4 and 8 times the speed, and the speedup at one point of accuracy lost.",
    ("test_top1",),
    by_grouping=True,
    data=data,
)
