"""The claim in numbers: how often training alone left exactly k groups, and what the projection cost."""

from __future__ import annotations

from statistics import median

import pandas as pd

from analysis.frame import Frame
from analysis.registry import TableEntry
from analysis.rows import HALF, Columns, experiments, heads, k_level, seeds_said, spread, subject, table
from analysis.statistics import by_seed, over_seeds
from analysis.table import WHOLE, Format, Table
from results.errors import Skip

WHERE = {"layer": "in each family", "network": "in all families together, none of them empty"}


def data(frame: Frame) -> Table:
    """Return a row per keep, grouping and experiment: trials at the k-level, groups above, drop in points, accuracy."""
    trials = frame.tabled
    if trials.empty:
        raise Skip(f"{frame.title} has no pruned trial")
    rows = [
        (f"{keep:g}", str(part), key, mine)
        for keep in sorted(trials["keep"].unique(), reverse=True)
        for part, here in trials[trials["keep"] == keep].groupby("part")
        for key, mine in experiments(here).items()
    ]
    parts = [mine for *_, mine in rows]
    columns: Columns = {"keep": [keep for keep, *_ in rows]}
    columns |= heads((key for _, _, key, _ in rows), (part for _, part, *_ in rows))
    columns |= {"trials": [float(len(mine)) for mine in parts], "k-level": [k_level(mine) for mine in parts]}
    columns |= {"groups above": [mine["groups_above"].mean() for mine in parts]}
    columns |= {"largest drop": [100 * _drops(mine).max() for mine in parts]}
    columns |= {"median top-1": [100 * median(by_seed(mine)) for mine in parts]}
    columns |= spread("mean top-1", map(over_seeds, parts), 100, HALF)
    caption = [
        f"{subject(frame, trials)}: groups before the projection to k, and test top-1 (%)",
        f"k-level: trials with exactly k groups left before projection{_scopes(trials)}",
        "Groups above: those left above k, mean over the trials",
        "Largest drop: of validation top-1 by the projection, in points",
        seeds_said(trials, HALF),
    ]
    formats = {"trials": WHOLE, "groups above": Format(1)}
    return table(frame, trials, columns, caption, formats, lead=("keep",), spread=HALF)


def _drops(rows: pd.DataFrame) -> pd.Series:
    return rows.reindex(columns=["projection_drop"])["projection_drop"].astype("float64")


def _scopes(trials: pd.DataFrame) -> str:
    """Say where k groups have to be left, under each scope of the trials."""
    scopes = sorted(trials["scope"].dropna().unique()) if "scope" in trials else []
    return f" ({'; '.join(f'{scope} scope: {WHERE[scope]}' for scope in scopes)})" if scopes else ""


K_LEVEL = TableEntry(
    "k_level",
    "How many trials had exactly k groups before projection, what the projection cost, and the accuracy.",
    ("test_top1", "groups_target", "groups_at_convergence"),
    data=data,
)
