"""Means and intervals over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd
from scipy.special import stdtrit

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean, the half-width of its interval, the number of values, and their standard deviation.

    The half-width and the deviation are NaN from fewer than two values: one seed tells nothing of how seeds differ.
    """

    mean: float
    half_width: float
    n: int
    deviation: float = math.nan


def estimate(values: Iterable[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean and its t-interval, mean +- t(n - 1) * s / sqrt(n) with s the sample deviation.

    NaNs are left out. Without values the mean is NaN.
    """
    kept = [float(value) for value in values if not math.isnan(value)]
    n = len(kept)
    if n == 0:
        return Estimate(math.nan, math.nan, 0)
    mean = math.fsum(kept) / n
    if n == 1:
        return Estimate(mean, math.nan, 1)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in kept) / (n - 1))
    quantile = float(stdtrit(n - 1, (1 + confidence) / 2))
    return Estimate(mean, quantile * deviation / math.sqrt(n), n, deviation)


def over_seeds(rows: pd.DataFrame, column: str) -> Estimate:
    """Return the estimate of a column, where a seed counts once: several rows of one seed are averaged first."""
    return estimate(by_seed(rows, column))


def seeds_between(low: int, high: int) -> str:
    """Return a number of seeds in words: `1 seed`, `3 seeds`, or `1 to 3 seeds`."""
    return f"{low} seed{'s'[: low != 1]}" if low == high else f"{low} to {high} seeds"


def by_seed(rows: pd.DataFrame, column: str = "test_top1") -> pd.Series:
    """Return the mean of a column for each seed, by seed; nothing where there is no such column."""
    return rows.groupby("seed")[column].mean() if column in rows else pd.Series(dtype="float64")


def placed(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the rows, with the trials that failed where the others of their keep are on an axis.

    A trial that failed has no network that could be measured; without a place its accuracy would not count. rows: of
    one series.
    """
    if "status" not in rows or column not in rows:
        return rows
    others = rows.groupby("keep")[column].transform("mean")
    return rows.assign(**{column: rows[column].where((rows["status"] != "failed") | rows[column].notna(), others)})


def measured(rows: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Return the rows that have all the columns, and those that failed, as they count where the others have them."""
    whole = rows[list(columns)].notna().all(axis=1)
    return rows[whole | (rows["status"] == "failed")] if "status" in rows else rows[whole]


def by_keep(rows: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Return one row per keep, largest first, with COLUMN, COLUMN_half and COLUMN_n for each of the columns."""
    return by(rows, "keep", columns).iloc[::-1].reset_index(drop=True)


def by(rows: pd.DataFrame, key: str, columns: Iterable[str]) -> pd.DataFrame:
    """Return one row per number in `key`, smallest first, with COLUMN, COLUMN_half and COLUMN_n for the columns."""
    wanted = list(columns)
    means = rows.groupby([key, "seed"])[[column for column in wanted if column in rows]].mean()
    summary = []
    for level, seeds in means.groupby(level=0):
        line: dict[str, float] = {key: float(str(level))}
        for column in wanted:
            found = estimate(seeds.get(column, ()))
            line[column], line[f"{column}_half"], line[f"{column}_n"] = found[:3]
        summary.append(line)
    return pd.DataFrame(summary)
