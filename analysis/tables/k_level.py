"""The claim in numbers: how often training alone left exactly k groups, and what the projection cost."""

from __future__ import annotations

import pandas as pd

from analysis.entries import TableEntry
from analysis.frame import Frame
from analysis.statistics import by_seed
from analysis.table import HALF, WHOLE, Column, Format, Table
from analysis.tabulation import experiments, heads, k_level, pruned, seeds_said, subject, table

WHERE = {"layer": "in each family", "network": "in all families together, none of them empty"}


def data(frame: Frame) -> Table:
    """Return a row per keep, grouping and experiment: trials at the k-level, groups above, drop in points, accuracy."""
    trials = pruned(frame).assign(drop=frame.tabled.get("projection_drop", float("nan")))
    rows = experiments(trials, "keep", "part")
    parts = [row.trials for row in rows]
    top1 = [by_seed(part) for part in parts]
    columns = [
        *heads(rows),
        Column("trials", [float(len(part)) for part in parts], WHOLE),
        Column("k-level", [k_level(part) for part in parts]),
        Column("groups above", [part["groups_above"].mean() for part in parts], Format(1)),
        Column("largest drop", [100 * part["drop"].max() for part in parts]),
        Column("median top-1", [100 * values.median() for values in top1]),
        Column("mean top-1", top1, scale=100),
    ]
    caption = [
        f"{subject(frame, trials)}: groups before the projection to k, and test top-1 (%)",
        f"k-level: trials with exactly k groups left before projection{_scopes(trials)}",
        "Groups above: those left above k, mean over the trials",
        "Largest drop: of validation top-1 by the projection, in points",
        seeds_said(trials, HALF),
    ]
    return table(frame, columns, caption, trials, spread=HALF)


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
