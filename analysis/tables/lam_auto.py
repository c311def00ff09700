"""What a word for lam loses against the best of the strengths that were tried: auto, or bound if that was given."""

from __future__ import annotations

import math

import pandas as pd

from analysis.annotation import noted
from analysis.frame import Frame
from analysis.registry import TableEntry
from analysis.rows import HALF, Columns, heads, k_level, seeds_said, spread, subject, table
from analysis.select import AUTO, BOUND, FIXED, PHASES, best
from analysis.statistics import Estimate, by_seed, estimate, over_seeds
from analysis.table import WHOLE, Format, Table
from analysis.wording import condition
from results.errors import Skip

DIFFERENCE = "difference"


def data(frame: Frame) -> Table:
    """Return a row per keep, grouping and experiment: the best fixed strength on validation, and the word, in percent.

    An experiment is here all trials that differ in lam and seed alone.
    """
    trials = frame.pruned[frame.pruned["strength"] != ""]
    word = BOUND if (trials["strength"] == BOUND).any() else AUTO
    keys = ["part", "panel", "contender", "rest", *(phase for phase in PHASES if phase in trials)]
    found = [part for _, part in trials.groupby(["keep", *keys], dropna=False) if _both(part, word)]
    if not found:
        raise Skip(f"no method of {frame.title} has both a fixed lam and {word} under otherwise equal conditions")
    found.sort(key=lambda part: -part["keep"].iloc[0])
    fixed, words = [_best(part) for part in found], [part[part["strength"] == word] for part in found]
    apart = [_difference(*pair) for pair in zip(words, fixed, strict=True)]
    firsts = pd.concat(part.iloc[[0]] for part in found)
    columns: Columns = {"keep": [f"{keep:g}" for keep in firsts["keep"]]}
    columns |= heads(zip(firsts["panel"], _names(firsts), strict=True), firsts["part"])
    columns |= {"best lam": [f"{part['lam'].iloc[0]:g}" for part in fixed]}
    columns |= spread("its top-1", map(over_seeds, fixed), 100, HALF)
    columns |= spread(f"{word} top-1", map(over_seeds, words), 100, HALF)
    columns |= spread(DIFFERENCE, apart, 100, HALF)
    columns |= {"seeds": [float(one.n) if one.n else math.nan for one in apart]}
    columns |= {"lams at k": [_lams_at_k(part) for part in found], f"{word} at k": [k_level(one) for one in words]}
    caption = [
        f"{subject(frame, trials)}: test top-1 (%) at the best fixed lam and at lam = {word}",
        "Best lam: of the fixed ones by mean validation top-1, of equals the smaller",
        seeds_said(pd.concat([*fixed, *words]), HALF),
        f"Difference: {word} less best lam in points, paired by seed; without a common seed, of the means",
        f"At k: fixed lams of which every seed, and trials of {word} that, had exactly k groups left before projection",
    ]
    formats = {"seeds": WHOLE, DIFFERENCE: Format(sign=True)}
    return table(frame, trials.iloc[:0], columns, caption, formats, lead=("keep",), spread=HALF)


def _both(rows: pd.DataFrame, word: str) -> bool:
    """Return whether there are trials of the word, and of a fixed strength that validation tells of."""
    return bool((rows["strength"] == word).any() and (rows["lam"].notna() & rows["val_top1"].notna()).any())


def _best(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the trials of the strength with the highest validation top-1, mean over seeds; of equals the smallest."""
    told = rows[(rows["strength"] == FIXED) & rows["val_top1"].notna()]
    means = told.groupby(["lam", "seed"])["val_top1"].mean().groupby("lam").mean()
    lams = [float(lam) for lam in means.index]
    return told[told["lam"] == lams[best(list(means), lams)]]


def _difference(left: pd.DataFrame, right: pd.DataFrame) -> Estimate:
    """Return left - right in test accuracy over their common seeds; of the means, with n = 0, if there are none."""
    one, other = by_seed(left), by_seed(right)
    found = estimate((one - other).dropna())
    return found if found.n else Estimate(float(one.mean() - other.mean()), math.nan, 0)


def _lams_at_k(rows: pd.DataFrame) -> str:
    """Return how many of the fixed strengths, of those that tell, left exactly k groups in every seed."""
    told = rows[rows["lam"].notna()].groupby("lam")["k_reached"].mean().dropna()
    return f"{(told == 1).sum()}/{len(told)}" if len(told) else ""


def _names(rows: pd.DataFrame) -> pd.Series:
    """Return the contender of each row, with its other hyperparameters, and with the phases if they set rows apart."""
    names = noted(rows["contender"], rows["rest"])
    for phase in PHASES:
        if phase in rows:
            counts = rows[phase].groupby([rows["keep"], rows["part"], rows["panel"], names]).transform("nunique")
            words = rows[phase].map(lambda value, phase=phase: condition(phase, value))
            names = noted(names, words.where(counts > 1, ""))
    return names


LAM_AUTO = TableEntry(
    "lam_auto",
    "The best fixed strength on validation against lam = auto or bound: accuracy, difference, who reached k.",
    ("test_top1", "val_top1", "hyperparameters"),
    data=data,
)
