"""What a word for lam loses against the best of the strengths that were tried: auto, or bound if that was given."""

from __future__ import annotations

import math

import pandas as pd

from analysis.annotation import beside_lam
from analysis.entries import TableEntry
from analysis.frame import Frame
from analysis.select import AUTO, BOUND, DIGITS, FIXED
from analysis.statistics import by_seed
from analysis.table import HALF, SIGNED, WHOLE, Column, Table
from analysis.tabulation import experiments, heads, k_level, seeds_said, subject, table
from results.errors import Skip


def data(frame: Frame) -> Table:
    """Return a row per keep, grouping and experiment: the best fixed strength on validation, and the word, in percent.

    An experiment is here all trials that differ in lam and seed alone.
    """
    trials = frame.pruned[frame.pruned["strength"] != ""]
    word = BOUND if (trials["strength"] == BOUND).any() else AUTO
    every = experiments(trials.assign(experiment=beside_lam(trials)), "keep", "part")
    rows = [row for row in every if _both(row.trials, word)]
    if not rows:
        raise Skip(f"no method of {frame.title} has both a fixed lam and {word} under otherwise equal conditions")
    fixed = [_best(row.trials) for row in rows]
    words = [row.trials[row.trials["strength"] == word] for row in rows]
    numbers, said = [by_seed(part) for part in fixed], [by_seed(part) for part in words]
    pairs = list(zip(said, numbers, strict=True))
    apart = [(one - other).dropna() for one, other in pairs]
    means = [pd.Series([one.mean() - other.mean()]) for one, other in pairs]  # what stands without a common seed
    columns = [
        *heads(rows),
        Column("best lam", [f"{part['lam'].iloc[0]:g}" for part in fixed]),
        Column("its top-1", numbers, scale=100),
        Column(f"{word} top-1", said, scale=100),
        Column("difference", [one if len(one) else mean for one, mean in zip(apart, means, strict=True)], SIGNED, 100),
        Column("seeds", [float(len(one)) or math.nan for one in apart], WHOLE),
        Column("lams at k", [_lams_at_k(row.trials) for row in rows]),
        Column(f"{word} at k", [k_level(part) for part in words]),
    ]
    caption = [
        f"{subject(frame, trials)}: test top-1 (%) at the best fixed lam and at lam = {word}",
        "Best lam: of the fixed ones by mean validation top-1, of equals the smaller",
        seeds_said(pd.concat([*fixed, *words]), HALF),
        f"Difference: {word} less best lam in points, paired by seed; without a common seed, of the means",
        f"At k: fixed lams of which every seed, and trials of {word} that, had exactly k groups left before projection",
    ]
    return table(frame, columns, caption, spread=HALF)


def _both(rows: pd.DataFrame, word: str) -> bool:
    """Return whether there are trials of the word, and of a fixed strength that validation tells of."""
    return bool((rows["strength"] == word).any() and (rows["lam"].notna() & rows["val_top1"].notna()).any())


def _best(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the trials of the strength with the highest validation top-1, mean over seeds; of equals the smallest."""
    told = rows[(rows["strength"] == FIXED) & rows["val_top1"].notna()]
    means = told.groupby(["lam", "seed"])["val_top1"].mean().groupby("lam").mean().round(DIGITS)
    return told.loc[told["lam"] == means.idxmax()]


def _lams_at_k(rows: pd.DataFrame) -> str:
    """Return how many of the fixed strengths, of those that tell, left exactly k groups in every seed."""
    told = rows[rows["lam"].notna()].groupby("lam")["k_reached"].mean().dropna()
    return f"{(told == 1).sum()}/{len(told)}" if len(told) else ""


LAM_AUTO = TableEntry(
    "lam_auto",
    "The best fixed strength on validation against lam = auto or bound: accuracy, difference, who reached k.",
    ("test_top1", "val_top1", "hyperparameters"),
    data=data,
)
