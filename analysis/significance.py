"""Whether two methods differ: paired tests with intervals, and Holm's correction for many tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from analysis.statistics import CONFIDENCE, estimate

LEVEL = 0.05  # below this p, after correction, a difference is called significant
MANY = 6  # pairs: with fewer, the Wilcoxon test cannot reach 5 % (2 / 2^5 = 6.25 %), and a bootstrap is too narrow
EQUAL = 1e-12  # differences that vary by less do not vary: the sums that they come from are rounded
DIGITS = 12  # of a difference: what the rounding of sums set apart are ties for the Wilcoxon test
EXACT = 50  # differences: with more, the signed-rank test takes the normal approximation
RESAMPLES = 9999
SEED = 0  # the same interval each time


class Paired(NamedTuple):
    """A mean difference over pairs, its 95 % interval, the p of a two-sided test, and how many pairs there were.

    From one pair there is neither an interval nor a p: all are NaN. test: `t-test`, `Wilcoxon`, or nothing.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    test: str = ""


def paired(left: pd.Series, right: pd.Series) -> Paired:
    """Compare left - right over what both have, such as seeds, by index.

    From 6 pairs on p is that of the Wilcoxon signed-rank test, and the interval a percentile bootstrap of the mean
    difference; below, both are those of the paired t-test. Differences that are all equal but not zero, as those of
    methods that know no chance may be, have no p: nothing tells how they spread.
    """
    differences = (left - right).dropna().to_numpy(dtype="float64").round(DIGITS)
    n = len(differences)
    if n == 0:
        return Paired(math.nan, math.nan, math.nan, math.nan, 0)
    mean, half_width, *_ = estimate(differences)
    if n == 1:
        return Paired(mean, math.nan, math.nan, math.nan, 1)
    if np.ptp(differences) < EQUAL:
        return Paired(mean, mean, mean, 1.0 if abs(mean) < EQUAL else math.nan, n)
    if n < MANY:
        p = float(stats.ttest_1samp(differences, 0).pvalue)
        return Paired(mean, mean - half_width, mean + half_width, p, n, "t-test")
    return Paired(mean, *bootstrap(differences), signed_rank(differences), n, "Wilcoxon")


def signed_rank(differences: np.ndarray) -> float:
    """Return the two-sided p of the Wilcoxon signed-rank test that differences are symmetric about zero, by scipy.

    F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1 (1945). Differences of zero are left
    out. Exact to 50 differences; above, and with ties, for which the exact distribution does not hold, its normal
    approximation with the correction for ties.
    """
    kept = differences[differences != 0]
    if len(kept) == 0:
        return 1.0
    exact = len(kept) <= EXACT and len(np.unique(np.abs(kept))) == len(kept)
    return float(stats.wilcoxon(kept, method="exact" if exact else "asymptotic").pvalue)


def bootstrap(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean of these values, of which there are two or more.

    9,999 resamples by scipy, seeded: the same interval each time.
    """
    sample = np.asarray(values, dtype="float64")
    found = stats.bootstrap(
        (sample,), np.mean, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, method="percentile",
        rng=np.random.default_rng(SEED),
    )  # fmt: skip
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for all of them being tested together, in their order; NaN stays and does not count.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979): the i-th smallest
    of m is multiplied by m - i + 1, is at least the one before, and at most 1.
    """
    told = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    corrected = [math.nan] * len(p_values)
    least = 0.0
    for rank, (p, i) in enumerate(told):
        least = min(1.0, max(least, p * (len(told) - rank)))
        corrected[i] = least
    return corrected


def friedman(scores: pd.DataFrame) -> float:
    """Return p of Friedman's test that no column differs from the others over the rows, by its chi-square.

    M. Friedman, "The use of ranks to avoid the assumption of normality implicit in the analysis of variance", J. Am.
    Stat. Assoc. 32 (1937). NaN for fewer than three columns or two rows, and where every row is one tie.
    """
    if scores.shape[1] < 3 or len(scores) < 2 or (scores.nunique(axis=1) == 1).all():
        return math.nan
    return float(stats.friedmanchisquare(*(scores[name] for name in scores)).pvalue)


def wilcoxon_can_tell(pairs: int, tests: int) -> bool:
    """Return whether the least p that the signed-rank test can give, 2 / 2^pairs, is significant after Holm."""
    return pairs >= MANY and tests * 2.0 ** (1 - pairs) < LEVEL


def p_said(p: float) -> str:
    """Return a p value in words: `p = 0.012`, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def best(values: dict[str, pd.Series]) -> str | None:
    """Return the name whose values, by seed, are significantly above those of every other; None where none is.

    Each is tested against the one with the highest mean, paired by seed, corrected by Holm. Where some pair has fewer
    than two common seeds nothing can be said.
    """
    means = {name: series.mean() for name, series in values.items() if series.notna().any()}
    if len(means) < 2:
        return None
    top = max(means, key=lambda name: means[name])
    tests = [paired(values[top], values[name]).p for name in means if name != top]
    if any(math.isnan(p) for p in tests):
        return None
    return top if max(holm(tests)) < LEVEL else None
