"""The times of networks from latency.csv, of each condition under which they compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.annotation import DENSE, TIMING
from analysis.frame import Frame, pooled
from analysis.wording import condition
from results.errors import Skip

APART = ["batch", "backend", *TIMING]
MASKED = "masked"  # a realisation: no channel is gone, so the network has the widths of the dense one


@dataclass(frozen=True)
class Condition:
    """One batch size on one device, with one backend.

    name: the batch size, and what else differs from the other conditions. rows: the pruned trials that were timed,
    with the time of a pass as column `median_ms`. dense: the times of the dense network, one of each trial. All in ms.
    """

    name: str
    rows: pd.DataFrame
    dense: pd.Series


def conditions(frame: Frame) -> list[Condition]:
    """Return the conditions under which networks were timed, by batch size. Raises Skip if no pruned network was."""
    rows = frame.latency
    rows = rows[rows["median_ms"] > 0]
    apart = [column for column in APART if column in rows]
    named = [column for column in apart if column == "batch" or rows[column].nunique(dropna=False) > 1]
    parts = [part for _, part in rows.groupby(apart, dropna=False, sort=True)] if apart else [rows]
    found = []
    for part in parts:
        name = ", ".join(condition(column, part.iloc[0][column]) for column in named)
        means = part.groupby(["network", "trial"])["median_ms"].mean()
        times, dense = (means[means.index.get_level_values(0) == one].droplevel(0) for one in ("compact", DENSE))
        timed = frame.pruned[frame.pruned["trial"].isin(times.index)]
        if len(timed):
            found.append(Condition(name, _with_times(timed, times, dense), dense))
    if not found:
        raise Skip(f"no compact network of {frame.title} was timed")
    return found


def _with_times(trials: pd.DataFrame, times: pd.Series, dense: pd.Series) -> pd.DataFrame:
    """Return the trials with the time of their network.

    A trial times the dense and the pruned network in turn, and a machine that was slower in that hour slows both: what
    the trial knows is their ratio. So its time is that ratio times the median time of the dense network over all
    trials, or as measured if the trial has no dense time. Networks of the same widths have the median over their
    trials, masked ones the time of the dense network.
    """
    usual = float(dense.median()) if len(dense) else float("nan")
    own = (times / dense.reindex(times.index) * usual).fillna(times)
    rows = pooled(trials.assign(median_ms=trials["trial"].map(own)), ["median_ms"])
    if "realisation" in rows and len(dense):
        rows["median_ms"] = rows["median_ms"].where(rows["realisation"] != MASKED, usual)
    return rows


def on_frontier(times: Sequence[float], accuracies: Sequence[float]) -> list[bool]:
    """Say of each network whether none other is at least as fast and as accurate, and better in one of the two.

    Of networks that are equal in both, all are on the frontier or none.
    """
    time, accuracy = np.asarray(times, dtype="float64"), np.asarray(accuracies, dtype="float64")
    return [
        not bool(np.any((time <= t) & (accuracy >= a) & ((time < t) | (accuracy > a))))
        for t, a in zip(time, accuracy, strict=True)
    ]
