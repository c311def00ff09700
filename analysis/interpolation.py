"""Accuracy at a speedup, speedup at an accuracy: both read off the curve of one experiment and one seed."""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from typing import NamedTuple

import pandas as pd

from analysis.statistics import by_seed, placed


class Point(NamedTuple):
    """A network: dense over its own time or multiply-adds, and its test top-1 in [0, 1]."""

    speedup: float
    accuracy: float


class Tradeoff(NamedTuple):
    """The networks of one experiment and one seed, from the largest keep to the smallest, after the dense one.

    dense: its test top-1, NaN if unknown; then the points start at the largest keep.
    """

    dense: float
    points: tuple[Point, ...]


class AtLoss(NamedTuple):
    """A speedup; with `bound` the curve never lost as much, and the speedup at the loss is at least this."""

    speedup: float
    bound: bool = False


def tradeoff(rows: pd.DataFrame, column: str, control: float = math.nan) -> Tradeoff:
    """Return the curve of one experiment and one seed over the speedups of a column: mac_speedup, or a measured one.

    It starts at the dense network that the methods were given, before any pruning and fine-tuning: speedup 1 and
    `dense_test_top1` of the rows or, if they lack it, `control`, the accuracy of the dense control. Several rows of one
    keep are averaged; rows without a speedup are left out.
    """
    told = rows["dense_test_top1"].mean() if "dense_test_top1" in rows else math.nan
    dense = control if math.isnan(told) else float(told)
    measured = rows[rows[column] > 0].dropna(subset=["test_top1"])  # a speedup of 0 has no logarithm
    means = measured.groupby("keep")[[column, "test_top1"]].mean().sort_index(ascending=False)
    points = [Point(float(speedup), float(top1)) for speedup, top1 in means.itertuples(index=False)]
    if not math.isnan(dense) and points:
        points.insert(0, Point(1.0, dense))
    return Tradeoff(dense, tuple(points))


def tradeoffs(rows: pd.DataFrame, column: str, dense: pd.DataFrame) -> dict[float, Tradeoff]:
    """Return the curve of each seed of one experiment; `dense` are the trials of the dense control."""
    controls = by_seed(dense)
    return {
        float(str(seed)): tradeoff(part, column, float(controls.get(seed, math.nan)))
        for seed, part in placed(rows, column).groupby("seed")
    }


def accuracy_at(curve: Tradeoff, target: float) -> float:
    """Return the test top-1 at a speedup, NaN if the curve does not reach it: nothing is extrapolated.

    The first segment from the dense end that crosses the target counts, as measured speedups may fall as keep does.
    Within it the accuracy is linear in the logarithm of the speedup.
    """
    for (s0, a0), (s1, a1) in pairwise(curve.points):
        if min(s0, s1) <= target <= max(s0, s1):
            part = math.log(target / s0) / math.log(s1 / s0) if s1 != s0 else 0.0
            return a0 + part * (a1 - a0)
    return math.nan


def speedup_at_loss(curve: Tradeoff, points: float) -> AtLoss:
    """Return the largest speedup before the accuracy first falls below that of the dense network less these points.

    points: percentage points, 1 for 0.01. On the segment that falls below, the logarithm of the speedup is linear in
    the accuracy. If none does, the largest speedup of the curve is a lower bound. NaN without a dense accuracy or
    without any other point.
    """
    if math.isnan(curve.dense) or len(curve.points) < 2:
        return AtLoss(math.nan)
    least = curve.dense - points / 100
    reached = list(accumulate((point.speedup for point in curve.points), max))
    for i, ((s0, a0), (s1, a1)) in enumerate(pairwise(curve.points)):
        if a1 < least:
            crossing = s0 * (s1 / s0) ** ((a0 - least) / (a0 - a1))
            return AtLoss(max(reached[i], crossing))
    return AtLoss(reached[-1], bound=True)
