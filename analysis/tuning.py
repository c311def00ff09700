"""Of many hyperparameters of a method: auto, and what is best on validation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.choice import TOO_MANY, best_hyperparameters
from analysis.series import IDENTITY
from analysis.strength import with_strength

AUTO, TUNED = "auto", "tuned"


def tuned(rows: pd.DataFrame, apart: Sequence[str] = ()) -> pd.DataFrame:
    """Return the trials of auto, and of the other hyperparameters of each method those best on validation.

    The best has the highest mean val_top1 over the seeds at its keep, under otherwise equal conditions (IDENTITY and
    the columns `apart`); of equals it is the first in the alphabet. The column hyperparameters then says `tuned` or
    `auto` in place of the values, so that what was best at different keeps becomes one series.
    Raises Skip where validation cannot tell.
    """
    if "hyperparameters" not in rows:
        return rows
    rows = rows.assign(hyperparameters=rows["hyperparameters"].fillna("{}"))
    auto = rows["trial"].isin(with_strength(rows).query("auto")["trial"])
    parts = []
    for (method, is_auto), part in rows.groupby(["method", auto], sort=False):
        names = _varying(rows["hyperparameters"][rows["method"] == method])
        best = _best(part, apart)
        parts.append(best.assign(hyperparameters=_said(best, names, bool(is_auto), reduced=len(best) < len(part))))
    return pd.concat(parts).sort_index() if parts else rows


def tuning_said(rows: pd.DataFrame) -> list[str]:
    """Return a line of heading on what `tuned` did to these trials, if it reduced any."""
    cells = rows["hyperparameters"] if "hyperparameters" in rows else pd.Series("{}", index=rows.index)
    names = sorted(set(rows["method"][[TUNED in _given(cell).values() for cell in cells]]))
    return [f"tuned, the best on validation at each keep: {', '.join(names)}"] if names else []


def _said(rows: pd.DataFrame, names: list[str], is_auto: bool, reduced: bool) -> list[str]:
    """Return what the column hyperparameters says: that they were chosen, or those of `names` where they were not."""
    if is_auto:
        said = {"lam": AUTO, "rest": TUNED} if reduced else {"lam": AUTO}
    elif reduced:
        said = {"lam" if "lam" in names else ", ".join(names): TUNED}
    else:
        given = [_given(cell) for cell in rows["hyperparameters"]]
        return [json.dumps({name: values[name] for name in names if name in values}) for values in given]
    return [json.dumps(said)] * len(rows)


def _varying(cells: pd.Series) -> list[str]:
    """Return the names of the hyperparameters that have several values."""
    given = [_given(cell) for cell in cells]
    names = sorted({name for values in given for name in values})
    return [name for name in names if len({json.dumps(values.get(name)) for values in given}) > 1]


def _given(cell: str | None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cell or "{}")
    return found


def _best(rows: pd.DataFrame, apart: Sequence[str]) -> pd.DataFrame:
    """Return the trials of the hyperparameters that are best on validation, for each keep."""
    columns = dict.fromkeys([*IDENTITY, *apart, "keep"])
    equal = [column for column in columns if column in rows and column != "hyperparameters"]
    groups = rows.groupby(equal, dropna=False, sort=False)
    return pd.concat([best_hyperparameters(part, TOO_MANY) for _, part in groups])
