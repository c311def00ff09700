"""Means, intervals and tests over seeds and over networks: one test throughout, the paired t-test."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.polynomial.hermite_e import hermegauss
from scipy import optimize, stats

T = TypeVar("T")
CONFIDENCE = 0.95
LEVEL = 0.05  # below this p a difference is called significant
EQUAL = 1e-12  # differences that vary by less do not vary: the sums that they come from are rounded
DIGITS = 12  # of a difference: sums in another order are no difference


class Estimate(NamedTuple):
    """A mean, the half-width of its interval, the number of values, and their standard deviation.

    The half-width and the deviation are NaN from fewer than two values: one seed tells nothing of how seeds differ.
    """

    mean: float
    half_width: float
    n: int
    deviation: float = math.nan


class Paired(NamedTuple):
    """A mean difference over pairs, its 95 % t-interval, the two-sided p of the paired t-test, and the pairs.

    From one pair there is neither an interval nor a p: all are NaN.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int


def estimate(values: Iterable[float]) -> Estimate:
    """Return the mean and its 95 % t-interval, mean +- t(n - 1) * s / sqrt(n) with s the sample deviation.

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
    return Estimate(mean, _quantile(n - 1) * deviation / math.sqrt(n), n, deviation)


def by_seed(rows: pd.DataFrame, column: str = "test_top1") -> pd.Series:
    """Return the mean of a column for each seed, by seed; empty without such a column."""
    return rows.groupby("seed")[column].mean() if column in rows else pd.Series(dtype="float64")


def over_seeds(rows: pd.DataFrame, column: str = "test_top1") -> Estimate:
    """Return the estimate of a column, in which a seed counts once: several rows of one seed are averaged first."""
    return estimate(by_seed(rows, column))


def points(rows: pd.DataFrame, keys: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Return a row per combination of `keys` with COLUMN, COLUMN_half and COLUMN_n for each of the columns.

    Seeds are averaged first. A column that is absent is NaN. Rows come in the order of the keys, keep from the largest.
    """
    wanted = rows.reindex(columns=[*keys, "seed", *columns])
    means = wanted.groupby([*keys, "seed"], dropna=False)[list(columns)].mean()
    spread = means.groupby(level=list(keys), dropna=False)
    mean, deviation, count = spread.mean(), spread.std(ddof=1), spread.count()
    quantiles = count.map(lambda n: _quantile(n - 1) if n > 1 else math.nan)
    half = quantiles * deviation / count.where(count > 0) ** 0.5
    parts: dict[str, pd.Series] = {}
    for column in columns:
        parts |= {column: mean[column], f"{column}_half": half[column], f"{column}_n": count[column].astype("float64")}
    found = pd.DataFrame(parts).reset_index()
    return found.sort_values(list(keys), ascending=[key != "keep" for key in keys], kind="stable", ignore_index=True)


def measured(rows: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Return the rows that have all the columns, and those that failed, which count beside the others of their keep."""
    whole = rows.reindex(columns=list(columns)).notna().all(axis=1)
    return rows[whole | (rows["status"] == "failed")]


def placed(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the rows of one line, with the trials that failed at the mean of the others of their keep on an axis.

    A trial that failed has no network that could be measured; without a place its accuracy would not count.
    """
    if column not in rows:
        return rows
    others = rows.groupby("keep")[column].transform("mean")
    return rows.assign(**{column: rows[column].where((rows["status"] != "failed") | rows[column].notna(), others)})


def seeds_between(low: int, high: int) -> str:
    """Return a number of seeds in words: `1 seed`, `3 seeds`, or `1 to 3 seeds`."""
    return f"{low} seed{'s'[: low != 1]}" if low == high else f"{low} to {high} seeds"


def seeds_said(counts: pd.Series, spread: str = "and 95 % t-interval, n =", one: str = "intervals") -> str:
    """Say of means over these numbers of seeds what stands beside them, and that `one` alone has none."""
    low, high = int(counts.min()), int(counts.max())
    if high == 1:
        return f"1 seed, hence no {one}"
    return f"Mean {spread} {seeds_between(low, high)}" + ", none for 1 seed" * (low == 1)


def paired(left: pd.Series, right: pd.Series) -> Paired:
    """Compare left - right over their common index, such as seeds or networks, by the paired t-test.

    Differences that are all equal but not zero, as those of methods that know no chance may be, have no p: nothing
    tells how they spread.
    """
    differences = (left - right).dropna().to_numpy(dtype="float64").round(DIGITS)
    n = len(differences)
    mean, half_width, *_ = estimate(differences)
    if n < 2:
        return Paired(mean, math.nan, math.nan, math.nan, n)
    if np.ptp(differences) < EQUAL:
        return Paired(mean, mean, mean, 1.0 if abs(mean) < EQUAL else math.nan, n)
    p = float(stats.ttest_1samp(differences, 0).pvalue)
    return Paired(mean, mean - half_width, mean + half_width, p, n)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for all of them being tested together, in their order; NaN stays and does not count.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979): the i-th smallest
    of m is multiplied by m - i + 1, is at least the one before, and at most 1.
    """
    told = pd.Series(p_values, dtype="float64").dropna().sort_values(kind="stable")
    steps = (told * range(len(told), 0, -1)).cummax().clip(upper=1)
    return steps.reindex(range(len(p_values))).tolist()


def best(values: Mapping[T, pd.Series]) -> T | None:
    """Return the name whose values, by seed, are significantly above those of every other; None without such a name.

    "Above every other" is an intersection-union claim, so each paired t-test at 5 % suffices and none is corrected:
    R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24 (1982). Nothing can be
    said if some pair has fewer than two common seeds.
    """
    means = {name: series.mean() for name, series in values.items() if series.notna().any()}
    if len(means) < 2:
        return None
    top = max(means, key=lambda name: means[name])
    tests = [paired(values[top], values[name]).p for name in means if name != top]
    return top if all(p < LEVEL for p in tests) else None


def may_be_best(scores: pd.DataFrame) -> pd.DataFrame:
    """Return, for each column, its mean less the best of the other means, and Hsu's 95 % interval of that.

    Columns difference, low, high, best. J. C. Hsu, "Constrained simultaneous confidence intervals for multiple
    comparisons with the best", Ann. Statist. 12 (1984), for rows as complete blocks: with s the residual deviation of
    the additive model on (n - 1)(k - 1) degrees of freedom, the interval is
    [-(D - d s sqrt(2 / n))^-, (D + d s sqrt(2 / n))^+] with d the one-sided quantile of Dunnett. All intervals hold
    together, the best need not be named in advance. best: whether it may be the best, high > 0. From one row nothing
    is known: low and high are NaN, and every column may be the best.
    """
    means = scores.mean()
    n, k = scores.shape
    gaps = pd.Series({name: means[name] - means.drop(name).max() for name in means.index}).round(DIGITS)
    if n < 2 or k < 2:
        return pd.DataFrame({"difference": gaps, "low": math.nan, "high": math.nan, "best": True})
    residuals = scores.sub(scores.mean(axis=1), axis=0).sub(means - means.mean(), axis=1)
    freedom = (n - 1) * (k - 1)
    deviation = math.sqrt(float((residuals**2).to_numpy().sum()) / freedom)
    reach = dunnett(k - 1, freedom) * deviation * math.sqrt(2 / n)
    low, high = (gaps - reach).clip(upper=0), (gaps + reach).clip(lower=0)
    may = (gaps + reach > 0) | (gaps >= 0)
    # where one alone may be the best it is the best, so no other can be above it
    low = low.mask(may & (may.sum() == 1), 0.0)
    return pd.DataFrame({"difference": gaps, "low": low, "high": high.where(may, 0.0), "best": may})


@cache
def dunnett(rivals: int, freedom: int) -> float:
    """Return the one-sided 95 % quantile of the largest of `rivals` t variables of correlation 1/2.

    C. W. Dunnett, "A multiple comparison procedure for comparing several treatments with a control", J. Am. Stat.
    Assoc. 50 (1955): P(max <= d) = E[Phi(z + sqrt(2) d s)^rivals] with z normal and s^2 chi-square / freedom, by
    Gauss-Hermite and Gauss-Legendre quadrature.
    """
    z, weights = hermegauss(64)
    weights = weights / weights.sum()
    nodes, masses = np.polynomial.legendre.leggauss(128)
    s = np.sqrt(stats.chi2.ppf((nodes + 1) / 2, freedom) / freedom)

    def missing(d: float) -> float:
        inner = stats.norm.cdf(z[:, None] + math.sqrt(2) * d * s[None, :]) ** rivals
        return float(weights @ inner @ (masses / 2)) - CONFIDENCE

    return float(optimize.brentq(missing, 0.0, 200.0))


@cache
def _quantile(freedom: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
