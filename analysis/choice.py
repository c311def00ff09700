"""Which series a crowded panel shows: every method, and of its hyperparameters the best on validation."""

from __future__ import annotations

from collections import Counter, defaultdict

from analysis.registry import Skip
from analysis.series import Series
from analysis.strength import strength

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
                rivals[one.method, kinds_apart and _fixed(one)].append(one)
            best = [_best(group) for group in rivals.values()]
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


def _best(rivals: list[Series]) -> Series:
    if len(rivals) == 1:
        return rivals[0]
    if any("val_top1" not in one.rows or one.rows["val_top1"].isna().all() for one in rivals):
        raise Skip(f"too many series of {rivals[0].method} for one panel, and no val_top1 tells which is the best")
    return max(rivals, key=lambda one: float(one.rows["val_top1"].mean()))


def _fixed(series: Series) -> bool:
    return "hyperparameters" in series.rows and isinstance(strength(series.rows["hyperparameters"].iloc[0]), float)
