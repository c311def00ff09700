"""Trials over the strength lam: which of them make a curve, and which stand beside it for auto and bound."""

from __future__ import annotations

from functools import partial

import pandas as pd

from analysis.annotation import noted
from analysis.select import AUTO, BOUND, DIGITS, FIXED, PHASES
from analysis.wording import condition

FEWEST = 3  # strengths that make a curve
CELLS = ["panel", "grouping", "keep"]
WORDS = (AUTO, BOUND)


def beside_lam(rows: pd.DataFrame) -> pd.Series:
    """Return the contender of each trial with all that sets it apart in its cell, but for lam and seed, in words."""
    line = noted(rows["contender"], rows["rest"])
    for column in [column for column in ("suite", *PHASES) if column in rows]:
        keys = [*(rows[cell] for cell in CELLS), line]
        several = rows[column].groupby(keys).transform("nunique", dropna=False) > 1
        line = noted(line, rows[column].map(partial(condition, column)).where(several, ""))
    return line


def curves(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the trials of the lines with enough fixed strengths above 0, as a logarithmic axis needs, in a cell."""
    found = rows[(rows["strength"] == FIXED) & (rows["lam"] > 0)]
    return found[found.groupby([*CELLS, "line"])["lam"].transform("nunique") >= FEWEST]


def words(rows: pd.DataFrame, over_lam: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the trials of auto and bound in the cells of the curves, and the contenders of which one was chosen.

    Of a contender they are those of its lines that have a curve; if it has none, of its line that is best on
    validation, which is then called as the contender.
    """
    beside = rows[rows["strength"].isin(WORDS)].merge(over_lam[CELLS].drop_duplicates(), on=CELLS)
    with_curve = set(over_lam[[*CELLS, "line"]].itertuples(index=False, name=None))
    parts, chosen = [beside.iloc[:0]], []
    for (*cell, contender, _), mine in beside.groupby([*CELLS, "contender", "strength"]):
        there = [(*cell, line) in with_curve for line in mine["line"]]
        if any(there):
            mine = mine[there]
        elif mine["line"].nunique() > 1 and "val_top1" in mine and mine["val_top1"].notna().any():
            best = mine.groupby("line")["val_top1"].mean().round(DIGITS).idxmax()
            mine = mine[mine["line"] == best].assign(line=str(contender))
            chosen.append(str(contender))
        parts.append(mine)
    return pd.concat(parts), sorted(set(chosen))
