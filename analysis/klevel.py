"""Whether training alone left exactly k groups, before any projection."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from analysis.table import NOTHING
from results import klevel


class Count(NamedTuple):
    """How many trials reached the k-level, of those that tell."""

    reached: int
    told: int


def exactly(rows: pd.DataFrame) -> pd.Series:
    """Return of each trial whether exactly k groups were left, 1 or 0: as it says, or else as its groups say; NaN."""
    return _told(rows, "k_reached", lambda left, target: float(klevel.reached(left, target)))


def above(rows: pd.DataFrame) -> pd.Series:
    """Return of each trial how many groups were left above k: as it says, or else as its groups say; NaN."""
    return _told(rows, "groups_above", lambda left, target: float(klevel.above(left, target)))


def count(rows: pd.DataFrame) -> Count:
    """Count the trials whose groups at convergence are the target."""
    told = exactly(rows).dropna()
    return Count(int(told.sum()), len(told))


def _told(rows: pd.DataFrame, column: str, read: Callable[[tuple[int, ...], tuple[int, ...]], float]) -> pd.Series:
    """Return a column, and where it is absent or empty what the groups at convergence and the target say."""
    given = rows[column] if column in rows else pd.Series(math.nan, index=rows.index, dtype="float64")
    if not {"groups_at_convergence", "groups_target"} <= set(rows):
        return given
    pairs = zip(rows["groups_at_convergence"], rows["groups_target"], strict=True)
    values = [read(left, k) if isinstance(left, tuple) and isinstance(k, tuple) else math.nan for left, k in pairs]
    return given.fillna(pd.Series(values, index=rows.index, dtype="float64"))


def k_level(rows: pd.DataFrame) -> str:
    """Return in how many trials training alone left exactly k groups, such as `2/3`; a dash where none tells."""
    found = count(rows)
    return f"{found.reached}/{found.told}" if found.told else NOTHING
