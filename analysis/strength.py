"""Trials over the strength lam of a regulariser: fixed numbers, or a word for what sets it, `auto` or `bound`."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import pandas as pd

Word = Literal["auto", "bound"]
AUTO: Word = "auto"
BOUND: Word = "bound"
WORDS: tuple[Word, ...] = (AUTO, BOUND)


def strength(hyperparameters: Any) -> float | Word | None:
    """Return the lam of a cell of hyperparameters: a finite number of at least 0, a word, or None where neither."""
    lam = _given(hyperparameters).get("lam")
    for word in WORDS:
        if lam == word:
            return word
    if not isinstance(lam, int | float) or isinstance(lam, bool):
        return None
    try:
        return float(lam) if 0 <= lam < math.inf else None
    except OverflowError:
        return None


def with_strength(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that have a strength, with the columns lam (NaN for a word), and auto and bound.

    A trial without lam is auto where its method has a number elsewhere, or says auto: that is then its default. The
    column hyperparameters keeps what else a method has several values of, so that trials that differ in lam are alike.
    """
    found = rows.copy()
    given = [_given(cell) for cell in rows.get("hyperparameters", pd.Series(index=rows.index, dtype="object"))]
    lams = [strength(cell) for cell in rows.get("hyperparameters", [None] * len(rows))]
    tunable = {method for method, lam in zip(rows["method"], lams, strict=True) if lam is not None}
    silent = ["lam" not in cell and method in tunable for cell, method in zip(given, rows["method"], strict=True)]
    found["lam"] = [lam if isinstance(lam, float) else math.nan for lam in lams]
    found["auto"] = [lam == AUTO or quiet for lam, quiet in zip(lams, silent, strict=True)]
    found["bound"] = [lam == BOUND for lam in lams]
    found["hyperparameters"] = _rest(list(rows["method"]), given)
    return found[found["lam"].notna() | found["auto"] | found["bound"]]


def _rest(methods: list[str], given: list[dict[str, Any]]) -> list[str]:
    """Return, for each trial, the hyperparameters other than lam of which its method has several values."""
    values: dict[tuple[str, str], set[str]] = {}
    for method, cell in zip(methods, given, strict=True):
        for name, value in cell.items():
            values.setdefault((method, name), set()).add(json.dumps(value, sort_keys=True))
    return [
        json.dumps({n: v for n, v in sorted(cell.items()) if n != "lam" and len(values[method, n]) > 1})
        for method, cell in zip(methods, given, strict=True)
    ]


def _given(cell: Any) -> dict[str, Any]:
    value = json.loads(cell) if isinstance(cell, str) else {}
    return value if isinstance(value, dict) else {}
