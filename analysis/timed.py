"""The rows of latency.csv, cut into the conditions under which times compare."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from analysis.load import DENSE, Setting
from results.errors import Skip

APART = ("batch", "backend", "device", "threads")
SAY = {"batch": "batch {:g}", "threads": "{:g} threads"}


@dataclass(frozen=True)
class Condition:
    """One batch size on one device, with one backend. label: the batch size, and what else differs from the others.

    compact, dense: the rows of latency.csv of the pruned and of the dense networks, times in ms.
    """

    label: str
    compact: pd.DataFrame
    dense: pd.DataFrame

    @cached_property
    def dense_ms(self) -> float:
        """The time of the dense network: the median over all trials that took it; NaN where none did."""
        return float(self.dense["median_ms"].median()) if len(self.dense) else float("nan")

    @cached_property
    def times(self) -> pd.Series:
        """The time of the pruned network of each trial, in ms, by trial.

        A trial times the dense and the pruned network in turn, so their ratio is what it really knows: a machine that
        was slower that hour slows both. The time is that ratio times `dense_ms`; as measured where a trial has no
        dense time.
        """
        pruned = self.compact.groupby("trial")["median_ms"].mean()
        dense = self.dense.groupby("trial")["median_ms"].mean().reindex(pruned.index)
        return (pruned / dense * self.dense_ms).fillna(pruned)


def conditions(setting: Setting) -> list[Condition]:
    """Return the conditions under which networks of a setting were timed. Raises Skip where none was."""
    rows = setting.frame("latency")
    rows = rows[rows["median_ms"] > 0]
    apart = [column for column in APART if column in rows]
    named = [column for column in apart if column == "batch" or rows[column].nunique(dropna=False) > 1]
    parts = [part for _, part in rows.groupby(apart, dropna=False, sort=True)] if apart else [rows]
    found = []
    for part in parts:
        compact = part[part["network"] == "compact"]
        if len(compact):
            label = ", ".join(_say(column, part.iloc[0][column]) for column in named)
            found.append(Condition(label, compact, part[part["network"] == DENSE]))
    if not found:
        raise Skip(f"no compact network of {setting.title} was timed")
    return found


def _say(column: str, value: Any) -> str:
    return f"{column} unknown" if pd.isna(value) else SAY.get(column, "{}").format(value)
