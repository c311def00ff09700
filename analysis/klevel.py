"""Whether training alone left exactly k groups, before any projection."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from analysis.table import NOTHING


class Count(NamedTuple):
    """How many trials reached the k-level, of those that tell."""

    reached: int
    told: int


def reached(left: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Say whether exactly the target is left: family by family, or in total where the budget is the network's.

    In the second case no family may be empty, because the projection keeps a group of each.
    """
    if len(target) == 1 and len(left) > 1:
        return sum(left) == target[0] and all(left)
    return bool(left) and left == target


def groups_above(left: tuple[int, ...], target: tuple[int, ...]) -> int:
    """Return how many groups are left above the target: of each family, or in total where the budget is so."""
    if len(left) == len(target):
        return sum(max(0, n - k) for n, k in zip(left, target, strict=True))
    return max(0, sum(left) - sum(target))


def exactly(rows: pd.DataFrame) -> pd.Series:
    """Return of each trial whether exactly k groups were left, 1 or 0: as it says, or else as its groups say; NaN."""
    return _told(rows, "k_reached", lambda left, target: float(reached(left, target)))


def above(rows: pd.DataFrame) -> pd.Series:
    """Return of each trial how many groups were left above k: as it says, or else as its groups say; NaN."""
    return _told(rows, "groups_above", lambda left, target: float(groups_above(left, target)))


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
