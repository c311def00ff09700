"""The best on validation, of series and of configurations; which series a crowded panel shows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.series import Series
from analysis.strength import strength
from results.errors import Skip

TOO_MANY = "too many series of {} for one panel"
DIGITS = 12
MOST = 6  # lines in a panel, before the hyperparameters of a method are reduced to the best


def few(series: list[Series]) -> list[Series]:
    """Return the series of one panel, less some where they are more than MOST; a method is never left out.

    A method keeps the fixed strength and the auto that are best on validation; where these are still too many, the
    best of all. Raises Skip where validation cannot tell.
    """
    for kinds_apart in (True, False):
        if len(series) > MOST:
            rivals: dict[tuple[str, bool], list[Series]] = defaultdict(list)
            for one in series:
                rivals[one.name, kinds_apart and _fixed(one)].append(one)
            best = [best_series(group, TOO_MANY) for group in rivals.values()]
            series = [one for one in series if any(one is other for other in best)]
    return series


def numbered(everything: list[Series], drawn: set[str]) -> dict[str, int]:
    """Number those series of each method that are drawn, by label, so that the first is a solid line."""
    count: Counter[str] = Counter()
    numbers = {}
    for series in everything:
        if series.label in drawn:
            numbers[series.label] = count[series.method]
            count[series.method] += 1
    return numbers


def best_series(rivals: list[Series], why: str) -> Series:
    """Return the series with the highest mean validation top-1. Raises Skip where that does not tell.

    why: what makes a choice necessary, such as `{} has several experiments`, with a place for the method.
    """
    if len(rivals) == 1:
        return rivals[0]
    for one in rivals:
        _check(one.rows, why)
    return rivals[_first([one.rows for one in rivals])]


def best_configuration(rows: pd.DataFrame, why: str) -> pd.DataFrame:
    """Return those of the trials of one method whose configuration has the highest mean validation top-1.

    Of equals they are the mildest, see `best`. Raises Skip where validation does not tell; see `best_series`.
    """
    if rows["configuration"].nunique() < 2:
        return rows
    _check(rows, why)
    parts = [part for _, part in rows.groupby("configuration", sort=True)]
    told = [part for part in parts if part["val_top1"].notna().any()]
    return told[_first(told)]


def best(validation: Sequence[float], mildness: Sequence[Any]) -> int:
    """Return the place of the highest validation accuracy: the one rule of a choice; of equals the mildest.

    validation: mean accuracies. mildness: what sorts the mildest first, such as the strengths.
    """
    # sums in another order are no difference
    return min(range(len(validation)), key=lambda i: (-round(validation[i], DIGITS), mildness[i]))


def tried_said(rows: pd.DataFrame, alike: Sequence[str], per: str) -> str:
    """Say how many configurations each contender had, from the fewest to the most of what is chosen among.

    alike: the columns within whose values a choice is made. Nothing where there was nothing to choose.
    """
    counts = rows.groupby([*alike, "contender"], dropna=False)["configuration"].nunique().groupby("contender")
    low, high = counts.min(), counts.max()
    if not (high > 1).any():
        return ""
    named = [f"{name} {low[name]}" + f" to {high[name]}" * bool(high[name] > low[name]) for name in high.index]
    return f"Configurations tried, best on validation {per} (of equals the milder): {', '.join(named)}"


def _check(rows: pd.DataFrame, why: str) -> None:
    if "val_top1" not in rows or rows["val_top1"].isna().all():
        raise Skip(f"{why.format(rows['method'].iloc[0])}, and no val_top1 tells which is the best")


def _first(parts: Sequence[pd.DataFrame]) -> int:
    """Return the place of the best of these trials of one configuration each."""
    return best([float(part["val_top1"].mean()) for part in parts], [_mildness(part) for part in parts])


def _mildness(rows: pd.DataFrame) -> tuple[float, str]:
    """Return what sorts the smaller strength first, and a strength set by the data before all numbers."""
    given = rows["hyperparameters"].iloc[0] if "hyperparameters" in rows else None
    lam = strength(given)
    return (lam if isinstance(lam, float) else -1.0, str(given))


def _fixed(series: Series) -> bool:
    return "hyperparameters" in series.rows and isinstance(strength(series.rows["hyperparameters"].iloc[0]), float)
