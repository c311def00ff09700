"""Whether training alone left exactly k groups, before any projection."""

from __future__ import annotations

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


def count(rows: pd.DataFrame) -> Count:
    """Count the trials whose groups at convergence are the target."""
    if "groups_at_convergence" not in rows or "groups_target" not in rows:
        return Count(0, 0)
    told = rows.dropna(subset=["groups_at_convergence", "groups_target"])
    pairs = zip(told["groups_at_convergence"], told["groups_target"], strict=True)
    return Count(sum(reached(left, target) for left, target in pairs), len(told))


def k_level(rows: pd.DataFrame) -> str:
    """Return in how many trials training alone left exactly k groups, such as `2/3`; a dash where none tells."""
    found = count(rows)
    return f"{found.reached}/{found.told}" if found.told else NOTHING
